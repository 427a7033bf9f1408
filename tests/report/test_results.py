"""What the stages found is read as they wrote it: what is missing stays missing."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from looking_glass.pipeline.artifacts import write_csv, write_json
from looking_glass.report.measures import BY_KEY
from looking_glass.report.results import Results, first_sentence
from tests.helpers.report import FRONTIER, choice, worth


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(
        metrics_in=tmp_path / "metrics",
        tables=tmp_path / "tables",
        patterns=tmp_path / "attention",
        choices=tmp_path / "choices",
        measured=tmp_path / "held_out.csv",
    )


def test_a_step_that_was_never_reached_and_what_was_not_measured(results: Results) -> None:
    rows = {
        "reading": ["parallel", "prefix_1"],
        "exact_rate": [1.0, 0.0],
        "first_exact_step": [20, None],
        "noise_radius": [0.5, None],
    }
    write_csv(results.tables / "invert/readings.csv", pd.DataFrame(rows))
    write_csv(results.tables / "invert/ceiling.csv", pd.DataFrame([{"lowest_possible_loss": 0.5}]))
    found = results.inversion()
    assert found["ceiling"] == {"lowest_possible_loss": 0.5}
    assert found["readings"] == {
        "parallel": {
            "reading": "parallel",
            "exact_rate": 1.0,
            "noise_radius": 0.5,
            "first_exact_step": 20,
        },
        "prefix_1": {"reading": "prefix_1", "exact_rate": 0.0, "first_exact_step": None},
    }
    assert isinstance(found["readings"]["parallel"]["first_exact_step"], int)
    write_csv(results.tables / "invert/frontier.csv", FRONTIER)
    assert results.readings().names == ["parallel", "prefix_3"]


def test_the_rows_of_one_prompt_are_counted_from_zero(results: Results) -> None:
    table = pd.DataFrame({"prompt": [1, 1, 2], "text": ["12", "NA", "c"]})
    write_csv(results.tables / "choose/alternatives.csv", table)
    assert results.of_prompt("choose/alternatives", 1)["text"].tolist() == ["12", "NA"]
    second = results.of_prompt("choose/alternatives", 2)
    assert second.to_dict("index") == {0: {"text": "c"}}


def test_the_books_numbers_go_without_its_name(results: Results) -> None:
    write_json(results.metrics_in / "encode.json", {"book_tokens": 9, "book_bytes": 20})
    for name in ("train", "evaluate"):
        write_json(results.metrics_in / f"{name}.json", {"from": name})
    write_json(results.tables / "logprob/details.json", {"nats": -1.0})
    write_csv(results.tables / "invert/readings.csv", pd.DataFrame({"reading": ["parallel"]}))
    write_csv(results.tables / "invert/ceiling.csv", pd.DataFrame([{"lowest": 0.5}]))
    found = results.metrics()
    assert list(found) == ["encode", "train", "evaluate", "invert", "logprob"]
    assert found["encode"] == {"tokens": 9, "bytes": 20}
    assert [found[name]["from"] for name in ("train", "evaluate")] == ["train", "evaluate"]
    assert found["logprob"] == {"nats": -1.0}


def test_a_choice_knows_its_numbers() -> None:
    found = choice({"f": 0.7}, {"b": 2.0}, 0.25, -0.5)
    assert found.eleventh == "k"
    assert found.number("entropy") == 1.5
    assert found.chosen == " eleven"
    assert list(found.correlations) == list(BY_KEY)
    assert set(found.correlations.values()) == {(0.25, -0.5)}, "the size first, then as it is"
    assert found.largest_knock_out == 2.0
    assert found.measure("direct")["top_word"] == "b"
    flat = choice({"f": 0.7}, {"b": 2.0}, None, None)
    assert set(flat.correlations.values()) == {(None, None)}
    assert math.isnan(flat.measure("direct")["words_correlation"])


def test_the_first_sentence_is_that_of_the_first_row() -> None:
    table = pd.DataFrame({"sentence": ["b", "a", "b"], "n": [1, 2, 3]})
    assert first_sentence(table)["n"].tolist() == [1, 3]


def test_worth_is_that_of_one_prompt(results: Results) -> None:
    table = worth(["a", "12"], [0.5, math.nan])
    both = pd.concat([table.assign(prompt=1), table.assign(prompt=2, removed_worth=9.0)])
    write_csv(results.tables / "yardstick/words.csv", both)
    found = results.worth(2)
    assert found["text"].tolist() == ["a", "12"]
    assert found["removed_worth"].tolist() == [9.0, 9.0]
    assert found["replaced_worth"].tolist() == pytest.approx([0.5, math.nan], nan_ok=True)
