"""How close methods come to the exact answer: the answer itself, its opposite, and chance."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from looking_glass.yardstick.methods import ALL, Scores
from looking_glass.yardstick.shapley import shapley_values
from looking_glass.yardstick.table import (
    AGAINST,
    EXACT,
    REMOVED,
    REPLACED,
    exact_worth,
    method_table,
    word_table,
)

N, WORDS = 200, 6
NO_STAND_IN = torch.zeros(N, WORDS, dtype=torch.bool)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def additive(seed: int) -> tuple[Tensor, Tensor]:
    """Return values (N, 2^n) of sets whose words each add their worth, and that worth (N, n)."""
    worth = torch.randn(N, WORDS, generator=seeded(seed)).double()
    holds = (torch.arange(2**WORDS)[:, None] >> torch.arange(WORDS)) % 2
    return worth @ holds.T.double() - 9.0, worth


@pytest.fixture(scope="module")
def table() -> Any:
    values, worth = additive(1)
    replaced, _ = additive(2)
    chance = torch.randn(N, WORDS, generator=seeded(3))
    scores: Scores = {
        ("direct", "1"): 2 * worth.float(),
        ("direct", ALL): -worth.float(),
        ("attention", "1"): worth.abs().float(),
        ("shuffled", ALL): chance,
    }
    unlearned: Scores = {key: torch.randn(N, WORDS, generator=seeded(4)) for key in scores}
    unlearned["direct", "1"] = worth.float()
    both = {REMOVED: values, REPLACED: replaced}
    found = method_table(scores, both, exact_worth(both, NO_STAND_IN), unlearned)
    return found.set_index(["method", "block"]).sort_index()


def test_every_number_comes_with_its_interval(table: Any) -> None:
    names = [
        *(f"{way}_{kind}" for way in (REMOVED, REPLACED) for kind in AGAINST),
        *(
            f"{way}_{kind}"
            for way in (REMOVED, REPLACED)
            for kind in ("comprehensiveness", "sufficiency")
        ),
        *(f"redrawn_{kind}" for kind in AGAINST),
    ]
    expected = {f"{name}{end}" for name in names for end in ("", "_low", "_high")}
    assert set(table.columns) == {"signed", *expected}
    assert set(table.index) == {
        ("direct", "1"),
        ("direct", ALL),
        ("attention", "1"),
        ("shuffled", ALL),
        (EXACT, ALL),
    }
    learned = table.drop(index=(EXACT, ALL))
    for name in names:
        assert (learned[f"{name}_low"] <= learned[name]).all()
        assert (learned[name] <= learned[f"{name}_high"]).all()
    assert table["signed"].to_dict() == {key: int(key[0] != "attention") for key in table.index}


def test_the_exact_answer_is_the_ceiling_either_way(table: Any) -> None:
    row = table.loc[(EXACT, ALL)]
    for way in (REMOVED, REPLACED):
        for name in ("size", "sign", "comprehensiveness", "sufficiency"):
            # Where words only add, the order by worth is the best one there is.
            assert row[f"{way}_{name}"] == pytest.approx(1), (way, name)
    assert math.isnan(row["redrawn_size"])
    same = table.loc[("direct", "1")]
    assert same["removed_sign"] == pytest.approx(1)
    assert same["removed_comprehensiveness"] == pytest.approx(1)
    assert abs(same["replaced_sign"]) < 0.15, "of another game"


def test_the_opposite_is_right_in_size_and_wrong_in_sign(table: Any) -> None:
    row = table.loc[("direct", ALL)]
    assert row["removed_size"] == pytest.approx(1)
    assert row["removed_sign"] == pytest.approx(-1)
    assert row["removed_comprehensiveness"] == pytest.approx(0, abs=1e-9)
    assert row["removed_sufficiency"] == pytest.approx(0, abs=1e-9)
    unsigned = table.loc[("attention", "1")]
    assert unsigned["removed_size"] == pytest.approx(1)
    assert abs(unsigned["removed_sign"]) < 0.1


def test_chance_is_near_nought_and_half_way(table: Any) -> None:
    row = table.loc[("shuffled", ALL)]
    for name in ("removed_size", "removed_sign", "replaced_size", "replaced_sign"):
        assert abs(row[name]) < 0.1, name
        assert 0.05 < row[f"{name}_high"] - row[f"{name}_low"] < 0.2, name
    for name in ("removed_comprehensiveness", "removed_sufficiency"):
        assert abs(row[name] - 0.5) < 0.05, name


def test_the_unlearned_models_scores_are_held_against_the_learned_ones_worth(table: Any) -> None:
    assert table.loc[("direct", "1"), "redrawn_sign"] == pytest.approx(1)
    assert abs(table.loc[("direct", ALL), "redrawn_sign"]) < 0.1
    assert abs(table.loc[("shuffled", ALL), "redrawn_size"]) < 0.1


def test_a_word_that_nothing_can_stand_in_for_has_no_worth_by_replacement() -> None:
    values, _ = additive(1)
    without = NO_STAND_IN.clone()
    without[:, 2] = True
    both = {REMOVED: values, REPLACED: values}
    worth = exact_worth(both, without)
    assert torch.equal(worth[REMOVED], shapley_values(values))
    assert bool(worth[REPLACED][:, 2].isnan().all())
    assert torch.equal(worth[REPLACED][:, :2], worth[REMOVED][:, :2])
    # A method that is wrong about that word alone is not blamed for it, one that is right has 1.
    wrong = worth[REMOVED].float()
    wrong[:, 2] = 100
    rows: Any = method_table({("direct", ALL): wrong}, both, worth, {}).set_index("method")
    assert rows.loc["direct", "replaced_sign"] == pytest.approx(1)
    assert rows.loc["direct", "removed_sign"] < 0.9
    assert rows.loc[EXACT, "replaced_size"] == pytest.approx(1)
    assert math.isnan(rows.loc["direct", "redrawn_size"])


def test_a_sentences_words_add_up_to_the_total() -> None:
    values, worth = additive(1)
    both = {REMOVED: values, REPLACED: values}
    exact = exact_worth(both, NO_STAND_IN)
    first = {way: one[0] for way, one in both.items()}, {way: one[0] for way, one in exact.items()}
    rows = word_table(list("abcdea"), *first)
    assert rows["word"].tolist() == list(range(6))
    assert rows["text"].tolist() == list("abcdea"), "told apart by their places"
    assert rows["removed_worth"].tolist() == pytest.approx(worth[0].tolist())
    assert (rows["removed_total"] == rows["removed_total"].iloc[0]).all()
    assert rows["removed_worth"].sum() == pytest.approx(rows["removed_total"].iloc[0], abs=1e-6)
