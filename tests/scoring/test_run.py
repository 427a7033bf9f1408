"""A stream of lines: a row each as they come, however many there are, and progress beside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.scoring import lines
from looking_glass.scoring.run import Form, score_stream
from looking_glass.scoring.scored import LineScorer
from looking_glass.text.reader import Reader
from tests.helpers.cases import COMPUTE


@pytest.fixture
def scorer(tiny: GPT, tokenizer: Reader) -> LineScorer:
    return LineScorer(tiny, tokenizer, "\n\n", COMPUTE, stride=8)


def test_of_a_file_without_end_no_more_is_read_than_is_scored(
    scorer: LineScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines.chunks, "__defaults__", (4,))
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        for read in itertools.count(1):
            yield f"line {read}\n".encode()

    rows = list(itertools.islice(score_stream(scorer, endless(), Form()), 1 + 9))
    assert [row[0] for row in rows[1:]] == list(range(1, 10))
    assert read == 12, "three times four lines"


def test_rows_have_the_columns_of_their_form_and_the_rest_is_told(
    scorer: LineScorer, capsys: pytest.CaptureFixture[str]
) -> None:
    text = [b"The cat sat.\tThe cat sit.\n", b"\n", b"A b.\tB a.\n"]
    for form, n in ((Form(), 2), (Form(words=True), 10), (Form(pairs=True), 2)):
        header, *rows = score_stream(scorer, text, form)
        assert len(rows) == n
        assert {len(row) for row in rows} == {len(header)}
        told = capsys.readouterr().err
        assert "2 lines, 1 blank ones left out, " in told
        assert (" of 2 pairs, chance 0.5" in told) == form.pairs


def test_a_line_that_is_no_pair_ends_it(scorer: LineScorer) -> None:
    with pytest.raises(InputError, match="line 2: two sentences"):
        list(score_stream(scorer, [b"a b\tb a\n", b"alone\n"], Form(pairs=True)))


def test_nothing_gives_a_header_alone(scorer: LineScorer) -> None:
    assert len(list(score_stream(scorer, [], Form(pairs=True)))) == 1
