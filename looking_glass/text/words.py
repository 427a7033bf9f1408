"""Where words begin and end in a text, and how they are joined.

`spaces`: pieces between white space. `segments`: Unicode's word boundaries (UAX 29, default rules),
for scripts that put no space between words. They know no dictionary: Han and Hiragana fall into
characters, as do Thai, Lao, Khmer and Burmese, marks staying with their letter. `tokens`: each
token that begins a character.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from looking_glass.text.characters import escaped, n_bytes, readable, shown_in_text
from looking_glass.text.language import WordKind

_SPACES = re.compile(r"\S+")  # as `str.split` has it
_BOUNDARY = regex.compile(r"(?V1w)\b")
# What makes a segment a word: a letter, a mark on one, a number, or a symbol such as an emoji.
_CONTENT = regex.compile(r"[\p{L}\p{M}\p{N}\p{So}\p{Cs}]")
_OPENING = regex.compile(r"[\p{Ps}\p{Pi}¿¡]+$")
# White space from where on marks belong to the word after: an opening mark or that word follows.
_TURN = regex.compile(r"\s+(?=[\p{Ps}\p{Pi}¿¡]|$)")
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tibetan}\u3000-\u303f\uff01-\uff60]"
)


@dataclass(frozen=True)
class Word:
    """A word of a text and the tokens `start` to `stop` (exclusive) in it.

    Bytes that are no character show as such: `⟨E6 88⟩`.
    White space belongs to the word that follows it, as in GPT-2's tokens, or to the last word.
    """

    text: str
    start: int
    stop: int


def words_of(pieces: Sequence[bytes], kind: WordKind) -> list[Word]:
    """Return the words of a text of tokens of these bytes, together covering every token once.

    A token that holds the end of one word and the start of another goes to the first: there are
    such tokens in scripts without spaces. Text that is white space alone is one word of that text,
    but with `tokens`.
    """
    ends = set(_ends(escaped(b"".join(pieces)), kind))
    words: list[Word] = []
    start = position = 0
    for index, piece in enumerate(pieces, start=1):
        before, position = position, position + len(piece)
        if not ends.isdisjoint(range(before + 1, position + 1)):
            words.append(_word(pieces, start, index))
            start = index
    if start < len(pieces):
        words.append(_word(pieces, start, len(pieces)))
    return words


def _word(pieces: Sequence[bytes], start: int, stop: int) -> Word:
    text = "".join(shown_in_text(pieces[start:stop], parts_told=False))
    return Word(text.strip() or text, start, stop)


def _ends(text: str, kind: WordKind) -> list[int]:
    """Return the offset in bytes just after each word of `text` but the last."""
    if kind == "tokens":
        found = list(range(1, len(text)))
    elif kind == "segments":
        found = list(_segment_ends(text))
    else:
        found = [match.end() for match in _SPACES.finditer(text)][:-1]
    sizes = itertools.pairwise([0, *found])
    return list(itertools.accumulate(n_bytes(text[start:stop]) for start, stop in sizes))


def _segment_ends(text: str) -> Iterator[int]:
    """Yield where each word of `text` but the last ends, in characters.

    Between two words, marks belong to the one before, as far as the white space that an opening
    mark or the next word follows; without white space the opening marks at the end go to the next.
    """
    bounds = [0, *(match.start() for match in _BOUNDARY.finditer(readable(text))), len(text)]
    last = None  # the end of the last word, its marks not yet with it
    for start, stop in itertools.pairwise(sorted(set(bounds))):
        if _CONTENT.search(text[start:stop]):
            if last is not None:
                yield last + _split(text[last:start])
            last = stop


def _split(gap: str) -> int:
    """Return how many characters of what stands between two words belong to the first."""
    space = _TURN.search(gap) or regex.search(r"\s", gap)
    if space:
        return int(space.start())
    opening = _OPENING.search(gap)
    return int(opening.start()) if opening else len(gap)


def has_unspaced(text: str) -> bool:
    """Return whether a text has letters or marks of a script that puts no space between words."""
    return _UNSPACED.search(text) is not None


def space_between(before: str, after: str) -> str:
    """Return what stands between two texts: a space, or nothing where either script has none."""
    bare = before[-1:].isspace() or after[:1].isspace()
    bare = bare or has_unspaced(before[-1:]) or has_unspaced(after[:1])
    return "" if bare else " "


def joined(words: Sequence[str]) -> str:
    """Return words as one text, with a space between two unless the script of either has none."""
    text = ""
    for word in words:
        text += (space_between(text, word) if text else "") + word
    return text
