"""What can be read off a token: space, case, length, ending, and its place in the merges."""

from __future__ import annotations

import math

ENDINGS = (
    *("ness", "less", "ment", "able", "ing", "ion", "ent", "ous", "ful", "ive", "ity", "est"),
    *("ed", "er", "ly", "al", "s", "y", "e"),
)
LONGEST = 12  # letters: from there on one length
INFLECTIONS = ("ness", "ing", "est", "ed", "er", "ly", "s")
SHORTEST = 3  # letters of a stem


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
    if len(word) >= SHORTEST and word.isascii() and word.isalpha():
        names.append(f"stem {stem(word)}")
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


def stem(word: str) -> str:
    """Return what is left of an English word without its inflection, in one spelling.

    "running", "Runs" and "run" are all "run"; "cries" and "cry" are "cry". Rough: it need not be
    right, only the same for the forms of one word, and that mostly.
    """
    base = word.lower()
    ending = next((e for e in INFLECTIONS if base.endswith(e)), "")
    if len(base) - len(ending) >= SHORTEST:
        base = base.removesuffix(ending)
    if len(base) > SHORTEST and base.endswith("e"):
        base = base[:-1]
    if len(base) > SHORTEST and base[-1] == base[-2] and base[-1] not in "ls":
        base = base[:-1]
    return base[:-1] + "y" if base.endswith("i") else base


def kind_of(content: bytes) -> str:
    """Return what a token is by its space and case: `b" Alice"` → "␣title"."""
    text = content.decode("utf-8", "replace")
    word = text.removeprefix(" ")
    return f"{'␣' if text != word else ''}{_kind(word)}"
