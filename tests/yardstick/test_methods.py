"""Every method has a number for every word, and rolled-out attention is what it is said to be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.attention.measures import IN_BLOCK, IN_MODEL, Measures, measure_cases
from looking_glass.attention.patterns import Trace
from looking_glass.gpt.model import GPT
from looking_glass.yardstick import methods
from looking_glass.yardstick.methods import ALL, UNSIGNED, all_methods, from_gradients, rollout
from tests.helpers.cases import COMPUTE, case_of, spans
from tests.helpers.models import make_model


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def shown(monkeypatch: pytest.MonkeyPatch, *patterns: Tensor) -> None:
    """Let every trace show these patterns, each (nh, T, T)."""

    def trace(_: GPT, x: Tensor) -> Trace:
        return Trace(hidden=x, patterns=[pattern[None] for pattern in patterns], values=[])

    monkeypatch.setattr(methods, "trace", trace)


def test_rollout_of_two_tokens_worked_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    case = case_of(model, torch.tensor([5, 6]))
    # Two heads whose mean is (0.5, 0.5), and in the second block (0.2, 0.8). With half of each row
    # staying: (0.25, 0.75), (0.1, 0.9). The last token's: 0.1 · (1, 0) + 0.9 · (0.25, 0.75).
    first = torch.tensor([[[1.0, 0.0], [0.8, 0.2]], [[1.0, 0.0], [0.2, 0.8]]])
    second = torch.tensor([[[1.0, 0.0], [0.2, 0.8]]]).expand(2, -1, -1)
    shown(monkeypatch, first, second)
    assert rollout(model, case).tolist() == pytest.approx([0.325, 0.675])


def test_rollout_goes_from_the_last_block_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    case = case_of(model, torch.tensor([5, 6, 7]), spans([1, 1, 1]))
    # First the second token looks at the first one, then the last token at the second.
    first = torch.tensor([[[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]]])
    second = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0], [0, 1.0, 0]]])
    shown(monkeypatch, first, second)
    assert rollout(model, case).tolist() == pytest.approx([0.25, 0.25, 0.5])
    shown(monkeypatch, second, first)
    assert rollout(model, case).tolist() == pytest.approx([0.0, 0.5, 0.5])


def test_rollout_shares_out_one_over_the_words() -> None:
    model = make_model(n_layer=3)
    case = case_of(model, torch.randint(97, (9,)), spans([3, 1, 2, 2, 1]))
    found = rollout(model, case)
    assert found.shape == (5,)
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert bool((found > 0).all())


def measured_cases() -> tuple[Measures, dict[str, Tensor]]:
    model = make_model()
    matched = (torch.arange(97) + 1) % 97
    cases = [case_of(model, torch.randint(97, (6,)), spans([1, 3, 2])) for _ in range(4)]
    extra = [from_gradients(model, case) for case in cases]
    stacked = {name: torch.stack([one[name] for one in extra]) for name in extra[0]}
    return measure_cases(model, cases, matched, COMPUTE), stacked


def test_every_method_has_a_number_for_every_word() -> None:
    measured, extra = measured_cases()
    scores = all_methods(measured, extra, seeded())
    assert all(values.shape == (4, 3) for values in scores.values())
    by_block = {(name, block) for name in IN_BLOCK for block in ("1", "2", ALL)}
    once = {(name, ALL) for name in (*IN_MODEL, *extra, "nearest", "shuffled")}
    assert set(scores) == by_block | once
    assert set(extra) == {"rollout", "gradient_input", "integrated_gradients"}
    assert torch.equal(scores["direct", "2"], measured["direct"][:, 1])
    assert torch.allclose(scores["direct", ALL], measured["direct"].sum(dim=1))
    assert torch.allclose(scores["attention", ALL], measured["attention"].mean(dim=1))
    assert torch.equal(scores["replacement", ALL], measured["replacement"])
    assert torch.equal(scores["rollout", ALL], extra["rollout"])


def test_the_nearest_word_is_the_last_and_shuffled_is_by_seed() -> None:
    measured, extra = measured_cases()
    first, again = (all_methods(measured, extra, seeded()) for _ in range(2))
    assert (first["nearest", ALL].argmax(dim=1) == 2).all()
    assert (first["nearest", ALL].argmin(dim=1) == 0).all()
    assert torch.equal(first["shuffled", ALL], again["shuffled", ALL])
    assert len({tuple(row) for row in first["shuffled", ALL].argsort(dim=1).tolist()}) > 1


def test_only_methods_said_to_be_unsigned_are_never_negative() -> None:
    measured, extra = measured_cases()
    measured = {
        name: values.repeat(20, *[1] * (values.ndim - 1)) for name, values in measured.items()
    }
    scores = all_methods(measured, extra, seeded())
    for (method, block), values in scores.items():
        assert (float(values.min()) < 0) == (method not in UNSIGNED), (method, block)
