"""What the stage does: every case's values, its sentence's worth, and methods held against it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from looking_glass.attention.contexts import Case, seen_by
from looking_glass.attention.measures import measure_cases
from looking_glass.attention.redrawn import redrawn
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.statistics import rank_correlations
from looking_glass.report.methods import BY_KEY
from looking_glass.yardstick.coalitions import removed_values, replaced_values
from looking_glass.yardstick.gradients import gradient_methods
from looking_glass.yardstick.methods import rollout
from looking_glass.yardstick.run import (
    all_values,
    judge_methods,
    judge_sentence,
    no_stand_in,
    summary,
)
from looking_glass.yardstick.shapley import faithfulness, shapley_values
from looking_glass.yardstick.table import REMOVED, REPLACED
from tests.helpers.cases import COMPUTE
from tests.helpers.planted import ASK, LENGTH, PLACE, Weighed


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_every_set_of_every_case_has_a_value_by_either_way(weighed: Weighed) -> None:
    values = all_values(weighed.model, weighed.cases[:3], weighed.matched, COMPUTE)
    assert {way: one.shape for way, one in values.items()} == {
        REMOVED: (3, 2**LENGTH),
        REPLACED: (3, 2**LENGTH),
    }
    for index, case in enumerate(weighed.cases[:3]):
        context, chosen = case.choices.contexts[0], int(case.choices.chosen)
        removed = removed_values(weighed.model, context, case.words, chosen)
        others = weighed.matched[context]
        replaced = replaced_values(weighed.model, context, others, case.words, chosen)
        assert torch.equal(values[REMOVED][index], removed)
        assert torch.equal(values[REPLACED][index], replaced)
        assert float(removed[-1]) == pytest.approx(float(case.choices.log_probs), abs=1e-5)


def test_words_without_a_stand_in_are_known(weighed: Weighed) -> None:
    assert int(weighed.matched[ASK]) == ASK
    found = no_stand_in(weighed.cases, weighed.matched)
    assert found.sum(dim=0).tolist() == [0] * (LENGTH - 1) + [30]


def test_a_sentence_is_judged_word_by_word(weighed: Weighed) -> None:
    texts = [f"w{index}" for index in range(LENGTH)]
    case = weighed.cases[0]
    values, words = judge_sentence(weighed.model, case, texts, weighed.matched, COMPUTE)
    assert values[REMOVED].shape == (1, 2**LENGTH)
    assert words["text"].tolist() == texts
    assert words["removed_worth"].tolist() == pytest.approx(
        shapley_values(values[REMOVED])[0].tolist()
    )
    assert words["removed_worth"].idxmax() == PLACE
    assert words["replaced_worth"].isna().tolist() == [False] * (LENGTH - 1) + [True]


@pytest.fixture(scope="module")
def judged(weighed: Weighed) -> Any:
    """Every method's row, with what stage `choose` would have kept."""
    other = redrawn(weighed.model, seeded())
    seen = seen_by(other, weighed.cases, COMPUTE)
    unlearned = measure_cases(other, seen, weighed.matched, COMPUTE)
    once = {f"contexts.{name}": values.numpy() for name, values in weighed.measured.items()}
    once |= {f"redrawn.{name}": values.numpy() for name, values in unlearned.items()}
    return judge_methods(
        weighed.model, weighed.cases, weighed.values, weighed.matched, once, seeded(), COMPUTE
    )


def test_every_methods_numbers_are_means_over_the_cases(judged: Any, weighed: Weighed) -> None:
    rows = judged.set_index(["method", "block"])
    worth = shapley_values(weighed.values[REMOVED])
    other = redrawn(weighed.model, seeded())

    def integrated(model: GPT, case: Case) -> Tensor:
        return gradient_methods(model, case)["integrated_gradients"]

    for method, of in (("rollout", rollout), ("integrated_gradients", integrated)):
        row = rows.loc[(method, "all")]
        scores, unlearned = (
            torch.stack([of(model, case) for case in weighed.cases])
            for model in (weighed.model, other)
        )
        found = faithfulness(weighed.values[REMOVED], scores)
        for name, expected in (
            ("removed_sign", torch.tensor(rank_correlations(scores, worth))),
            ("redrawn_sign", torch.tensor(rank_correlations(unlearned, worth))),
            ("removed_comprehensiveness", found.comprehensiveness),
            ("removed_sufficiency", found.sufficiency),
        ):
            assert row[name] == pytest.approx(float(expected.mean()), abs=1e-3), name


def test_methods_are_judged_and_summed_up(judged: Any) -> None:
    assert not judged.duplicated(["method", "block"]).any()
    rows = judged.set_index(["method", "block"])
    assert rows.loc[("exact", "all"), "removed_size"] == pytest.approx(1)
    numbers = summary(judged)
    assert numbers["first_block_attention_against_exact"] == pytest.approx(
        rows.loc[("attention", "1"), "removed_size"]
    )
    assert numbers["last_block_attention_against_exact"] == pytest.approx(
        rows.loc[("attention", "2"), "removed_size"]
    )
    assert numbers["knock_out_against_exact"] == pytest.approx(
        rows.loc[("knock_out_every_row", "all"), "removed_size"]
    )
    assert numbers["integrated_gradients_against_exact"] == pytest.approx(
        rows.loc[("integrated_gradients", "all"), "removed_size"]
    )


def test_what_is_no_number_is_summed_up_as_none(judged: Any) -> None:
    flat = judged["method"] == "attention"
    assert summary(judged)["last_block_attention_against_exact"] is not None
    without = judged.assign(removed_size=judged["removed_size"].mask(flat))
    assert summary(without)["last_block_attention_against_exact"] is None


def test_the_report_has_a_name_for_each_method_of_each_block(judged: Any) -> None:
    blocks = judged.groupby("method")["block"].agg(set).to_dict()
    named = {key: {"1", "2", "all"} if one.by_block else {"all"} for key, one in BY_KEY.items()}
    assert blocks == named


def test_whatever_needs_no_model_is_the_same_without_learning(judged: Any) -> None:
    rows = judged.set_index(["method", "block"])
    for kind in ("size", "sign"):
        nearest = rows.loc[("nearest", "all")]
        assert nearest[f"redrawn_{kind}"] == pytest.approx(nearest[f"removed_{kind}"])
        learned = rows.loc[("knock_out_every_row", "all")]
        assert learned[f"redrawn_{kind}"] < learned[f"removed_{kind}_low"]
