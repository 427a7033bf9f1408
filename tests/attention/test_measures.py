"""Every measure is there for every source, is what it is said to be, and finds a planted one."""

from __future__ import annotations

import torch

from looking_glass.attention.attribution import carried, parts_of
from looking_glass.attention.interventions import knock_outs, replacements
from looking_glass.attention.measures import (
    IN_BLOCK,
    IN_MODEL,
    MEASURES,
    Measures,
    measure,
    measure_cases,
    of_block,
)
from tests.helpers.cases import COMPUTE, case_of, spans
from tests.helpers.models import make_model

MATCHED = (torch.arange(97) + 1) % 97
WORDS = spans([1, 3, 2])


def test_every_measure_is_there_for_every_source() -> None:
    model = make_model()
    cases = [case_of(model, torch.randint(97, (6,)), WORDS) for _ in range(4)]
    measured = measure_cases(model, cases, MATCHED, COMPUTE)
    assert set(measured) == {*IN_BLOCK, *IN_MODEL}
    assert all(measured[name].shape == (4, 2, 3) for name in IN_BLOCK)
    assert all(measured[name].shape == (4, 3) for name in IN_MODEL)
    assert torch.allclose(measured["attention"].sum(dim=-1), torch.ones(4, 2))
    for block in (0, 1):
        found = of_block(measured, block)
        assert list(found) == ["attention", *MEASURES]
        assert all(values.shape == (4, 3) for values in found.values())
        assert torch.equal(found["direct"], measured["direct"][:, block])
        assert torch.equal(found["replacement"], measured["replacement"])


def test_each_is_what_its_own_function_gives() -> None:
    model = make_model()
    case = case_of(model, torch.randint(97, (6,)), WORDS)
    found = measure(model, case.choices, WORDS, MATCHED)
    for block in (0, 1):
        knocked = knock_outs(model, case.choices, [block], sources=WORDS)[0]
        assert torch.allclose(found["knock_out"][block], knocked, atol=1e-5)
        row = case.choices.patterns[block][0].mean(dim=0)
        assert torch.allclose(found["attention"][block, 1], row[1:4].sum())
        sent = carried(parts_of(model, case.choices.contexts[0]), block, WORDS)
        assert torch.allclose(found["weighted_norm"][block], sent.norm(dim=1))
    for name, every_row in (("knock_out_all_blocks", False), ("knock_out_every_row", True)):
        knocked = knock_outs(model, case.choices, [0, 1], sources=WORDS, every_row=every_row)[0]
        assert torch.allclose(found[name], knocked, atol=1e-5)
    replaced = replacements(model, case.choices, MATCHED, WORDS)[0]
    assert torch.equal(found["replacement"], replaced)


def test_a_planted_source_is_ranked_first_by_every_measure(planted: tuple[Measures, int]) -> None:
    measured, source = planted
    for name in ("attention", *MEASURES):
        found = (measured[name].argmax(dim=1) == source).float().mean()
        assert found > 0.95, (name, found)
