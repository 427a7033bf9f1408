"""Numbers and lists as a reader wants them."""

from __future__ import annotations

import pandas as pd


def listed(names: list[str]) -> str:
    """Return names as a phrase: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def quoted(words: pd.Series) -> str:
    """Return words as running text."""
    return " ".join(words)


def percent(share: float) -> str:
    """Return a share as a percentage: one decimal, or two significant digits below 1 %."""
    if share >= 0.9995 or share == 0:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def nats(value: float) -> str:
    """Return a difference of log-probabilities with its unit, to three significant digits."""
    return f"{value:.3g} nats"


def count(n: int, what: str) -> str:
    """Return a number with its noun: "1 vector", "9 vectors"."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def visible(text: str) -> str:
    """Return `text` with its white space made visible: line breaks as ↵, leading spaces as ␣."""
    shown = text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥")
    spaces = len(shown) - len(shown.lstrip(" "))
    return "␣" * spaces + shown[spaces:]
