"""Inversion: vectors that make the frozen model say a sentence, and the way there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from looking_glass.gpt.checkpoint import save_checkpoint, weights_sha256
from looking_glass.gpt.model import GPT
from looking_glass.inversion.judging import judge
from looking_glass.inversion.optimiser import initial_vectors, invert
from looking_glass.inversion.params import ReadingParams
from looking_glass.inversion.readings import target_hidden, target_logits
from looking_glass.inversion.restarts import Restarts
from looking_glass.inversion.shortlist import MARGIN, Shortlist
from looking_glass.pipeline.artifacts import read_tensors, write_tensors
from looking_glass.pipeline.errors import InputError
from tests.helpers.models import make_model

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


def test_restarts_know_nothing_of_each_other() -> None:
    model = make_model(n_embd=32)
    vectors = start(model, 5)
    together = invert(model, TARGET, vectors, PARAMS, parallel=True).vectors
    alone = invert(model, TARGET, vectors[2:3], PARAMS, parallel=True).vectors
    assert torch.allclose(together[2:3], alone, atol=1e-3)
    assert not torch.allclose(together[1:2], alone, atol=1e-1)


def test_learning_a_prefix_lowers_its_loss() -> None:
    model = make_model(n_embd=32)
    found = invert(model, TARGET, start(model, 3), PARAMS, parallel=False)
    assert found.vectors.shape == (4, 3, 32)
    assert (found.losses[-1] < found.losses[0] - 0.1).all()


def test_by_a_margin_the_token_that_lacks_most_gains() -> None:
    model, target = make_model(), torch.tensor([5, 9, 40, 5])
    vectors = initial_vectors(model, 4, 2, noise=1.0, generator=torch.Generator().manual_seed(1))
    params = ReadingParams(restarts=4, steps=60, learning_rate=0.1)
    found = invert(model, target, vectors, params, parallel=False, objective="margin")
    before, after = (
        judge(model, target, one, parallel=False).gaps.amin(dim=1)
        for one in (found.drawn, found.vectors)
    )
    assert (after > before + 0.1).all()


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


@pytest.mark.parametrize("parallel", [True, False])
def test_states_that_are_no_numbers_any_more_say_what_to_lower(parallel: bool) -> None:
    model = make_model(n_embd=32)
    name = "parallel" if parallel else "prefix"
    with pytest.raises(
        InputError, match=rf"invert\.{name}\.learning_rate: .* after 0 steps: lower"
    ):
        invert(model, TARGET, start(model, 5) * 1e38, PARAMS, parallel=parallel)


def test_each_restart_goes_on_from_the_best_of_its_starts() -> None:
    model, target = make_model(), torch.tensor([5, 9, 40])
    generator = torch.Generator().manual_seed(3)
    drawn = initial_vectors(model, 6, 2, noise=1.0, generator=generator)
    # Chosen after 21 steps, by the objective at the 21st: at the check of that step.
    params = ReadingParams(restarts=2, steps=52, learning_rate=0.1)
    alone = invert(model, target, drawn, params, parallel=False)
    best = torch.tensor([0, 3]) + alone.losses[1].view(2, 3).argmin(dim=1)
    assert best.tolist() != [0, 3]
    found = invert(model, target, drawn, params, parallel=False, starts=3)
    assert torch.equal(found.drawn, drawn[best])
    assert found.vectors.shape == (2, 2, model.config.n_embd)
    torch.testing.assert_close(found.vectors, alone.vectors[best], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.losses, alone.losses[:, best], atol=1e-4, rtol=1e-4)


def test_of_few_steps_each_restart_keeps_its_first_start() -> None:
    model, params = make_model(), ReadingParams(restarts=2, steps=1, learning_rate=0.1)
    drawn = torch.randn(4, 1, model.config.n_embd)
    found = invert(model, torch.tensor([5]), drawn, params, parallel=False, starts=2)
    assert torch.equal(found.drawn, drawn[::2])


def test_by_the_margin_a_restart_is_done_once_every_token_leads_by_it() -> None:
    model, params = make_model(n_embd=32), ReadingParams(restarts=4, steps=150, learning_rate=0.1)
    updates: list[int] = []
    found = invert(
        model,
        TARGET,
        start(model, 3),
        params,
        parallel=False,
        objective="margin",
        on_step=lambda: updates.append(1),
    )
    verdict = judge(model, TARGET, found.vectors, parallel=False)
    assert len(updates) == 150, "steps that are spared are counted too"
    assert verdict.exact.all()
    assert (verdict.gaps >= MARGIN - 1e-4).all()
    assert found.steps.tolist() == [0, 20, 40, 60, 80, 100, 120, 140, 150]
    done = found.first_exact_step
    # Not all at once, so that some went on without the others.
    assert 0 < int(done.min()) < int(done.max()) < 150
    for restart, at in enumerate(done.tolist()):
        assert found.largest[found.steps >= at, restart].all()
    last = -verdict.log_probs.mean(dim=1)
    torch.testing.assert_close(found.losses[-1], last, atol=1e-4, rtol=1e-4)


def test_a_restart_learns_as_if_those_that_are_done_had_gone_on() -> None:
    model, params = make_model(n_embd=32), ReadingParams(restarts=2, steps=60, learning_rate=0.1)
    drawn = start(model, 3)[:2]
    alone = invert(model, TARGET, drawn[1:], params, parallel=False)
    hidden = target_hidden(model, drawn, TARGET, parallel=False)
    restarts = Restarts(drawn, params)
    restarts.see(Shortlist(model, hidden.detach(), TARGET))
    for step in range(60):
        if step == 20:
            before = restarts.all_vectors()
            restarts.release(torch.tensor([True, False]))
            assert torch.equal(restarts.all_vectors(), before)
        logits = target_logits(model, restarts.vectors, TARGET, parallel=False)
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), TARGET.repeat(len(logits)), reduction="none"
        )
        restarts.step(losses.view(len(logits), -1).mean(dim=1).sum())
    assert torch.equal(restarts.all_vectors()[0], before[0])
    torch.testing.assert_close(restarts.all_vectors()[1:], alone.vectors, atol=1e-3, rtol=1e-3)
    hidden = target_hidden(model, restarts.vectors, TARGET, parallel=False)
    restarts.see(Shortlist(model, hidden.detach(), TARGET))
    first, last = restarts.seen[0][0], restarts.seen[1][0]  # log-probabilities: (2, n)
    assert torch.equal(last[0], first[0]), "what was last seen of it"
    torch.testing.assert_close(last[1].mean(), -alone.losses[-1, 0], atol=1e-3, rtol=1e-3)
