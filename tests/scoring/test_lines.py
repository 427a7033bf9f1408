"""Lines as they stand in files: blank ones, marks, other encodings, pairs."""

from __future__ import annotations

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.scoring.lines import Counter, TextLine, chunks, read_lines, split_pair


def test_a_line_has_its_number_and_no_white_space_at_its_ends() -> None:
    counter = Counter()
    stream = [b"\xef\xbb\xbfOne.\r\n", b" \n", b"  Zwei \xc3\xa4.\t\n", b"three"]
    found = [(line.number, line.text) for line in read_lines(stream, counter)]
    assert found == [(1, "One."), (3, "Zwei ä."), (4, "three")]
    assert (counter.lines, counter.blank) == (4, 1)


def test_bytes_that_are_no_utf_8_are_named_by_their_line() -> None:
    with pytest.raises(InputError, match=r"line 2: text in UTF-8 is required, byte 3 .*0xe4"):
        list(read_lines([b"one\n", b"zw\xe4i\n"], Counter()))


@pytest.mark.parametrize("text", ["one", "a\tb\tc", "\tb", "a\t"])
def test_a_pair_has_one_tab(text: str) -> None:
    good, bad = split_pair(TextLine(number=3, text="She sees. \t She see."))
    assert (good.text, bad.text, bad.number) == ("She sees.", "She see.", 3)
    with pytest.raises(InputError, match="line 7: two sentences with a tab between"):
        split_pair(TextLine(number=7, text=text))


def test_chunks_keep_order_and_the_rest() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []
