"""A byte-pair encoder's two tables: GPT-2's own, and those of another vocabulary.

`vocab.json` (OpenAI: `encoder.json`) gives each token its id, `merges.txt` (`vocab.bpe`) says which
two tokens are merged, the first merge first. Tokens are written in letters that stand for bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from looking_glass.pipeline.errors import InputError, shorten

N_BYTES = 256
END_OF_TEXT = "<|endoftext|>"
_MARK = re.compile(r"<.+>|\[.+\]")  # as a token that no text has is written


@dataclass(frozen=True, kw_only=True)
class BpeTables:
    """The tokens of an encoder: ids are 0 to V - 1, and each belongs to one token."""

    ranks: dict[bytes, int]  # of bytes and merges: the id, which also orders the merges
    special: dict[str, int]  # of all others: no text is encoded as one of them

    @property
    def n_tokens(self) -> int:
        """Return V, the special ones included."""
        return len(self.ranks) + len(self.special)

    @property
    def end_of_text(self) -> int | None:
        """Return the token that ends a text: GPT-2's by its name, else the last special one."""
        last = max(self.special.values(), default=None)
        return self.special.get(END_OF_TEXT, last)


def byte_letters() -> dict[str, int]:
    """Return the byte that each letter of the tables stands for, in the order of GPT-2's tokens.

    Bytes that print stand for themselves; the others for letters from U+0100 on.
    """
    printed = [*range(33, 127), *range(161, 173), *range(174, N_BYTES)]
    others = [byte for byte in range(N_BYTES) if byte not in printed]
    letters = [*map(chr, printed), *(chr(N_BYTES + index) for index in range(len(others)))]
    return dict(zip(letters, [*printed, *others], strict=True))


def read_tables(vocab: Path, merges: Path) -> BpeTables:
    """Return the encoder in these two files.

    Raises `InputError` where one is missing or damaged, where they do not belong together, or where
    merges are not in the order of their ids: tiktoken takes the one for the other.
    """
    contents = [_read(path) for path in (vocab, merges)]
    try:
        ids = json.loads(contents[0].decode("utf-8"))
        lines = contents[1].decode("utf-8").split("\n")
        pairs = [line.split() for line in lines if line.strip() and not line.startswith("#version")]
        letters = byte_letters()
        made = [left + right for left, right in pairs]
        known = {letter for pair in pairs for token in pair for letter in token} <= set(letters)
        ordinary = {name: ids[name] for name in (*letters, *made)}
        apart = {str(name): token for name, token in ids.items() if name not in ordinary}
        if not known or any(type(token) is not int for token in ids.values()):
            raise ValueError("no tokens")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = shorten(f"{type(error).__name__}: {error}")
        raise _no_tables(vocab, merges, f"these two do not belong together ({reason})") from None
    order = [ids[name] for name in made]
    if sorted(ids.values()) != list(range(len(ids))):
        raise _no_tables(vocab, merges, f"their ids are not 0 to {len(ids) - 1}, each once")
    if odd := next((name for name in apart if not _MARK.fullmatch(name)), None):
        raise _no_tables(vocab, merges, f"no merge makes {shorten(repr(odd))}")
    if order != sorted(set(order)):
        raise _no_tables(vocab, merges, "the merges of these two are not in the order of their ids")
    return BpeTables(
        ranks={bytes(letters[sign] for sign in name): token for name, token in ordinary.items()},
        special=apart,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): run dvc repro download"
        ) from None


def _no_tables(vocab: Path, merges: Path, reason: str) -> InputError:
    return InputError(
        f"{vocab} and {merges}: GPT-2's encoder.json and vocab.bpe are required, or another "
        f"vocabulary's in their form; {reason}: check download's sources"
    )
