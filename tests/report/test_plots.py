"""What DVC draws: labels in the order of the text, equal words apart, templates that are whole."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from looking_glass.report.plots import numbered, plot_tables
from tests.helpers.project import ROOT

TEMPLATES = ROOT / ".dvc" / "plots"
COMMON = {"DATA", "TITLE", "X", "Y", "X_LABEL", "Y_LABEL"}
SIZE = {"PLOT_WIDTH", "PLOT_HEIGHT"}
ANCHORS = {
    "lines": COMMON | SIZE | {"ZOOM_AND_PAN"},
    "panels": COMMON,
    "bars": COMMON | {"PLOT_WIDTH"},
    "attention": COMMON,
    "reliability": COMMON | SIZE,
}
# Columns that a template names itself: DVC gives a template an x and a y, and no third.
COLUMNS = {
    "panels": ("inversion", {"token"}),
    "attention": ("attention", {"block", "effect"}),
    "reliability": ("calibration", {"low", "high", "tokens"}),
}


def words(effects: list[float | None]) -> pd.DataFrame:
    """Return a table as the attention stage writes it: two prompts, "tea" twice in the first."""
    return pd.DataFrame(
        {
            "prompt": [1, 1, 1, 2],
            "word": [0, 1, 2, 0],
            "text": ["tea", "tea", "queen", "other"],
            "predicting_row": [0.7, 0.3, 0.0, 1.0],
            "knock_out": [*effects, 9.0],
        }
    )


@pytest.fixture
def drawn() -> dict[str, pd.DataFrame]:
    return plot_tables(
        loss=pd.DataFrame(
            {
                "step": [5, 10],
                "train_loss": [3.0, 2.0],
                "val_loss": [3.5, 2.5],
                "batch_loss": [4.0, 3.8],
                "rate": [1, 1],
            }
        ),
        baselines={"unigram": 6.0, "bigram": 5.0},
        steps=pd.DataFrame(
            {
                "step": [0, 0, 0, 5, 5, 5],
                "position": [0, 1, 2] * 2,
                "text": ["z", " a", " a"] * 2,
                "log_prob": [-6.0, -5.0, -4.0, -3.0, -2.0, -1.0],
            }
        ),
        attention={"first": words([0.5, -0.5, None]), "last": words([0.25, -0.25, None])},
        words=pd.DataFrame(
            {
                "sentence": ["sampled", "sampled", "greedy"],
                "word": [0, 1, 0],
                "text": ["sure\u2028", "sure", "I"],
                "surprisal": [9.0, 9.0, 9.0],
                "corrected": [2.0, 1.0, 3.0],
            }
        ),
        calibration=pd.DataFrame(
            {
                "from": [0.0],
                "to": [0.1],
                "tokens": [7],
                "confidence": [0.05],
                "accuracy": [0.04],
                "low": [0.01],
                "high": [0.2],
            }
        ),
    )


def test_loss_has_a_constant_column_for_each_baseline(drawn: dict[str, pd.DataFrame]) -> None:
    assert drawn["loss"].to_dict("list") == {
        "step": [5, 10],
        "training": [3.0, 2.0],
        "validation": [3.5, 2.5],
        "batches": [4.0, 3.8],
        "unigram": [6.0, 6.0],
        "bigram": [5.0, 5.0],
    }


def test_inversion_keeps_equal_tokens_apart_and_in_order(drawn: dict[str, pd.DataFrame]) -> None:
    assert drawn["inversion"].to_dict("list") == {
        "step": [0, 0, 0, 5, 5, 5],
        "token": ["1 z", "2 ␣a", "3 ␣a"] * 2,
        "log_prob": [-6.0, -5.0, -4.0, -3.0, -2.0, -1.0],
    }


def test_attention_is_of_the_first_prompt_up_to_the_choice(drawn: dict[str, pd.DataFrame]) -> None:
    assert drawn["attention"].to_dict("list") == {
        "word": ["1 tea", "2 tea"] * 2,
        "block": ["first", "first", "last", "last"],
        "attention": [0.7, 0.3, 0.7, 0.3],
        "effect": [0.5, -0.5, 0.25, -0.25],
    }


def test_surprisal_is_the_corrected_one_of_the_first_sentence(
    drawn: dict[str, pd.DataFrame],
) -> None:
    assert drawn["surprisal"].to_dict("list") == {
        "word": ["1 sure↵", "2 sure"],
        "surprisal": [2.0, 1.0],
    }


def test_calibration_has_its_interval(drawn: dict[str, pd.DataFrame]) -> None:
    assert drawn["calibration"].to_dict("list") == {
        "confidence": [0.05],
        "accuracy": [0.04],
        "tokens": [7],
        "low": [0.01],
        "high": [0.2],
    }


def test_labels_sort_into_the_order_of_the_text() -> None:
    labels = numbered(["the", "cat", "and"] * 4)
    assert labels[0] == "01 the"
    assert labels == sorted(set(labels))


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x85b", "a\u2028b", "a\x0bb", "\x0c"])
def test_a_label_is_one_line(text: str) -> None:
    (label,) = numbered([text])
    assert label.splitlines() == [label]
    assert "↵" in label


def test_every_template_is_known() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.json")} == set(ANCHORS)


@pytest.mark.parametrize("name", ANCHORS)
def test_a_template_names_each_anchor_that_it_needs_and_tells_revisions_apart(name: str) -> None:
    text = (TEMPLATES / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(text)["data"] == {"values": "<DVC_METRIC_DATA>"}
    found = {part.split(">")[0] for part in text.split("<DVC_METRIC_")[1:]}
    assert found == ANCHORS[name]
    assert '"field": "rev"' in text


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_a_template_names_is_in_its_table(
    name: str, drawn: dict[str, pd.DataFrame]
) -> None:
    text = (TEMPLATES / f"{name}.json").read_text(encoding="utf-8")
    table, columns = COLUMNS[name]
    assert columns <= set(drawn[table])
    assert all(f'"field": "{column}"' in text for column in columns)
