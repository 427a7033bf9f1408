"""The model beside Hugging Face's GPT-2, which reads the same checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from looking_glass.attention.patterns import trace
from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from looking_glass.likelihood.scores import score
from tests.helpers.models import make_model
from tests.helpers.project import ROOT

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
    ours = trace(model, model.embed(tokens)).patterns
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


def test_the_parts_that_blocks_add_make_up_the_residual_stream() -> None:
    model = make_model(n_layer=3)
    x = model.embed(random_tokens(model, 2))
    added: list[Tensor] = []
    hidden = model.hidden(x, added=added)
    assert torch.equal(hidden, model.hidden(x)), "what is looked on is not changed"
    assert len(added) == 2 * 3
    stream = model.residual_input(x) + torch.stack(added).sum(dim=0)
    assert torch.allclose(model.transformer.ln_f(stream), hidden, atol=1e-5)


def test_attention_is_asked_of_whoever_is_given_in_its_place() -> None:
    model = make_model(n_layer=3)
    x = model.embed(random_tokens(model, 2))
    asked: list[int] = []

    def nothing(block: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        assert query.shape == key.shape == value.shape == (2, 2, 16, 4)
        asked.append(block)
        return torch.zeros_like(value)

    added: list[Tensor] = []
    model.hidden(x, nothing, added=added)
    assert asked == [0, 1, 2]
    for block, attention in zip(model.transformer.blocks, added[::2], strict=True):
        assert torch.allclose(attention, block.attn.c_proj.bias.expand_as(attention))


def test_positions_may_begin_later() -> None:
    model = make_model()
    x = torch.zeros(1, 3, 8)
    assert torch.equal(model.residual_input(x, 5)[0], model.transformer.wpe.weight[5:8])
    with pytest.raises(ValueError, match="at most block_size 16 positions, got 17"):
        model.hidden(x, start=14)
