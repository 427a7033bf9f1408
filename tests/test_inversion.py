"""Inversion: learned vectors, judged by what the model says and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from looking_glass.artifacts import read_tensors, write_tensors
from looking_glass.errors import InputError
from looking_glass.inversion import (
    PARALLEL,
    ReadingParams,
    check_fits,
    initial_vectors,
    invert,
    judge,
    nearest_rows,
    target_logits,
)
from looking_glass.model import GPT, generate_greedy, save_checkpoint, weights_sha256
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
    assert found.losses.shape == (150, 4)
    assert (found.losses[-1] < found.losses[0]).all()
    final = -verdict.log_probs.mean(dim=1)
    assert torch.allclose(final, found.losses[-1], atol=0.01), "the rate ends at zero"


def test_the_first_exact_step_is_when_the_argmax_was_first_right() -> None:
    model = make_model(n_embd=32)
    found = invert(model, TARGET, start(model, 5), PARAMS, parallel=True)
    for restart, step in enumerate(found.first_exact_step.tolist()):
        assert step > 0
        # The rate depends on how many steps there are to be: replay them by stopping early.
        losses: list[bool] = []
        vectors = start(model, 5)[restart : restart + 1].clone().requires_grad_(True)
        optimizer = torch.optim.Adam([vectors], lr=PARAMS.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, PARAMS.steps)
        for _ in range(step + 1):
            logits = target_logits(model, vectors, TARGET, parallel=True)
            losses.append(bool((logits.argmax(-1) == TARGET).all()))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(logits[0], TARGET).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        assert losses.index(True) == step


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


@pytest.mark.parametrize(("n", "k"), [(16, PARALLEL), (16, 1), (8, 9), (1, 16)])
def test_what_fits_the_block_exactly_is_taken(n: int, k: int) -> None:
    check_fits(n, k, block_size=16)


@pytest.mark.parametrize(
    ("n", "k", "message"),
    [
        (0, PARALLEL, "at least one token is required"),
        (17, PARALLEL, "needs 17 positions, the model's block has 16"),
        (8, 10, "a prefix of 10 vectors of its 8 tokens needs 17 positions"),
    ],
)
def test_what_does_not_fit_is_refused(n: int, k: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_fits(n, k, block_size=16)
