"""Training: the right targets, the right loss, the weights that were asked for, stopped or not."""

from __future__ import annotations

import sys
import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from looking_glass.training import token_table
from looking_glass.text.corpus import Corpus
from looking_glass.pipeline.errors import InputError
from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.mingpt import build_mingpt
from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT, Transformer
from looking_glass.training.resume import Scratch, fingerprint
from looking_glass.training.run import (
    Batches,
    Evaluation,
    Training,
    TrainParams,
    learning_rate_at,
    train,
)
from tests.conftest import make_model

SETTINGS = {
    "seed": 1,
    "steps": 30,
    "batch_size": 8,
    "accumulate": 1,
    "learning_rate": 1e-2,
    "warmup_steps": 3,
    "weight_decay": 0.1,
    "embedding_decay": 0.05,
    "discount": 0.5,
    "softmax": "full",
    "sampled_tokens": 8,
    "precision": "float32",
    "compile": False,
    "evaluate_every": 10,
    "keep": "best",
}
SHAPE: Any = {"vocab_size": 40, "block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 16}
BYTES = [f" {chr(97 + i % 26)}{'ing' * (i % 3)}".encode() for i in range(40)]


def settings(**changes: object) -> TrainParams:
    return TrainParams.model_validate({**SETTINGS, **changes})


def song(n_train: int = 400, n_val: int = 60) -> Corpus:
    """A text that goes round in a circle of seven tokens: any model can learn it."""
    tokens = np.arange(n_train + n_val, dtype=np.uint16) % 7
    return Corpus(train=tokens[:n_train], val=tokens[n_train:], vocab_size=40, val_bytes=n_val)


def noise() -> Corpus:
    """A text in which nothing follows from anything, half of its validation tokens never seen."""
    draw = np.random.default_rng(0)
    return Corpus(
        train=draw.integers(0, 20, 60).astype(np.uint16),
        val=draw.integers(0, 40, 60).astype(np.uint16),
        vocab_size=40,
        val_bytes=60,
    )


def start(
    corpus: Corpus | None = None, tie: bool = True, dropout: float = 0.1, **changes: object
) -> Training:
    torch.manual_seed(0)
    config = GPTConfig(**SHAPE, tie_weights=tie, dropout=dropout)
    return Training(GPT(config), corpus or song(), BYTES, settings(**changes))


@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.1, 0.1), (0.1, 0.0), (0.0, 0.1), (0.2, 0.1)])
def test_every_parameter_learns_whatever_the_decays(decays: tuple[float, float]) -> None:
    matrices, embeddings = decays
    run = start(weight_decay=matrices, embedding_decay=embeddings)
    decay_of = {
        id(p): group["weight_decay"]
        for group in run.optimizer.param_groups
        for p in group["params"]
    }
    learned = {n: p for n, p in run.learner.named_parameters() if p.requires_grad}
    assert len(decay_of) == len(learned)
    for name, parameter in learned.items():
        table = name.startswith(("inputs", "outputs"))
        expected = embeddings if table else matrices if parameter.ndim >= 2 else 0.0
        assert decay_of[id(parameter)] == expected, name


def test_targets_are_the_inputs_one_token_later() -> None:
    tokens = np.arange(500, dtype=np.uint16)
    batches = Batches(tokens, block_size=8, batch_size=64, seed=3)
    starts = set()
    for _ in range(200):
        inputs, targets = batches.draw()
        assert torch.equal(inputs + 1, targets)
        assert inputs.shape == (64, 8)
        starts |= set(inputs[:, 0].tolist())
    assert starts == set(range(500 - 8)), "every block is drawn, the last one included"


@pytest.mark.parametrize("n", [2, 16, 17, 18, 200])
def test_mean_loss_scores_every_token_but_the_first_once(n: int) -> None:
    model = make_model()
    tokens = np.random.default_rng(0).integers(0, 97, n).astype(np.uint16)
    total = 0.0
    for index in range(1, n):
        start = (index - 1) // 16 * 16
        context = torch.from_numpy(tokens[start:index].astype(np.int64))[None]
        total -= model(context)[0, -1].log_softmax(-1)[int(tokens[index])].item()
    assert mean_loss(model, tokens) == pytest.approx(total / (n - 1), rel=1e-5)


def test_mean_loss_measures_in_eval_mode_and_puts_the_mode_back() -> None:
    model = make_model(dropout=0.5)
    quiet = mean_loss(model, song().val)
    model.train()
    assert mean_loss(model, song().val) == quiet
    assert model.training


@pytest.mark.parametrize("tie", [True, False])
def test_the_loss_by_forms_is_that_of_the_plain_model(
    monkeypatch: pytest.MonkeyPatch, tie: bool
) -> None:
    monkeypatch.setattr(token_table, "UNSEEN_STD", 0.0)
    run = start(noise(), tie)
    for _ in range(5):
        run.step()
    run.learner.eval()
    tokens = torch.from_numpy(noise().val.astype(np.int64))[None, :9]
    assert not torch.isin(tokens, run.learner.vocabulary.seen).all()
    by_forms = run.learner(tokens[:, :-1], tokens[:, 1:], *run.learner.every_other_form())
    run.learner.fold()
    plain = mean_loss(run.learner.model, noise().val[:9])
    assert plain == pytest.approx(by_forms.item(), rel=1e-6)


def test_sampling_all_other_tokens_is_the_exact_softmax() -> None:
    run = start(noise())
    run.learner.eval()
    tokens, targets = run.batches.draw()
    exact = run.learner(tokens, targets, *run.learner.every_other_form())
    n = len(run.learner.vocabulary.unseen)
    for drawn in (n, n + 7):
        sampled = run.learner.sampled_forms(drawn, torch.Generator().manual_seed(0))
        assert run.learner(tokens, targets, *sampled).item() == pytest.approx(
            exact.item(), rel=1e-6
        )


def test_sampled_softmax_has_the_exact_denominator_in_expectation() -> None:
    run = start(noise())
    run.learner.eval()
    tokens, targets = (ids[:1, :1] for ids in run.batches.draw())
    # Of one target, exp(loss) is the denominator over a constant.
    exact = run.learner(tokens, targets, *run.learner.every_other_form()).exp()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = torch.stack(
            [
                run.learner(tokens, targets, *run.learner.sampled_forms(4, generator))
                for _ in range(1500)
            ]
        )
    assert losses.std() > 1e-4, "a sample that never varies is none"
    assert losses.double().exp().mean().item() == pytest.approx(exact.item(), rel=1e-3)


def test_rate_warms_up_peaks_and_falls_to_zero() -> None:
    params = settings(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate_at(step, params) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert 0 < rates[-1] < 1e-3
    assert all(a > b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize("softmax", ["full", "sampled"])
@pytest.mark.parametrize("tie", [True, False])
def test_a_circle_of_tokens_is_learned(softmax: str, tie: bool) -> None:
    run, seen = start(tie=tie, steps=120, softmax=softmax, discount=0.0), list[Evaluation]()
    history = train(run, on_evaluation=seen.append)
    assert history["val_loss"].iloc[-1] < 0.1
    assert [now.step for now in seen] == list(range(10, 121, 10)) == history["step"].tolist()
    assert seen[-1].remaining == 0
    assert all(now.speed > 0 for now in seen)
    assert mean_loss(run.finish(), song().val) == pytest.approx(history["val_loss"].min(), rel=1e-4)


def test_best_keeps_the_lowest_validation_loss_and_last_the_end() -> None:
    best = start(noise(), steps=100)
    losses = train(best)["val_loss"].to_numpy()
    assert best.kept_step == losses.argmin() * 10 + 10 < 100, "noise is not worth learning by heart"
    assert mean_loss(best.finish(), noise().val) == pytest.approx(losses.min(), rel=1e-5)
    last = start(noise(), steps=100, keep="last")
    losses = train(last)["val_loss"].to_numpy()
    assert last.kept_step == 100
    assert mean_loss(last.finish(), noise().val) == pytest.approx(losses[-1], rel=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    def bits(seed: int) -> str:
        run = start(seed=seed, softmax="sampled")
        train(run)
        return weights_sha256(run.finish())

    assert bits(1) == bits(1) != bits(2)


@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path: Path, softmax: str) -> None:
    whole = start(noise(), softmax=softmax)
    expected = train(whole)
    scratch = Scratch(tmp_path, "run")

    class KilledError(Exception):
        """Stands for whatever ends a process between two steps."""

    steps = 0

    def die() -> None:
        nonlocal steps
        steps += 1
        if steps == 25:  # five steps after the last state was saved
            raise KilledError

    with pytest.raises(KilledError):
        train(start(noise(), softmax=softmax), on_step=die, save=scratch.save)
    resumed = start(noise(), softmax=softmax)
    torch.manual_seed(77)  # a new process's generators are elsewhere
    state = scratch.load()
    assert state is not None
    resumed.load(state)
    assert resumed.done == 20
    pd.testing.assert_frame_equal(train(resumed), expected)
    assert weights_sha256(resumed.finish()) == weights_sha256(whole.finish())


def test_a_state_is_found_only_by_its_own_fingerprint(tmp_path: Path) -> None:
    one, other = fingerprint([b"lr=1", b"text"]), fingerprint([b"lr=1t", b"ext"])
    assert one != other, "parts are told apart"
    Scratch(tmp_path, one).save({"done": 3})
    assert Scratch(tmp_path, other).load() is None
    assert Scratch(tmp_path, one).load() == {"done": 3}
    Scratch(tmp_path, one).clear()
    assert Scratch(tmp_path, one).load() is None


def test_the_softmax_does_not_change_which_batches_are_drawn() -> None:
    full, sampled = start(softmax="full"), start(softmax="sampled")
    for _ in range(3):
        full.step()
        sampled.step()
    for ours, theirs in zip(full.batches.draw(), sampled.batches.draw(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(softmax: str) -> None:
    def gradients(accumulate: int) -> dict[str, torch.Tensor]:
        run = start(dropout=0.0, discount=0.0, softmax=softmax, accumulate=accumulate)
        for _ in range(2):
            run.step()
        assert len(run.recent) == 2
        named = run.learner.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}

    whole, parts = gradients(1), gradients(4)
    assert len(whole) > 10
    assert max(gradient.abs().max().item() for gradient in whole.values()) > 1e-3
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-5, rtol=0, msg=name)


def test_a_batch_that_does_not_fall_into_equal_parts_is_refused() -> None:
    with pytest.raises(InputError, match=r"accumulate times .* got 8, 3 and 1: change one"):
        start(accumulate=3)


@pytest.mark.parametrize(("n_train", "n_val", "part"), [(8, 60, "training"), (60, 8, "validation")])
def test_a_text_shorter_than_a_block_is_refused(n_train: int, n_val: int, part: str) -> None:
    with pytest.raises(InputError, match=f"the {part} part .* 9 tokens, got 8"):
        start(song(n_train, n_val))


def test_a_loss_that_is_no_number_stops_training() -> None:
    with pytest.raises(InputError, match=r"got nan at step \d+: lower train.learning_rate"):
        train(start(learning_rate=1e20))


def test_mingpt_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mingpt.model", None)
    with pytest.raises(InputError, match="requires an importable package mingpt"):
        build_mingpt(GPTConfig(**SHAPE))


class StandIn(nn.Module):
    """minGPT's documented interface: a config to fill in, and GPT-2's names for its modules."""

    @staticmethod
    def get_default_config() -> types.SimpleNamespace:
        return types.SimpleNamespace(model_type="gpt", n_layer=None, n_head=None, n_embd=None)

    def __init__(self, config: types.SimpleNamespace) -> None:
        super().__init__()
        assert config.model_type is None, "either a type or a shape"
        shape = GPTConfig(
            vocab_size=config.vocab_size,
            block_size=config.block_size,
            n_layer=config.n_layer,
            n_head=config.n_head,
            n_embd=config.n_embd,
            dropout=config.attn_pdrop,
        )
        parts = Transformer(shape)
        for block in parts.blocks:
            block.attn.register_buffer("bias", torch.ones(1, 1, 8, 8).tril())
        self.transformer = nn.ModuleDict(dict(parts.named_children()))
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)


def test_karpathys_own_class_trains_where_it_is_there(tmp_path: Path) -> None:
    pytest.importorskip("mingpt.model")
    config = GPTConfig(**SHAPE)
    run = Training(build_mingpt(config), song(), BYTES, settings())
    train(run)
    save_checkpoint(tmp_path, run.finish().state_dict(), config)
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert torch.allclose(load_checkpoint(tmp_path)(tokens), run.learner.model(tokens), atol=1e-5)


@pytest.mark.parametrize("tie", [True, False])
def test_mingpts_class_trains_into_the_same_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tie: bool
) -> None:
    module = types.ModuleType("mingpt.model")
    module.GPT = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mingpt", types.ModuleType("mingpt"))
    monkeypatch.setitem(sys.modules, "mingpt.model", module)
    config = GPTConfig(**SHAPE, tie_weights=tie)
    run = Training(build_mingpt(config), song(), BYTES, settings())
    assert "transformer.h.0.attn.bias" in run.learner.model.state_dict()
    train(run)
    model = run.finish()
    save_checkpoint(tmp_path, model.state_dict(), config)
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert torch.allclose(load_checkpoint(tmp_path)(tokens), model(tokens), atol=1e-6)
