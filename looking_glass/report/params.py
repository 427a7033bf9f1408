"""Section `report` of the parameters."""

from __future__ import annotations

from pydantic import Field

from looking_glass.pipeline.params import Section

HEX = r"^#[0-9a-fA-F]{6}$"


class Colors(Section):
    """What each thing is drawn in, the same on every figure."""

    primary: str = Field(pattern=HEX)
    secondary: str = Field(pattern=HEX)
    muted: str = Field(pattern=HEX)


class ReportParams(Section):
    """Section `report`."""

    dpi: int = Field(ge=50, le=400)
    colors: Colors
