"""Inversion: learned vectors, judged by what the model says and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from looking_glass.inversion import optimiser as inversion
from looking_glass.pipeline.artifacts import read_tensors, write_tensors
from looking_glass.pipeline.errors import InputError
from looking_glass.inversion.optimiser import (
    PARALLEL,
    ReadingParams,
    Rivals,
    check_fits,
    fits,
    initial_vectors,
    invert,
    judge,
    nearest_rows,
    target_logits,
)
from looking_glass.gpt.checkpoint import save_checkpoint, weights_sha256
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from tests.conftest import make_model

TARGET = torch.tensor([5, 90, 17, 5, 33])
PARAMS = ReadingParams(restarts=4, steps=150, learning_rate=0.1)


def start(model: GPT, k: int, restarts: int = 4, noise: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return initial_vectors(model, restarts, k, noise=noise, generator=generator)


def test_parallel_inversion_is_exact_in_every_restart_and_touches_no_weight() -> None:
    model = make_model(n_embd=32)
    before = weights_sha256(model)
    found = invert(model, TARGET, start(model, 5), PARAMS, parallel=True)
    verdict = judge(model, TARGET, found.vectors, parallel=True)
    assert verdict.exact.all()
    assert (verdict.said == TARGET).all()
    assert (verdict.gaps > 0).all()
    assert (verdict.ranks == 1).all()
    assert weights_sha256(model) == before
    assert found.steps.tolist() == [0, 20, 40, 60, 80, 100, 120, 140, 150]
    assert found.losses.shape == (9, 4)
    assert (found.losses[-1] < found.losses[0]).all()
    final = -verdict.log_probs.mean(dim=1)
    assert torch.allclose(final, found.losses[-1], atol=1e-4), "the last check is of what is kept"


def replay(model: GPT, vectors: Tensor, steps: int) -> list[Tensor]:
    """Return the logits before each of the first `steps` updates of a plain loop, and after."""
    vectors = vectors.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([vectors], lr=PARAMS.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, PARAMS.steps)
    seen = []
    for _ in range(steps):
        logits = target_logits(model, vectors, TARGET, parallel=True)
        seen.append(logits.detach()[0])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits[0], TARGET).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return [*seen, target_logits(model, vectors, TARGET, parallel=True).detach()[0]]


def test_first_steps_are_the_first_checks_that_find_the_argmax_right() -> None:
    model = make_model(n_embd=32)
    found = invert(model, TARGET, start(model, 5), PARAMS, parallel=True)
    assert (found.first_exact_step > 0).any()
    for restart, vectors in enumerate(start(model, 5)):
        logits = torch.stack(replay(model, vectors[None], PARAMS.steps))[
            found.steps
        ]  # (checks, n, V)
        right = logits.argmax(-1) == TARGET
        expected = found.steps[right.all(dim=1).int().argmax()]
        assert found.first_exact_step[restart] == expected
        first = found.steps[right.int().argmax(dim=0)]
        assert torch.equal(found.first_right_step[restart], first)
        assert (first <= expected).all()
        log_probs = logits.log_softmax(-1)[:, range(5), TARGET]
        assert torch.allclose(found.log_probs[:, restart], log_probs, atol=1e-3)


def test_what_is_never_reached_has_no_first_step() -> None:
    model = make_model(n_embd=32)
    quick = PARAMS.model_copy(update={"steps": 1, "learning_rate": 1e-6})
    found = invert(model, TARGET, start(model, 1), quick, parallel=False)
    assert found.first_exact_step.tolist() == [-1] * 4


@pytest.mark.parametrize("rivals", [6, 20, 97])
def test_rivals_give_the_loss_and_gradient_of_the_whole_vocabulary(
    rivals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inversion, "MOST_RIVALS", rivals)
    model = make_model(n_embd=32)
    hidden = torch.randn(3, len(TARGET), 32).requires_grad_(True)
    kept = Rivals(model, hidden.detach(), TARGET)
    logits = model.lm_head(hidden).flatten(0, 1)
    exact = torch.nn.functional.cross_entropy(logits, TARGET.repeat(3), reduction="none")
    losses = kept.losses(hidden).flatten()
    # Where they were taken the others' tangent touches: value and slope are exact.
    torch.testing.assert_close(losses, exact, atol=1e-4, rtol=1e-4)
    expected = torch.autograd.grad(exact.sum(), hidden)
    torch.testing.assert_close(torch.autograd.grad(losses.sum(), hidden), expected)
    torch.testing.assert_close(kept.log_probs.flatten(), -exact.detach())
    assert torch.equal(kept.largest.flatten(), logits.argmax(-1) == TARGET.repeat(3))


def test_restarts_know_nothing_of_each_other() -> None:
    model = make_model(n_embd=32)
    vectors = start(model, 5)
    together = invert(model, TARGET, vectors, PARAMS, parallel=True).vectors
    alone = invert(model, TARGET, vectors[2:3], PARAMS, parallel=True).vectors
    assert torch.allclose(together[2:3], alone, atol=1e-3)
    assert not torch.allclose(together[1:2], alone, atol=1e-1)


def test_a_prefix_is_judged_by_what_the_model_writes_after_it() -> None:
    model = make_model(n_embd=32)
    prompt = torch.tensor([[3, 60, 8]])
    written = generate_greedy(model, model.embed(prompt), 5)[0]
    right = judge(model, written, model.embed(prompt), parallel=False)
    assert right.exact.tolist() == [True]
    wrong = written.clone()
    wrong[3] = (wrong[3] + 1) % 97
    verdict = judge(model, wrong, model.embed(prompt), parallel=False)
    assert verdict.exact.tolist() == [False]
    assert verdict.said.tolist() == [written.tolist()], "the target has no part in what is said"
    assert verdict.correct.tolist() == [[True, True, True, False, True]]
    assert verdict.gaps[0, 3] < 0 < verdict.gaps[0, 2]
    assert verdict.ranks[0, 3] > 1


def test_prefix_log_probs_are_those_of_the_text_after_the_prefix() -> None:
    model = make_model(n_embd=32)
    prompt = torch.tensor([[3, 60, 8]])
    verdict = judge(model, TARGET, model.embed(prompt), parallel=False)
    logits = model(torch.cat([prompt, TARGET[None, :-1]], dim=1))[0, 2:]
    expected = logits.log_softmax(-1).gather(1, TARGET[:, None]).squeeze(1)
    assert torch.allclose(verdict.log_probs[0], expected, atol=1e-5)


def test_learning_a_prefix_lowers_its_loss() -> None:
    model = make_model(n_embd=32)
    found = invert(model, TARGET, start(model, 3), PARAMS, parallel=False)
    assert found.vectors.shape == (4, 3, 32)
    assert (found.losses[-1] < found.losses[0] - 0.1).all()


@torch.no_grad()
def test_huggingface_says_the_same_from_the_saved_vectors(tmp_path: Path) -> None:
    model = make_model(n_embd=32)
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    with torch.enable_grad():
        found = invert(model, TARGET, start(model, 5), PARAMS, parallel=True)
    write_tensors(tmp_path / "v.safetensors", {"vectors": found.vectors.numpy()})
    saved = torch.from_numpy(read_tensors(tmp_path / "v.safetensors")["vectors"])
    oracle: Any = GPT2LMHeadModel.from_pretrained(tmp_path).eval()  # type: ignore[no-untyped-call]
    assert (oracle(inputs_embeds=saved).logits.argmax(-1) == TARGET).all()


def test_vectors_start_at_the_embeddings_mean_and_scale() -> None:
    model = make_model(vocab_size=5000)
    embeddings = model.transformer.wte.weight
    with torch.no_grad():
        embeddings.mul_(torch.linspace(0.1, 2, 8)).add_(3)
    quiet = start(model, 5, noise=0.0)
    assert torch.allclose(quiet, embeddings.mean(dim=0).expand(4, 5, 8))
    loud = start(model, 300).flatten(0, 1)
    assert torch.allclose(loud.std(dim=0), embeddings.std(dim=0), rtol=0.1)
    assert not torch.equal(loud[0], loud[1])


def test_the_nearest_row_is_the_most_alike_in_direction_and_never_its_own() -> None:
    model = make_model()
    weight = model.lm_head.weight
    weight[7] = 3 * weight[5]
    weight[9] = -weight[5]
    found, cosine = nearest_rows(model, torch.tensor([5, 7]))
    assert found.tolist() == [7, 5]
    assert cosine.tolist() == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("n", "k", "fitting"),
    [(16, PARALLEL, True), (17, PARALLEL, False), (16, 1, True), (8, 9, True), (8, 10, False)],
)
def test_a_reading_fits_when_the_block_holds_its_positions(n: int, k: int, fitting: bool) -> None:
    assert fits(n, k, block_size=16) == fitting


@pytest.mark.parametrize(
    ("n", "message"),
    [(0, "control_1: at least one token is required"), (17, "= 16 tokens are required, got 17")],
)
def test_what_no_reading_can_hold_is_refused(n: int, message: str) -> None:
    check_fits(16, block_size=16, what="control_1")
    with pytest.raises(InputError, match=message):
        check_fits(n, block_size=16, what="control_1")
