"""The model beside Hugging Face's GPT-2, which reads the same checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import GPT2LMHeadModel

from looking_glass.pipeline.artifacts import read_tensors, write_tensors
from looking_glass.attention.patterns import trace
from looking_glass.pipeline.errors import InputError
from looking_glass.likelihood.scores import score
from looking_glass.gpt.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load_checkpoint, save_checkpoint, weights_sha256
from looking_glass.gpt.config import GPTConfig, ModelParams
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from tests.conftest import make_model
from tests.tiny_project import ROOT

TRAINED = ROOT / "data" / "model"


@pytest.fixture(params=["tied", "untied", "trained"])
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkpoint's directory; the trained one where the pipeline has run."""
    if request.param == "trained":
        if not TRAINED.exists():
            pytest.skip("no trained model: dvc repro makes one")
        return TRAINED
    model = make_model(tie_weights=request.param == "tied")
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    return tmp_path


def huggingface(directory: Path) -> Any:
    return GPT2LMHeadModel.from_pretrained(directory, attn_implementation="eager").eval()  # type: ignore[no-untyped-call]


def random_tokens(model: GPT, n: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    shape = (n, model.config.block_size)
    return torch.randint(model.config.vocab_size, shape, generator=generator)


@torch.no_grad()
def test_logits_and_patterns_equal_huggingfaces(checkpoint: Path) -> None:
    model, oracle = load_checkpoint(checkpoint), huggingface(checkpoint)
    tokens = random_tokens(model)
    theirs = oracle(tokens, output_attentions=True)
    assert torch.allclose(model(tokens), theirs.logits, atol=1e-4)
    ours = trace(model, tokens).patterns
    assert len(ours) == len(theirs.attentions)
    for pattern, attention in zip(ours, theirs.attentions, strict=True):
        assert torch.allclose(pattern, attention, atol=1e-5)


@torch.no_grad()
def test_log_probability_equals_huggingfaces(checkpoint: Path) -> None:
    model, oracle = load_checkpoint(checkpoint), huggingface(checkpoint)
    ids = random_tokens(model, 1)
    begins = torch.zeros(model.config.vocab_size)
    tokens = ids[0].tolist()
    own = score(model, tokens[:1], tokens[1:], stride=1, begins_word=begins).log_probs
    loss = oracle(ids, labels=ids).loss.item()
    assert own.sum().item() == pytest.approx(-loss * (ids.shape[1] - 1), abs=1e-3)


def test_greedy_generation_equals_huggingfaces(checkpoint: Path) -> None:
    model, oracle = load_checkpoint(checkpoint), huggingface(checkpoint)
    prompt = random_tokens(model, 3)[:, :5]
    theirs = oracle.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=8,
        do_sample=False,
        eos_token_id=-1,
        pad_token_id=0,
    )
    assert generate_greedy(model, model.embed(prompt), 8).tolist() == theirs[:, 5:].tolist()


def test_embeddings_in_place_of_tokens_give_the_same_logits() -> None:
    model = make_model()
    tokens = random_tokens(model, 2)
    assert torch.equal(model.forward_embeddings(model.embed(tokens)), model(tokens))


def test_later_tokens_change_nothing_before_them() -> None:
    model = make_model()
    tokens = random_tokens(model, 1)
    changed = tokens.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % model.config.vocab_size
    before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :9], after[:, :9], atol=1e-6)
    assert not torch.allclose(before[:, 9:], after[:, 9:], atol=1e-3)


def test_positions_over_the_block_are_refused() -> None:
    model = make_model()
    with pytest.raises(ValueError, match="at most block_size 16 positions, got 17"):
        model(torch.zeros(1, 17, dtype=torch.long))


def test_initial_weights_have_gpt2s_spread_and_come_from_the_generator() -> None:
    config = GPTConfig(vocab_size=300, block_size=64, n_layer=8, n_head=2, n_embd=64)
    model = GPT(config, generator=torch.Generator().manual_seed(3))
    same = GPT(config, generator=torch.Generator().manual_seed(3))
    other = GPT(config, generator=torch.Generator().manual_seed(4))
    assert weights_sha256(model) == weights_sha256(same) != weights_sha256(other)
    block = model.transformer.blocks[3]
    assert block.mlp.c_fc.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.mlp.c_proj.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert block.attn.c_attn.bias.abs().sum() == 0
    assert model.lm_head.weight is model.transformer.wte.weight


def test_checkpoint_round_trip_keeps_every_weight_and_its_bytes(tmp_path: Path) -> None:
    model = make_model(tie_weights=False)
    save_checkpoint(tmp_path / "a", model.state_dict(), model.config)
    loaded = load_checkpoint(tmp_path / "a")
    save_checkpoint(tmp_path / "b", loaded.state_dict(), loaded.config)
    assert weights_sha256(loaded) == weights_sha256(model)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_hash_sees_a_single_weight() -> None:
    model = make_model()
    before = weights_sha256(model)
    model.transformer.wpe.weight[0, 0] += 1e-6
    assert weights_sha256(model) != before


def test_openais_names_and_masks_load(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    tensors = read_tensors(tmp_path / WEIGHTS_FILE)
    bare = {name.removeprefix("transformer."): array for name, array in tensors.items()}
    bare["h.0.attn.bias"] = np.ones((1, 1, 16, 16), dtype=np.float32)
    write_tensors(tmp_path / WEIGHTS_FILE, bare)
    assert weights_sha256(load_checkpoint(tmp_path)) == weights_sha256(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_embd": 12}, "weights do not fit config.json"),
        ({"n_layer": 3}, "weights do not fit config.json"),
        ({"activation_function": "relu"}, "activation_function must be 'gelu_new', got 'relu'"),
        ({"model_type": "llama"}, "model_type must be 'gpt2', got 'llama'"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, int | str], message: str
) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    (tmp_path / CONFIG_FILE).write_text(json.dumps({**config, **change}))
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


def test_a_missing_or_broken_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is none: run dvc repro train"):
        load_checkpoint(tmp_path)
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"model.safetensors cannot be read"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layer_norm_epsilon", 1e-6, "layer_norm_epsilon must be 1e-05, got 1e-06"),
        ("n_layer", None, "n_layer is required, there is none"),
    ],
)
def test_a_configuration_that_is_no_gpt2s_is_refused(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    config = {**json.loads((tmp_path / CONFIG_FILE).read_text()), key: value}
    kept = {name: content for name, content in config.items() if content is not None}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(kept))
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


def test_heads_must_share_the_width() -> None:
    shape = {
        "implementation": "builtin",
        "init": "scratch",
        "n_layer": 1,
        "block_size": 8,
        "dropout": 0,
        "attention_dropout": 0,
    }
    with pytest.raises(ValidationError, match="n_embd must be divisible by n_head"):
        ModelParams.model_validate({**shape, "n_head": 3, "n_embd": 8, "tie_weights": True})
