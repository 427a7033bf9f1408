"""A planted truth: a cause, a negative one, and a word that stands twice and matters once.

The model says YES for FOR at PLACE, and not for AGAINST. FOR stands AGAIN later, where it does not
matter to the model.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.attention.contexts import seen_by
from looking_glass.attention.measures import measure
from looking_glass.attention.redrawn import redrawn
from looking_glass.pipeline.statistics import rank_correlations
from looking_glass.yardstick.gradients import gradient_methods
from looking_glass.yardstick.methods import rollout
from looking_glass.yardstick.shapley import faithfulness, shapley_values
from looking_glass.yardstick.table import REMOVED, REPLACED
from tests.helpers.cases import COMPUTE
from tests.helpers.planted import AGAIN, AGAINST_AT, LENGTH, PLACE, YES, Weighed

# What a reader would point at: both reasons, and the word that is none here.
POINTED_AT = [PLACE, AGAINST_AT, AGAIN]


def agreement(scores: Tensor, worth: Tensor) -> float:
    return float(rank_correlations(scores, worth).mean())


def test_the_exact_worth_has_the_right_sign_and_finds_the_right_place(weighed: Weighed) -> None:
    for context in (case.choices.contexts[0] for case in weighed.cases):
        assert context[PLACE] == context[AGAIN], "the same word"
    for way in (REMOVED, REPLACED):
        worth = shapley_values(weighed.values[way])  # (N, n)
        assert (worth.argmax(dim=1) == PLACE).all()
        assert (worth.argmin(dim=1) == AGAINST_AT).all()
        assert (worth[:, PLACE] > 0.5).all()
        assert (worth[:, AGAINST_AT] < -0.5).all()
        assert (worth[:, AGAIN].abs() < 0.3 * worth[:, PLACE]).all()


def test_by_replacement_the_worth_is_what_was_planted(weighed: Weighed) -> None:
    context = weighed.cases[0].choices.contexts[0]
    told = []  # log p(YES) without both, with FOR, with AGAINST, with both
    for absent in ([PLACE, AGAINST_AT], [AGAINST_AT], [PLACE], []):
        written = context.clone()
        written[absent] = weighed.matched[context[absent]]
        told.append(float(weighed.model(written[None])[0, -1].log_softmax(-1)[YES]))
    none, only_for, only_against, both = told
    worth = shapley_values(weighed.values[REPLACED])
    # By the two orders of the two; whatever else is replaced changes nothing.
    expected = ((only_for - none) + (both - only_against)) / 2
    assert float(worth[0, PLACE]) == pytest.approx(expected, abs=1e-4)
    assert float(worth[0, AGAINST_AT]) == pytest.approx(both - none - expected, abs=1e-4)
    rest = [place for place in range(LENGTH) if place not in (PLACE, AGAINST_AT)]
    assert float(worth[:, rest].abs().max()) < 1e-4


def test_the_order_of_the_exact_worth_is_nearly_the_best(weighed: Weighed) -> None:
    for way in (REMOVED, REPLACED):
        values = weighed.values[way]
        found = faithfulness(values, shapley_values(values))
        opposite = faithfulness(values, -shapley_values(values))
        for ours, theirs in (
            (found.comprehensiveness, opposite.comprehensiveness),
            (found.sufficiency, opposite.sufficiency),
        ):
            assert float(ours.mean()) > 0.95
            assert float(theirs.mean()) < 0.1


def test_one_knock_out_and_integrated_gradients_find_the_sign(weighed: Weighed) -> None:
    integrated = torch.stack(
        [gradient_methods(weighed.model, c)["integrated_gradients"] for c in weighed.cases]
    )
    for scores in (integrated, weighed.measured["knock_out_every_row"]):
        assert (scores[:, AGAINST_AT] < -0.1).all()
        assert (scores[:, PLACE] > 0.1).all()
        assert (scores[:, AGAIN].abs() < 0.3 * scores[:, PLACE]).all()


def test_attention_finds_both_causes_and_cannot_tell_for_which_side(weighed: Weighed) -> None:
    worth = shapley_values(weighed.values[REMOVED])
    attention = weighed.measured["attention"].mean(dim=1)  # over blocks, (N, n)
    causes = attention[:, [PLACE, AGAINST_AT]].min(dim=1).values
    rest = [place for place in range(LENGTH) if place not in (PLACE, AGAINST_AT)]
    assert (causes > attention[:, rest].max(dim=1).values).float().mean() > 0.9
    rolled = torch.stack([rollout(weighed.model, case) for case in weighed.cases])
    integrated = torch.stack(
        [gradient_methods(weighed.model, c)["integrated_gradients"] for c in weighed.cases]
    )
    ours = worth[:, POINTED_AT]
    for unsigned in (attention[:, POINTED_AT], rolled[:, POINTED_AT]):
        assert agreement(unsigned, ours.abs()) >= 0.5
        assert agreement(unsigned, ours) <= agreement(unsigned, ours.abs()) - 0.3
    for signed in (weighed.measured["knock_out_every_row"], integrated):
        assert agreement(signed[:, POINTED_AT], ours) == pytest.approx(1)


def test_a_model_that_learned_nothing_says_nothing_of_the_learned_ones_reasons(
    weighed: Weighed,
) -> None:
    worth = shapley_values(weighed.values[REMOVED])[:1, POINTED_AT]
    found = []
    for seed in range(80):  # one model's numbers for a word are alike in every context
        other = redrawn(weighed.model, torch.Generator().manual_seed(seed))
        (case,) = seen_by(other, weighed.cases[:1], COMPUTE)
        knocked = measure(other, case.choices, case.words, weighed.matched)["knock_out_every_row"]
        integrated = gradient_methods(other, case)["integrated_gradients"]
        found.append([agreement(one[None, POINTED_AT], worth) for one in (knocked, integrated)])
    assert float(torch.tensor(found).mean(dim=0).abs().max()) < 0.25
    learned = weighed.measured["knock_out_every_row"][:1, POINTED_AT]
    assert agreement(learned, worth) == pytest.approx(1)
