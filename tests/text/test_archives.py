"""Archives that are damaged, hostile or odd: the right bytes or one line, and nothing beside."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.text.archives import extract

BOOK = b"Alice was beginning to get very tired.\n" * 200
LARGEST = 100_000


def tar(mode: str, *entries: tuple[str, bytes | str], kind: bytes = tarfile.SYMTYPE) -> bytes:
    """An archive of files (name, content) and links (name, where it leads)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = kind, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(method: int, *entries: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def poked(content: bytes, signature: bytes, offset: int, value: int) -> bytes:
    """`content` with one byte of each of its zip headers of this kind set."""
    out = bytearray(content)
    at = -1
    while (at := content.find(signature, at + 1)) >= 0:
        out[at + offset] = value
    return bytes(out)


def header(content: bytes, offset: int, value: int) -> bytes:
    """A zip whose local and central headers both hold `value` at the field `offset` is."""
    return poked(poked(content, b"PK\3\4", offset, value), b"PK\1\2", offset + 2, value)


PLAIN = ("p/alice.txt", BOOK)
KINDS: dict[str, Callable[..., bytes]] = {
    **{mode: lambda *entries, mode=mode: tar(mode, *entries) for mode in ("", "gz", "bz2", "xz")},
    "stored": lambda *entries: zipped(zipfile.ZIP_STORED, *entries),
    "deflated": lambda *entries: zipped(zipfile.ZIP_DEFLATED, *entries),
    "lzma": lambda *entries: zipped(zipfile.ZIP_LZMA, *entries),
}


def got(tmp_path: Path, archive: bytes, member: str = "p/alice.txt") -> bytes:
    path = tmp_path / "book.tar.gz"
    path.write_bytes(archive)
    extract(path, member, tmp_path / "target", LARGEST)
    return (tmp_path / "target").read_bytes()


def refusal(tmp_path: Path, archive: bytes, member: str = "p/alice.txt") -> str:
    with pytest.raises(InputError) as caught:
        got(tmp_path, archive, member)
    assert {path.name for path in tmp_path.iterdir()} <= {"book.tar.gz", "target"}
    message = str(caught.value)
    assert message.startswith("book.tar.gz")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_comes_as_it_was_packed(tmp_path: Path, kind: str) -> None:
    assert got(tmp_path, KINDS[kind](("p/a", b"x"), PLAIN, ("p/empty", b""))) == BOOK
    assert got(tmp_path, KINDS[kind](PLAIN, ("p/empty", b"")), "p/empty") == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_leads_out_is_a_name_and_no_more(tmp_path: Path, kind: str) -> None:
    inside = tmp_path / "a/b"
    inside.mkdir(parents=True)
    for name in ("../../out.txt", "/out.txt"):
        assert got(inside, KINDS[kind]((name, BOOK)), name) == BOOK
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "book.tar.gz", "target"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("to", ["/etc/hostname", "../../x", "p/alice.txt", "p/real.txt"])
def test_a_link_is_no_file(tmp_path: Path, kind: bytes, to: str) -> None:
    archive = tar("gz", ("p/real.txt", BOOK), ("p/alice.txt", to), kind=kind)
    assert "has no member 'p/alice.txt' that is a plain file" in refusal(tmp_path, archive)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_grows_past_the_limit_is_left(tmp_path: Path, kind: str) -> None:
    many = bytes(LARGEST)
    assert got(tmp_path, KINDS[kind](("bomb", many)), "bomb") == many
    message = refusal(tmp_path, KINDS[kind](("bomb", many + b"0")), "bomb")
    assert "at most 100,000 bytes are required up to the end of 'bomb', it has 100,001" in message


def test_what_lies_before_the_member_counts(tmp_path: Path) -> None:
    refusal(tmp_path, tar("gz", ("bomb", bytes(LARGEST)), PLAIN))
    assert got(tmp_path, zipped(zipfile.ZIP_DEFLATED, ("bomb", bytes(LARGEST)), PLAIN)) == BOOK


def test_a_zip_with_a_password_or_an_unknown_method_is_refused(tmp_path: Path) -> None:
    plain = zipped(zipfile.ZIP_DEFLATED, PLAIN)
    assert "encrypted" in refusal(tmp_path, header(plain, 6, 1))
    assert "compression method is not supported" in refusal(tmp_path, header(plain, 8, 77))


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_anywhere_is_told(tmp_path: Path, kind: str) -> None:
    whole = KINDS[kind](PLAIN)
    for at in range(0, len(BOOK if kind in ("", "stored") else whole) * 9 // 10, 97):
        refusal(tmp_path, whole[:at])


@pytest.mark.parametrize("kind", KINDS)
def test_damage_gives_the_same_bytes_or_one_line(tmp_path: Path, kind: str) -> None:
    whole, draw, told = KINDS[kind](PLAIN), random.Random(1), 0
    for _ in range(100):
        bad = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            bad[draw.randrange(len(bad))] = draw.randrange(256)
        try:
            content = got(tmp_path, bytes(bad))
        except InputError:
            told += 1
        else:
            # A bare tar has no checksum of its contents: the file's own hash is what decides.
            assert content == BOOK or kind in ("", "gz", "bz2", "xz")
    assert told > 5
