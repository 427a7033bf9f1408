"""Agreement of attention with its causes over many contexts, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from looking_glass.attention.agreement import (
    agreement_table,
    mean_distance,
    measure,
    sample_contexts,
    what_the_pattern_keeps,
)
from looking_glass.report.prose.attention import compare_patterns, explain_trust
from looking_glass.report.prose.choice import explain_parts, explain_provenance
from looking_glass.pipeline.errors import InputError
from looking_glass.attention.interventions import choose
from tests.conftest import make_model


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_contexts_are_pieces_of_the_text() -> None:
    text = np.arange(100, 140, dtype=np.uint16)
    drawn = sample_contexts(text, 50, 5, seeded())
    assert drawn.shape == (50, 5)
    assert (drawn.diff(dim=1) == 1).all()
    assert drawn.min() >= 100
    assert drawn.max() <= 139
    assert len(sample_contexts(text, 3, 40, seeded())) == 3
    with pytest.raises(InputError, match="at least 41 tokens is required, got 40"):
        sample_contexts(text, 3, 41, seeded())


def test_attention_that_is_the_cause_agrees_and_shuffled_attention_does_not() -> None:
    attention = torch.rand(300, 10, generator=seeded())
    noise = torch.rand(300, 10, generator=seeded(2))
    measured = {"attention": attention, "knock_out": 3 * attention - 1, "replacement": noise}
    table = agreement_table(measured, seeded(3))
    rows: Any = table.set_index("measure").to_dict("index")
    assert rows["knock_out"]["correlation"] == pytest.approx(1)
    assert rows["knock_out"]["same_top"] == 1
    assert abs(rows["knock_out"]["shuffled_correlation"]) < 0.1
    assert abs(rows["replacement"]["correlation"]) < 0.1
    assert rows["replacement"]["low"] < rows["replacement"]["correlation"]
    assert abs(rows["replacement"]["same_top"] - 0.1) < 0.06
    assert (table["uniform_same_top"] == 0.1).all()


def test_every_measure_is_there_for_every_source() -> None:
    model = make_model()
    choices = choose(model, torch.randint(97, (3, 6)))
    measured = measure(model, choices, 1, (torch.arange(97) + 1) % 97)
    assert set(measured) == {
        "attention",
        "knock_out",
        "knock_out_all_blocks",
        "replacement",
        "weighted_norm",
        "direct",
    }
    assert all(values.shape == (3, 6) for values in measured.values())
    assert torch.allclose(measured["attention"].sum(dim=1), torch.ones(3))
    assert not torch.allclose(measured["knock_out"], measured["knock_out_all_blocks"])


def test_a_pattern_of_positions_alone_keeps_all_of_it() -> None:
    model = make_model()
    choices = choose(model, torch.randint(97, (20, 6)))
    with torch.no_grad():
        model.transformer.wte.weight.zero_()  # nothing is left but positions
    choices = choose(model, choices.contexts)
    kept = what_the_pattern_keeps(model, choices, 0, seeded())
    assert kept["of_position"] == pytest.approx(1, abs=1e-5)
    assert kept["of_content"] < 0.999


def test_a_pattern_of_tokens_alone_follows_them() -> None:
    model = make_model()
    with torch.no_grad():
        model.transformer.wpe.weight.zero_()
    choices = choose(model, torch.randint(97, (20, 6)))
    kept = what_the_pattern_keeps(model, choices, 0, seeded())
    assert kept["of_content"] == pytest.approx(1, abs=1e-5)
    assert kept["of_position"] < 0.999


def test_the_mean_distance_by_hand() -> None:
    assert mean_distance(torch.tensor([0.5, 0.0, 0.25, 0.25])) == pytest.approx(1.75)


def trust(**low_and_high: tuple[float, float]) -> pd.DataFrame:
    names = ("knock_out", "knock_out_all_blocks", "replacement")
    rows = [low_and_high.get(name, (-0.1, 0.1)) for name in names]
    return pd.DataFrame(
        {
            "measure": names,
            "correlation": [(low + high) / 2 for low, high in rows],
            "low": [low for low, _ in rows],
            "high": [high for _, high in rows],
            "shuffled_high": [0.05] * 3,
            "same_top": [0.36] * 3,
            "uniform_same_top": [0.1] * 3,
        }
    )


def test_attention_is_trusted_only_where_it_beats_chance() -> None:
    text = explain_trust(trust(replacement=(0.2, 0.4)), 200)
    assert "Over 200 contexts" in text
    assert "better than shuffled attention does with replacing its token by a matched one" in text
    assert "(0.30, 0.20 to 0.40)" in text
    assert "not clearly better than shuffled attention for removing the source from this" in text
    assert "36.0% of the contexts; any one would be in 10.0%" in text
    all_clear = trust(**dict.fromkeys(trust()["measure"], (0.2, 0.4)))
    assert "not clearly better" not in explain_trust(all_clear, 9)
    assert "agrees better" not in explain_trust(trust(), 9)


def test_where_a_word_comes_from_is_counted() -> None:
    table = pd.DataFrame(
        {
            "context": [" sat on", " sat on"],
            "context_tokens": [2, 2],
            "next": [" the", " a"],
            "count": [3, 1],
            "is_the_choice": [0, 0],
        }
    )
    text = explain_provenance(table, " her")
    assert "is “sat on” (2 tokens): there it is followed by “␣the” (3 times) and “␣a”" in text
    assert text.endswith("but not by the model's “␣her”.")
    table["is_the_choice"] = [1, 0]
    assert explain_provenance(table, " the").endswith("the model's “␣the” among them.")
    assert "No end of this context" in explain_provenance(table[:0], " the")


def test_the_parts_that_spoke_for_and_against_are_named() -> None:
    parts = pd.DataFrame(
        {
            "part": ["token embedding", "block 1, head 1", "block 1, MLP", "remainder"],
            "margin": [0.5, -0.25, 0.75, 1e-7],
        }
    )
    text = explain_parts(parts)
    assert "leads the next best token by 1.00 in logits" in text
    assert "most of it came from block 1, MLP (+0.75), token embedding (+0.50) and" in text
    assert "most against it from block 1, head 1 (-0.25)" in text
    assert "add up to within 1e-07" in text


def test_patterns_are_compared_by_their_numbers() -> None:
    first = {
        "pattern_kept": {"of_position": 0.9, "of_content": 0.4},
        "val_loss_without": {"attention": 5.1, "mlp": 6.0},
    }
    last = {
        "pattern_kept": {"of_position": 0.3, "of_content": 0.8},
        "val_loss_without": {"attention": 5.05, "mlp": 5.2},
    }
    kept, worth = compare_patterns(first, last, 5.0)
    assert "the first block's row keeps 90.0% when all other tokens are replaced, and 40.0%" in kept
    assert "the last block's row keeps 30.0%" in kept
    assert "without the first block's attention the loss on the held-out text rises by" in worth
    assert "by 0.1 nats per token, without its MLP by 1 nats" in worth
    assert "by 0.05 nats per token, without its MLP by 0.2 nats" in worth
