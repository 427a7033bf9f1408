"""Starting from another GPT-2: exactly from it, and only where it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint
from looking_glass.gpt.config import GPTConfig, ModelParams
from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.training.loop import train
from looking_glass.training.start import build, checkpoint_files, start_from
from looking_glass.training.token_table import Vocabulary
from looking_glass.training.training import Training
from tests.helpers.training import BYTES, SHAPE, noise, settings


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkpoint that transformers itself has written, its block twice as long as ours."""
    config = GPT2Config(
        vocab_size=40,
        n_positions=16,
        n_embd=16,
        n_layer=1,
        n_head=2,
        initializer_range=0.5,
        tie_word_embeddings=request.param,
        bos_token_id=39,
        eos_token_id=39,
    )
    directory = tmp_path / "theirs"
    GPT2LMHeadModel(config).save_pretrained(directory)
    return directory


def start(directory: Path, dropout: float = 0.1, **changes: object) -> Training:
    """Return a run on half-unseen noise that starts from the checkpoint in `directory`."""
    config = load_checkpoint(directory).config
    model = GPT(GPTConfig(**SHAPE, tie_weights=config.tie_weights, dropout=dropout))
    start_from(model, directory)
    vocabulary = Vocabulary(noise().train, BYTES, apart=True)
    return Training(model, noise(), vocabulary, settings(**changes), pretrained=True)


@pytest.mark.parametrize("init", ["positions", "scratch"])
def test_what_the_first_attention_adds_has_a_dropout_of_its_own(init: str) -> None:
    keys = {
        "implementation": "builtin",
        "init": init,
        "n_layer": 3,
        "n_head": 2,
        "n_embd": 16,
        "block_size": 8,
        "embedding_dropout": 0.5,
        "dropout": 0.25,
        "attention_dropout": 0.0,
        "first_attention_dropout": 0.125,
        "tie_weights": True,
    }
    model = build(ModelParams.model_validate(keys), 40)
    found = [
        (block.attn.resid_dropout.p, block.mlp.dropout.p) for block in model.transformer.blocks
    ]
    assert model.transformer.drop.p == 0.5
    assert found == [(0.125, 0.25), (0.25, 0.25), (0.25, 0.25)]


def logits_of(directory: Path) -> torch.Tensor:
    """Return what transformers' own class computes from the checkpoint in `directory`."""
    model = GPT2LMHeadModel.from_pretrained(directory).eval()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        logits: torch.Tensor = model(torch.arange(8)[None] * 5).logits
    return logits


def validation_loss(directory: Path) -> float:
    """Return the checkpoint's own loss on the validation text, token by token, in blocks of 8."""
    model = GPT2LMHeadModel.from_pretrained(directory).eval()  # type: ignore[no-untyped-call]
    tokens = torch.from_numpy(noise().val.astype(np.int64))
    losses = []
    with torch.no_grad():
        for i in range(1, len(tokens)):
            context = tokens[None, (i - 1) // 8 * 8 : i]
            losses.append(-model(context).logits[0, -1].log_softmax(-1)[tokens[i]].item())
    return float(np.mean(losses))


def test_before_the_first_step_it_is_the_checkpoint_to_the_bit(theirs: Path) -> None:
    run = start(theirs)
    (loss,) = run.exact_losses(run.corpus.val)
    assert loss == pytest.approx(validation_loss(theirs), rel=1e-6)
    ours, given = run.learner.model.state_dict(), load_checkpoint(theirs).state_dict()
    for name, weight in ours.items():
        assert torch.equal(weight, given[name][: len(weight)]), name


@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_the_training_loss_is_that_of_the_checkpoint(theirs: Path, softmax: str) -> None:
    """Also over the unseen tokens, each by the row that it was given."""
    run = start(theirs, dropout=0.0, discount=0.9, softmax=softmax, sampled_tokens=40)
    tokens, targets = run.batches.draw()
    with torch.no_grad():
        loss = run.learner.train()(tokens, targets, run.outputs(targets))
        logits = load_checkpoint(theirs)(tokens)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_after_learning_next_to_nothing_transformers_computes_the_same(
    theirs: Path, tmp_path: Path
) -> None:
    run = start(theirs, softmax="sampled", learning_rate=1e-9, matrix_rate=1e-9, steps=4)
    train(run)
    model = run.finish()
    save_checkpoint(tmp_path / "ours", model.state_dict(), model.config)
    torch.testing.assert_close(logits_of(tmp_path / "ours"), logits_of(theirs), atol=1e-5, rtol=0)


def test_it_learns_from_there(theirs: Path) -> None:
    run = start(theirs, softmax="sampled", steps=100, keep="last")
    before = mean_loss(load_checkpoint(theirs), noise().train)
    train(run)
    assert mean_loss(run.finish(), noise().train) < before - 0.5


def write(directory: Path, **changes: int | bool) -> Path:
    shape = {**SHAPE, "block_size": 16, **changes}
    model = GPT(GPTConfig(**shape))
    save_checkpoint(directory, model.state_dict(), model.config)
    return directory


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layer": 2}, r"model.n_layer: must be 2, which .* \(.*theirs\) has, got 1: change it"),
        ({"n_embd": 8}, "model.n_embd: must be 8, .* got 16"),
        ({"n_head": 4}, "model.n_head: must be 4, .* got 2"),
        ({"tie_weights": False}, "model.tie_weights: must be False, .* got True"),
        ({"block_size": 4}, "model.block_size: must be at most 4, .* got 8"),
        ({"vocab_size": 41}, "the encoder's 40 tokens, .* has 41"),
    ],
)
def test_another_shape_is_refused(
    tmp_path: Path, changes: dict[str, int | bool], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        start_from(GPT(GPTConfig(**SHAPE)), write(tmp_path / "theirs", **changes))


def test_the_files_that_decide_are_named_and_a_missing_one_is_asked_for(tmp_path: Path) -> None:
    assert checkpoint_files("scratch") == checkpoint_files("positions") == []
    names = [path.name for path in checkpoint_files(str(write(tmp_path / "theirs")))]
    assert names == ["config.json", "model.safetensors"]
    with pytest.raises(
        InputError, match=r"model.init: must be positions, scratch or .* no/config.json is not"
    ):
        start_from(GPT(GPTConfig(**SHAPE)), Path("no"))
