"""What can be read off a token: space, case, length, ending, and its place in the merges."""

from __future__ import annotations

import math

ENDINGS = (
    *("ness", "less", "ment", "able", "ing", "ion", "ent", "ous", "ful", "ive", "ity", "est"),
    *("ed", "er", "ly", "al", "s", "y", "e"),
)
LONGEST = 12  # letters: from there on one length


def form_features(rank: int, content: bytes) -> list[str]:
    """Return the names of the features that a token of this id and these bytes has by its form."""
    text = content.decode("utf-8", "replace")
    word = text.removeprefix(" ")
    kind = kind_of(content)
    octave = math.log2(rank + 32)
    names = [
        f"kind {kind}",
        f"rank {int(2 * octave)}",
        f"kind {kind} rank {int(octave)}",
        f"kind {kind} length {min(len(word), LONGEST)}",
        f"word {text.strip().lower()}",
    ]
    if ending := _ending(word):
        names += [f"ending {ending}", f"kind {kind} ending {ending}"]
    return names


def _kind(word: str) -> str:
    if not word.isascii():
        return "other"
    if word.isdigit():
        return "digits"
    if not word.isalpha():
        return "signs"
    if word.islower():
        return "lower"
    if len(word) == 1:
        return "initial"
    return "upper" if word.isupper() else "title" if word.istitle() else "mixed"


def _ending(word: str) -> str | None:
    if _kind(word) not in ("lower", "title"):
        return None
    return next((e for e in ENDINGS if word.endswith(e) and len(word) > len(e) + 1), None)


def kind_of(content: bytes) -> str:
    """Return what a token is by its space and case: `b" Alice"` → "␣title"."""
    text = content.decode("utf-8", "replace")
    word = text.removeprefix(" ")
    return f"{'␣' if text != word else ''}{_kind(word)}"
