"""One file of a wheel or an sdist, read out of it: nothing else is unpacked, no code of it run."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from looking_glass.pipeline.errors import InputError, shorten

CHUNK = 1 << 16  # bytes
# What zipfile, tarfile and their decoders raise on what is damaged, encrypted or unknown to them.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)


def extract(archive: Path, member: str, target: Path, largest: int) -> None:
    """Write the plain file `member` of an archive to `target`.

    A name is only ever compared: `../` in it leads nowhere. Raises `InputError` where the archive
    cannot be read, has no such file (a link or a folder is none), or would grow past `largest`
    bytes, in the file itself or on the way to it.
    """
    with target.open("wb") as file:
        for piece in _pieces(archive, member, largest):
            file.write(piece)


def _pieces(archive: Path, member: str, largest: int) -> Iterator[bytes]:
    """Yield the file's bytes. What fails in here is the archive's fault, never the writer's."""
    try:
        with _opened(archive, member, largest) as (file, size):
            # Read to the size that is told and no further, whatever the archive holds.
            while size and (piece := file.read(min(CHUNK, size))):
                size -= len(piece)
                yield piece
            if size:
                raise EOFError(f"{member} lacks its last {size:,} bytes")
            if file.read(1):  # a zip's checksum is compared where it ends
                raise ValueError(f"{member} is longer than it says")
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        raise InputError(
            f"{archive.name} is required to be a readable sdist or wheel, got: "
            f"{shorten(reason, 120)}: pin another one"
        ) from None


@contextmanager
def _opened(archive: Path, member: str, largest: int) -> Iterator[tuple[IO[bytes], int]]:
    """Yield the file, open for reading, and its size in bytes."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            entry = wheel.NameToInfo.get(member)
            if entry is None or entry.is_dir():
                raise InputError(_missing(archive, member))
            _bounded(archive, member, entry.file_size, largest)
            with wheel.open(entry) as file:
                yield file, entry.file_size
        return
    with tarfile.open(archive) as sdist:
        passed = 0  # bytes: to skip a file is to decompress it
        for info in sdist:
            passed += info.size
            _bounded(archive, info.name, passed, largest)
            if info.name == member and info.isfile():
                content = sdist.extractfile(info)
                assert content is not None  # it is a plain file
                with content:
                    yield content, info.size
                return
        raise InputError(_missing(archive, member))


def _bounded(archive: Path, name: str, size: int, largest: int) -> None:
    if size > largest:
        raise InputError(
            f"{archive.name}: at most {largest:,} bytes are required up to the end of "
            f"'{shorten(name)}', it has {size:,}: pin another archive"
        )


def _missing(archive: Path, member: str) -> str:
    return f"{archive.name} has no member '{member}' that is a plain file: correct its path"
