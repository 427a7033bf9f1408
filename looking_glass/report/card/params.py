"""Section `export` of the parameters: what the model card says that no stage can measure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from looking_glass.pipeline.params import Section

# A card is read line by line: a name with a line break in it would be another line.
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=300)]


class Book(Section):
    """A text, and under which licence it may be used: of the one with this SHA-256 alone."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    title: Line
    author: Line
    source: Line
    licence: Line


class ExportParams(Section):
    """Section `export`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=96)]
    # The Hub's identifier, such as mit or cc-by-4.0.
    licence: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)]
    book: Book
