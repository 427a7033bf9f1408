"""Numbers and lists as a reader wants them."""

from __future__ import annotations

import math
import unicodedata

import pandas as pd

from looking_glass.pipeline.statistics import CONFIDENCE


def listed(names: list[str]) -> str:
    """Return names as a phrase: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def space_before(tokens: pd.DataFrame) -> list[str]:
    """Return what stands before each word of a sentence, given its tokens: a space or nothing.

    That is as the text has it: in some scripts there is none between words.
    """
    first = tokens.groupby("word")["text"].first()
    return ["", *(" " if text[:1].isspace() else "" for text in first.iloc[1:])]


def quoted(words: pd.DataFrame) -> str:
    """Return words as running text, each with what stands `before` it."""
    return "".join(words["before"] + words["text"]).lstrip()


def explain_missing(missing: set[str]) -> str | None:
    """Return a sentence on characters that the figures could not show, if there are any.

    A script is told by the first word of its characters' names in Unicode.
    """
    if not missing:
        return None
    found = sorted(missing)
    shown = " ".join(found[:12]) + (" …" if len(found) > 12 else "")
    scripts = sorted({unicodedata.name(c, "unnamed").split()[0].split("-")[0] for c in found})
    return (
        f"No font that is installed here has {count(len(found), 'character')} of the text: the "
        f"figures show □ for {shown} ({', '.join(scripts)})."
    )


def percent(share: float) -> str:
    """Return a share as a percentage: one decimal, or two significant digits below 1 %."""
    if share >= 0.9995 or share == 0:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def nats(value: float) -> str:
    """Return a difference of log-probabilities with its unit, to three significant digits."""
    return f"{value:.3g} nats"


def beyond_chance(value: float, error: float | None) -> bool | None:
    """Return whether a mean differs from 0 by more than chance explains in 19 cases of 20.

    None when it has no standard error, so that nobody knows.
    """
    if error is None or not math.isfinite(error):
        return None
    return abs(value) > CONFIDENCE * error


def moved(change: float, error: float | None) -> str:
    """Return how a mean moved, its standard error, and whether chance explains it.

    0.5 and 0.1 → "rises by 0.5 nats (standard error 0.1)".
    """
    verb = "rises" if change > 0 else "falls" if change < 0 else ""
    done = f"{verb} by {nats(abs(change))}" if verb else "stays the same"
    found = beyond_chance(change, error)
    if found is None:
        return f"{done} (with no standard error: the text is too short)"
    doubt = "" if found else ", no more than chance explains"
    return f"{done} (standard error {error:.2g}{doubt})"


def count(n: int, what: str) -> str:
    """Return a number with its noun: "1 vector", "9 vectors"."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def read_of(n: int | None, there: int) -> str:
    """Return how much of a text was read, in words; nothing where it is None, for all was.

    (40000, 25000000) → " (on 40,000 of its 25,000,000 tokens)".
    """
    return "" if n is None else f" (on {n:,} of its {count(there, 'token')})"


def visible(text: str) -> str:
    """Return `text` with its white space made visible: line breaks as ↵, leading spaces as ␣."""
    shown = text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥")
    spaces = len(shown) - len(shown.lstrip(" "))
    return "␣" * spaces + shown[spaces:]
