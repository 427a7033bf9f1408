"""docs/other-tools.md: its code, and the numbers in its tables."""

from __future__ import annotations

import re

from tests.helpers.project import ROOT

PAGE = ROOT / "docs/other-tools.md"
BUILT = ROOT / "data/model"
SENTENCE = "Alice was beginning to get very tired of sitting by her sister on the bank"


def page() -> str:
    return PAGE.read_text("utf-8")


def code_below(heading: str) -> str:
    """Return the Python below a heading of the page, all of its blocks in order."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page(), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert blocks, heading
    return "\n".join(blocks)


def told(label: str) -> float:
    """Return the number that the page's tables tell: the last cell of the row of that label."""
    (found,) = re.findall(rf"^\|.*\| {re.escape(label)} \| ([\d.e-]+) \|$", page(), re.MULTILINE)
    return float(found)
