"""Tables of log-probabilities add up, and the sentences say what the numbers say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from looking_glass.report.figures import likelihood as figures
from looking_glass.report.prose import likelihood as report
from looking_glass.likelihood import tables as tables
from looking_glass.gpt.decoding import Drawn
from looking_glass.report.figures.style import Colors, underflow
from looking_glass.likelihood.scores import score
from looking_glass.likelihood.sentences import Sentence
from looking_glass.text.tokenizer import Tokenizer
from tests.conftest import make_model

COLORS = Colors(primary="#2f5d8a", secondary="#c8612e", muted="#8a8a8a")
TEXTS = ["a cat", "$5 <b>\n x_1", "🐿️", "one two three four five six seven eight nine ten eleven"]


@pytest.fixture(scope="module")
def made(tables_: tuple[Tokenizer, list[tables.Scored]]) -> dict[str, pd.DataFrame]:
    tokenizer, scored = tables_
    words = pd.concat(tables.word_table(one, tokenizer, after_space=True) for one in scored)
    return {
        "tokens": pd.concat(tables.token_table(one, tokenizer) for one in scored),
        "words": words,
        "ranked": tables.sentence_table(scored, words, tokenizer),
    }


@pytest.fixture(scope="module")
def tables_(tables: tuple[Path, Path]) -> tuple[Tokenizer, list[Any]]:
    torch.manual_seed(0)
    tokenizer, model = Tokenizer(*tables), make_model(vocab_size=50_257)
    begins = torch.zeros(50_257)
    begins[::2] = 1
    scored = []
    for name, text in zip(("sampled", "shuffled", "yours 1", "yours 2"), TEXTS, strict=True):
        tokens = tokenizer.encode(text)
        found = score(model, [198], tokens, stride=8, begins_word=begins)
        scored.append(_scored(name, tokens, found))
    return tokenizer, scored


def _scored(name: str, tokens: list[int], found: Any) -> tables.Scored:
    return tables.Scored(sentence=Sentence(name=name, tokens=tokens), scores=found)


def test_tokens_words_and_totals_add_up(made: dict[str, pd.DataFrame]) -> None:
    ranked = made["ranked"]
    assert ranked["nats"].is_monotonic_decreasing
    assert ranked["rank"].tolist() == [1, 2, 3, 4]
    for row in ranked.to_dict("records"):
        tokens, words = (
            made[name][made[name]["sentence"] == row["sentence"]] for name in ("tokens", "words")
        )
        assert row["nats"] == pytest.approx(tokens["log_prob"].sum(), rel=1e-5)
        assert row["nats"] == pytest.approx(tokens["cumulative"].iloc[-1], rel=1e-5)
        assert row["nats"] == pytest.approx(-words["surprisal"].sum(), rel=1e-5)
        assert row["corrected_nats"] == pytest.approx(-words["corrected"].sum(), rel=1e-5)
        assert row["words"] == len(words)
        assert (row["words"] == 11) == (row["sentence"] == "yours 2")


def drawn(log_probs: list[float], entropies: list[float]) -> Drawn:
    values = torch.tensor(log_probs, dtype=torch.float64)
    return Drawn(
        tokens=[383] * len(log_probs),
        log_probs=values,
        sampling_log_probs=values,
        entropies=torch.tensor(entropies, dtype=torch.float64),
    )


def test_the_place_of_the_first_and_the_entropy_check_by_hand(
    tables_: tuple[Tokenizer, list[Any]],
) -> None:
    tokenizer = tables_[0]
    table = tables.sample_table(
        [drawn([-2, -2], [1, 1]), drawn([-1], [2]), drawn([-9, -3, -3], [4, 4, 4])], tokenizer
    )
    found = tables.sample_metrics(table)
    assert found["share_less_probable"] == pytest.approx(1 / 3)
    assert found["share_less_probable_per_token"] == pytest.approx(1 / 3)
    assert found["nats_per_token"] == pytest.approx(20 / 6)
    assert found["entropy_per_token"] == pytest.approx(16 / 6)
    assert found["difference"] == pytest.approx((2 - 1 + 3) / 3)
    assert found["standard_error"] == pytest.approx((13 / 3 / 3) ** 0.5)


def test_the_check_fails_where_sampling_and_scoring_differ() -> None:
    found = {
        "nats_per_token": 4.0,
        "entropy_per_token": 4.1,
        "difference": -0.9,
        "standard_error": 0.3,
        "z": -3.0,
    }
    assert "more than chance explains in nineteen" in report.explain_entropy({"samples": found})
    found["z"] = 1.2
    assert "what was sampled is what was scored" in report.explain_entropy({"samples": found})


def test_what_was_drawn_from_is_named() -> None:
    plain: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}
    assert report.explain_sampling(plain) == "at temperature 1, from all tokens"
    assert report.explain_drawing({"sampling_nats": -3.0}, plain) is None
    sharp = {"temperature": 0.7, "top_k": 40, "top_p": 0.9}
    text = report.explain_sampling(sharp)
    assert text == (
        "at temperature 0.7, from the 40 most probable tokens and from the fewest tokens that "
        "hold 90.0% of it"
    )
    assert "-3.000 nats" in str(report.explain_drawing({"sampling_nats": -3.0}, sharp))


def test_sentences_are_ranked_in_words(made: dict[str, pd.DataFrame]) -> None:
    ranked = made["ranked"]
    first, order = report.explain_ranking(ranked)
    assert f"the most probable is {report.called(ranked['sentence'].iloc[0])} (" in first
    nats = dict(zip(ranked["sentence"], ranked["nats"], strict=True))
    change = "less" if nats["sampled"] >= nats["shuffled"] else "more"
    assert f"are {change} probable by" in order
    assert report.explain_ranking(ranked.iloc[:1]) == []


def test_calibration_and_place_are_told() -> None:
    found = {
        "tokens": 3673,
        "accuracy": 0.24,
        "confidence": 0.28,
        "expected_calibration_error": 0.05,
    }
    assert "it is too sure of itself" in report.explain_calibration({"calibration": found})
    found["confidence"] = 0.2
    assert "not sure enough of itself" in report.explain_calibration({"calibration": found})
    samples = {
        "sentences": 1000,
        "mean_tokens": 18.2,
        "mean_nats": -76.3,
        "share_less_probable": 0.376,
        "share_less_probable_per_token": 0.711,
    }
    text = report.explain_place({"samples": samples})
    assert "Of 1,000 sentences" in text
    assert "37.6% are less probable than this one; counted per token, 71.1% are." in text


def test_underflow_is_reported_only_where_it_happened() -> None:
    table = tables.product_table(torch.full((60,), -5.0))
    assert "come to exactly 0 from token 21 on" in report.explain_underflow(table)
    assert "sum of their logarithms is -300.00 nats" in report.explain_underflow(table)
    assert "is still 0.0067" in report.explain_underflow(table.iloc[:1])


def test_a_words_correction_is_named(made: dict[str, pd.DataFrame]) -> None:
    words = made["words"][made["words"]["sentence"] == "yours 2"]
    furthest = words.sort_values("difference", key=abs)["text"].iloc[-1]
    assert f"the largest change is that of “{furthest}”" in report.explain_words(words)


def test_figures_draw_any_sentence(made: dict[str, pd.DataFrame]) -> None:
    long = pd.concat([made["words"]] * 4)
    curves = tables.product_table(torch.full((30,), -5.0))
    bins = pd.DataFrame(
        {"from": [0.0], "to": [0.1], "tokens": [5], "confidence": [0.05], "accuracy": [0.0]}
    ).assign(low=0.0, high=0.4)
    sampled = pd.DataFrame({"nats": [-1.0, -5.0, -9.0], "tokens": [1, 2, 4]})
    for figure in (
        figures.word_surprisal(made["words"], COLORS),
        figures.word_surprisal(long, COLORS),
        figures.cumulative(made["tokens"], made["ranked"], COLORS),
        figures.samples(sampled, COLORS),
        figures.reliability(bins, 0.05, COLORS),
        underflow(curves, COLORS),
    ):
        figure.savefig(io.BytesIO(), format="png")
        assert figure.axes[0].get_title(loc="left")
