"""Real tokens in place of learned vectors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from looking_glass.gpt.generation import generate_greedy
from looking_glass.inversion.judging import judge
from looking_glass.inversion.params import SearchParams
from looking_glass.inversion.search import search
from tests.helpers.models import make_model

PROMPT = torch.tensor([3, 60, 8])


def test_a_search_finds_the_one_token_that_was_changed() -> None:
    model = make_model(n_embd=32)
    target = generate_greedy(model, model.embed(PROMPT[None]), 4)[0]
    start = PROMPT.clone()
    start[1] = 11
    found = search(
        model,
        target,
        start,
        SearchParams(steps=60, candidates=64),
        parallel=False,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(found.losses) == 61
    assert all(
        later <= earlier for earlier, later in zip(found.losses, found.losses[1:], strict=False)
    )
    truth = -judge(model, target, model.embed(PROMPT[None]), parallel=False).log_probs.mean()
    assert found.losses[-1] <= truth + 1e-4
    verdict = judge(model, target, model.embed(found.tokens[None]), parallel=False)
    assert -float(verdict.log_probs.mean()) == pytest.approx(found.losses[-1], abs=1e-4)


def test_a_search_is_repeated_by_its_seed_and_keeps_its_start() -> None:
    model = make_model(n_embd=32)
    target, start = torch.tensor([5, 90, 17]), torch.tensor([1, 2, 3])
    runs = [
        search(
            model,
            target,
            start,
            SearchParams(steps=10, candidates=8),
            parallel=True,
            generator=torch.Generator().manual_seed(seed),
        ).tokens.tolist()
        for seed in (0, 0)
    ]
    assert runs[0] == runs[1]
    assert start.tolist() == [1, 2, 3]


def test_a_search_takes_what_is_allowed_and_nothing_else() -> None:
    model = make_model(n_embd=32)
    start = torch.tensor([2, 4, 6])

    def even(tokens: torch.Tensor) -> torch.Tensor:
        return (tokens % 2 == 0).all(dim=1)

    def found(allowed: Callable[[torch.Tensor], torch.Tensor] | None) -> torch.Tensor:
        return search(
            model,
            torch.tensor([5, 90, 17]),
            start,
            SearchParams(steps=20, candidates=8),
            parallel=False,
            generator=torch.Generator().manual_seed(0),
            allowed=allowed,
        ).tokens

    assert bool((found(None) % 2 == 1).any())
    assert bool((found(even) % 2 == 0).all())
    assert found(even).tolist() != start.tolist()
    assert found(lambda tokens: torch.zeros(len(tokens), dtype=torch.bool)).tolist() == [2, 4, 6]
