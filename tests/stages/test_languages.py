"""Every stage on books in other languages and of other sources: their words come through."""

from __future__ import annotations

from pathlib import Path

import pytest

from looking_glass.pipeline.artifacts import TEXTS, read_csv
from looking_glass.text.corpus import read_corpus
from looking_glass.text.reader import Reader
from stages import (
    attention,
    choose,
    download,
    encode,
    evaluate,
    invert,
    logprob,
    report,
    train,
    yardstick,
)
from tests.helpers.languages import EVERY_LANGUAGE, Told
from tests.helpers.project import edit, main_of

STAGES = (
    *(main_of(stage) for stage in (download, encode, train, evaluate, invert, choose)),
    *(main_of(attention, block) for block in ("first", "last")),
    *(main_of(stage) for stage in (yardstick, logprob, report)),
)


@pytest.mark.parametrize("told", EVERY_LANGUAGE, ids=lambda told: told.language)
def test_a_book_in_any_language_runs_through_every_stage(
    copy: Path,
    unpainted: None,
    read_once: None,
    tokenizer: Reader,
    monkeypatch: pytest.MonkeyPatch,
    told: Told,
) -> None:
    monkeypatch.setattr(evaluate, "SAMPLES", 2)
    monkeypatch.setattr(evaluate, "SAMPLE_LENGTH", 12)
    (copy / "books/book.txt").write_bytes(told.content)
    edit(
        copy,
        text={"language": told.language, "words": told.words},
        encode__encoding=told.encoding,
        encode__start_at=None,
        model__block_size=told.block_size,
        # With the defaults' dropout the Hindi model, after so few steps, writes halves of
        # characters alone, which join the tenth word.
        model__dropout=0.3,
        model__first_attention_dropout=0.3,
        train__steps=told.steps,
        train__evaluate_every=told.steps,
        invert__sentence=told.sentence,
        invert__controls=[],
        invert__random_control=0,
        invert__noise_trials=2,
        invert__parallel__steps=5,
        invert__prefix__steps=1,
        invert__prefix__restarts=1,
        invert__prefix__lengths=[1],
        invert__search={"steps": 1, "candidates": 2},
        attention__prompts=[told.prompt],
        attention__contexts=2,
        attention__context_words=2,
        logprob__samples=4,
        logprob__max_tokens=12,
        logprob__sentences=[told.sentence],
    )
    for stage in STAGES:
        stage()
    corpus = read_corpus(copy / "data/tokens")
    assert tokenizer.decode([*corpus.train.tolist(), *corpus.val.tolist()]) == told.text
    words = read_csv(copy / "data/tables/attention/last/words.csv")["text"].tolist()
    joint = "" if told.words == "segments" else " "
    assert joint.join(words[:10]) == told.prompt
    page = (copy / "reports/report.html").read_text()
    assert f'<blockquote lang="{told.language}" dir="auto">{told.prompt}' in page
    assert told.sentence in page
    ranked = read_csv(copy / "data/tables/logprob/sentences.csv").set_index("sentence")["text"]
    assert ranked["yours"] == told.sentence
    assert ranked["held_out"] in told.text
    for path in (copy / "data/tables").rglob("*.csv"):
        table = read_csv(path)
        for name in table.columns.intersection(TEXTS):
            assert not table[name].str.contains(r"\\x", regex=True).any(), path
    assert "□" not in "".join(words)
