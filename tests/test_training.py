"""Training: the right targets, the right loss, the weights that were asked for."""

from __future__ import annotations

import sys
import types
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from looking_glass.corpus import Corpus
from looking_glass.errors import InputError
from looking_glass.mingpt import build_mingpt
from looking_glass.model import (
    GPT,
    Block,
    GPTConfig,
    Transformer,
    load_checkpoint,
    save_checkpoint,
    weights_sha256,
)
from looking_glass.training import (
    Batches,
    Evaluation,
    FullSoftmax,
    SampledSoftmax,
    Trained,
    TrainParams,
    learning_rate_at,
    mean_loss,
    train,
)
from tests.conftest import make_model

SETTINGS = {
    "seed": 1,
    "steps": 30,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "warmup_steps": 3,
    "weight_decay": 0.1,
    "grad_clip": 1.0,
    "softmax": "full",
    "sampled_tokens": 8,
    "evaluate_every": 10,
    "keep": "best",
}
CONFIG = GPTConfig(vocab_size=23, block_size=8, n_layer=1, n_head=2, n_embd=16, dropout=0.1)


def settings(**changes: object) -> TrainParams:
    return TrainParams.model_validate({**SETTINGS, **changes})


def song(n_train: int = 400, n_val: int = 60) -> Corpus:
    """A text that goes round in a circle of seven tokens: any model can learn it."""
    tokens = np.arange(n_train + n_val, dtype=np.uint16) % 7
    return Corpus(train=tokens[:n_train], val=tokens[n_train:], vocab_size=23, val_bytes=n_val)


def run(corpus: Corpus | None = None, **changes: object) -> tuple[Trained, list[Evaluation]]:
    torch.manual_seed(0)
    seen: list[Evaluation] = []
    trained = train(GPT(CONFIG), corpus or song(), settings(**changes), on_evaluation=seen.append)
    return trained, seen


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


def test_sampling_all_other_tokens_is_the_full_softmax() -> None:
    model, text = make_model(), np.array([1, 5, 9, 5, 1, 2], dtype=np.uint16)
    inputs, targets = torch.tensor([[1, 5, 9]]), torch.tensor([[5, 9, 5]])
    sampled = SampledSoftmax(text, vocab_size=97, n_sampled=97, seed=0)
    full = FullSoftmax()(model, inputs, targets)
    assert sampled(model, inputs, targets).item() == pytest.approx(full.item(), abs=1e-5)


def test_sampled_softmax_has_the_full_denominator_in_expectation() -> None:
    model, text = make_model(), np.array([1, 5, 9, 5, 1, 2], dtype=np.uint16)
    inputs, targets = torch.tensor([[1, 5, 9]]), torch.tensor([[5, 9, 5]])
    sampled = SampledSoftmax(text, vocab_size=97, n_sampled=10, seed=0)
    own = model(inputs)[0].gather(1, targets[0][:, None]).squeeze(1)
    full = F.cross_entropy(model(inputs)[0], targets[0], reduction="none")
    # One position at a time: exp(loss + logit) is then the estimated denominator itself.
    for position in range(3):
        one = inputs[:, : position + 1]

        class Last(GPT):
            def __init__(self) -> None:
                nn.Module.__init__(self)
                self.lm_head = model.lm_head

            def embed(self, tokens: torch.Tensor) -> torch.Tensor:
                return model.embed(tokens)

            def hidden(self, x: torch.Tensor) -> torch.Tensor:
                return model.hidden(x)[:, -1:]

        last, target = Last(), targets[:, position : position + 1]
        losses = torch.stack([sampled(last, one, target) for _ in range(1000)])
        estimate = (losses.double() + own[position]).exp().mean()
        assert estimate.item() == pytest.approx((full + own)[position].exp().item(), rel=0.03)


def test_rate_warms_up_peaks_and_falls_to_a_tenth() -> None:
    params = settings(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate_at(step, params) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert all(a > b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_a_circle_of_tokens_is_learned(softmax: str) -> None:
    trained, seen = run(steps=120, softmax=softmax)
    assert trained.history["val_loss"].iloc[-1] < 0.1
    assert [now.step for now in seen] == list(range(10, 121, 10))
    assert seen[-1].remaining == 0
    assert all(now.speed > 0 for now in seen)


def test_best_keeps_the_lowest_validation_loss_and_last_the_end() -> None:
    noise = np.random.default_rng(0).integers(0, 23, 460).astype(np.uint16)
    corpus = Corpus(train=noise[:60], val=noise[400:], vocab_size=23, val_bytes=60)
    best, _ = run(corpus, steps=100)
    last, _ = run(corpus, steps=100, keep="last")
    losses = best.history.set_index("step")["val_loss"]
    assert best.step == losses.to_numpy().argmin() * 10 + 10 < 100, (
        "noise learned by heart is worse on other noise"
    )
    assert last.step == 100
    model = GPT(CONFIG)
    model.load_state_dict(best.state)
    assert mean_loss(model, corpus.val) == pytest.approx(losses.min(), rel=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    def bits(seed: int) -> str:
        model = GPT(CONFIG)
        model.load_state_dict(run(seed=seed)[0].state)
        return weights_sha256(model)

    assert bits(1) == bits(1) != bits(2)


def test_the_softmax_does_not_change_which_batches_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[list[int]] = []
    draw = Batches.draw

    def spy(self: Batches) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, targets = draw(self)
        drawn.append(inputs.flatten().tolist())
        return inputs, targets

    monkeypatch.setattr(Batches, "draw", spy)
    run(steps=5, softmax="full")
    run(steps=5, softmax="sampled")
    assert drawn[:5] == drawn[5:]


@pytest.mark.parametrize(("n_train", "n_val", "part"), [(8, 60, "training"), (60, 8, "validation")])
def test_a_text_shorter_than_a_block_is_refused(n_train: int, n_val: int, part: str) -> None:
    with pytest.raises(InputError, match=f"the {part} part .* 9 tokens, got 8"):
        run(song(n_train, n_val))


def test_a_loss_that_is_no_number_stops_training() -> None:
    with pytest.raises(InputError, match=r"got nan at step \d+: lower train.learning_rate"):
        run(learning_rate=1e20, grad_clip=1e20)


def test_mingpt_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mingpt.model", None)
    with pytest.raises(InputError, match="requires an importable package mingpt"):
        build_mingpt(CONFIG)


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
        self.transformer = Transformer(shape)
        for block in self.transformer.h:
            assert isinstance(block, Block)
            block.attn.register_buffer("bias", torch.ones(1, 1, 8, 8).tril())
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)


@pytest.mark.parametrize("tie", [True, False])
def test_mingpts_class_trains_into_the_same_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tie: bool
) -> None:
    module = types.ModuleType("mingpt.model")
    module.GPT = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mingpt", types.ModuleType("mingpt"))
    monkeypatch.setitem(sys.modules, "mingpt.model", module)
    config = GPTConfig(**{**vars(CONFIG), "tie_weights": tie})
    model = build_mingpt(config)
    trained = train(model, song(), settings(keep="last"))
    save_checkpoint(tmp_path, trained.state, config)
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert torch.allclose(load_checkpoint(tmp_path)(tokens), model.eval()(tokens), atol=1e-6)
