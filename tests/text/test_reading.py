"""A book's file as text: encodings, line ends, and blocks that hide where they were cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from looking_glass.pipeline.errors import InputError
from looking_glass.text import reading

examples = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Written = Callable[[bytes], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(content: bytes) -> Path:
        (tmp_path / "book.txt").write_bytes(content)
        return tmp_path / "book.txt"

    return write


def read(path: Path, encoding: str = "utf-8") -> str:
    return "".join(reading.read_blocks(path, encoding))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a\nb", "a\nb"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\rb", "a\nb"),
        ("a\r\r\nb\r\r\n", "a\nb\n"),  # CR CR LF is one line end
        ("a\x85b\u2028c\vd", "a\nb\nc\nd"),
        ("a\u2029b", "a\n\nb"),
        ("\ufeffa\ufeffb", "ab"),  # two files with a mark, put together
        ("the page\n\fends", "the page\nends"),  # a page break parts no paragraph
        ("the page\f\nends\fhere", "the page\nends\nhere"),
        ("one\n\n\fCHAPTER", "one\n\nCHAPTER"),
        ("won\u00adder\u00ad\n  ful", "wonderful"),
    ],
)
def test_every_kind_of_line_end_is_a_line_feed(written: Written, content: str, text: str) -> None:
    assert read(written(content.encode())) == text


@examples
@given(text=st.text(st.sampled_from("ab é\n\r\f\xad\u2028\u2029\ufeff\t"), max_size=60))
@pytest.mark.parametrize("block", [1, 3, 7])
def test_where_blocks_are_cut_changes_nothing(
    written: Written, monkeypatch: pytest.MonkeyPatch, block: int, text: str
) -> None:
    path = written(text.encode())
    whole = read(path)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "BLOCK", block)
        assert read(path) == whole


def test_a_very_long_line_comes_in_parts_cut_before_white_space(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 8)
    monkeypatch.setattr(reading, "LONGEST_LINE", 20)
    text = "some words  of one line " * 9 + "\nend"
    blocks = list(reading.read_blocks(written(text.encode()), "utf-8"))
    assert "".join(blocks) == text
    assert max(map(len, blocks)) < 40
    assert all(block[0].isspace() for block in blocks[1:-1])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("windows-1252", "It’s a “fine” day, said the café owner. "),
        ("utf-16", "Alice was tired.\n"),
        ("gb18030", "他来了。我走了，天气很好。\n"),
    ],
)
def test_text_that_is_not_utf_8_is_refused_with_a_name_that_reads_it(
    written: Written, encoding: str, text: str
) -> None:
    path = written((text * 20).encode(encoding))
    with pytest.raises(InputError, match=r"text in utf-8 is required .* it may be ") as refused:
        read(path)
    advised = str(refused.value).rsplit("encode.encoding to ", 1)[1]
    assert read(path, advised) == text * 20
    assert " ".join(text.split())[:12] in str(refused.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_not_utf_8_is_named_with_its_place(
    written: Written, monkeypatch: pytest.MonkeyPatch, mark: bytes
) -> None:
    path = written(mark + "é".encode() + b" caf\xe9 au lait")
    for block in (1, 2, 1 << 20):
        monkeypatch.setattr(reading, "BLOCK", block)
        with pytest.raises(InputError, match=rf"byte {len(mark) + 6} \(0xe9\) is none"):
            read(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_not_taken_for_text_with_nuls(
    written: Written, encoding: str
) -> None:
    path = written(("It is a fine day, he said.\n" * 30).encode(encoding))
    expected = rf"stands NUL, which no text holds: it may be {encoding.replace('-', '_')}"
    with pytest.raises(InputError, match=expected):
        read(path)


@pytest.mark.parametrize("name", ["utf-9", "", "hex", "a\0b", "rot13"])
def test_an_encoding_must_be_one(name: str) -> None:
    with pytest.raises(InputError, match=r"encode\.encoding: the name of an encoding is required"):
        reading.require_encoding(name)
    reading.require_encoding("cp1252")
