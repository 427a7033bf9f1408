"""GPT-2's byte-pair encoding from local tables: its own, or another vocabulary's."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tiktoken

from looking_glass.text.bpe_tables import read_tables
from looking_glass.text.characters import shown_alone, shown_in_text

# Radford et al. 2019, encoder.py: contractions, words, numbers and signs, each with the one space
# before it, and white space. The published pattern looks ahead, `\s+(?!\S)|\s+`, so that the last
# of several white characters goes with the word after them. That takes most of the time of
# encoding, and gives up after some 900,000 characters. Here a text is cut before such a character,
# and one alternative is enough: the cuts are marked, and a mark is a piece of its own.
_MARK = "\x01"
_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"
_MARKED = _PATTERN.replace(r"\p{N}]", rf"\p{{N}}{_MARK}]") + f"|{_MARK}"
# Unicode's White_Space, which `\s` is in that pattern; Python's has U+001C to U+001F beside it.
_WHITE = np.zeros(0x3002, dtype=bool)
_WHITE[[*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]] = True
_WHITE[[0x2028, 0x2029, 0x202F, 0x205F, 0x3000]] = True


class Tokenizer:
    """Text ↔ tokens. Ordinary text only: `<|endoftext|>` in a book is not the special token."""

    def __init__(self, vocab: Path, merges: Path) -> None:
        """Read `encoder.json` and `vocab.bpe` (or Hugging Face's names for the same files).

        `end_of_text` is the special token that ends a text, None where there is none. Raises
        `InputError` as `read_tables` does.
        """
        tables = read_tables(vocab, merges)
        self._ranks, self._special = tables.ranks, tables.special
        self.end_of_text = tables.end_of_text
        self._encoding, self._marked = (
            tiktoken.Encoding(
                "gpt2",
                pat_str=pattern,
                mergeable_ranks=tables.ranks,
                # With none at all tiktoken looks for one at every place.
                special_tokens=tables.special or {"<|endoftext|>": len(tables.ranks)},
            )
            for pattern in (_PATTERN, _MARKED)
        )

    @property
    def vocab_size(self) -> int:
        """Number of tokens, the special ones included."""
        return len(self._ranks) + len(self._special)

    def token_bytes(self) -> list[bytes]:
        """Return the bytes of every token, by id; a special token's are its name."""
        by_id = {token: piece for piece, token in self._ranks.items()}
        by_id |= {token: name.encode() for name, token in self._special.items()}
        return [by_id[token] for token in range(len(by_id))]

    def ordinary_tokens(self) -> list[int]:
        """Return the tokens that a text can be encoded as, in order: all but the special ones."""
        return sorted(self._ranks.values())

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text`."""
        tokens: list[int] = self.encode_array(text).tolist()
        return tokens

    def encode_array(self, text: str) -> npt.NDArray[np.uint32]:
        """Return the tokens of `text` as an array: several threads may ask at once."""
        parts = _cut(text)
        if _MARK in text:
            each = [self._encoding.encode_to_numpy(part, disallowed_special=()) for part in parts]
            return np.concatenate(each)
        marked = self._marked.encode_to_numpy(_MARK.join(parts), disallowed_special=())
        tokens: npt.NDArray[np.uint32] = marked[marked != self._ranks[_MARK.encode()]]
        return tokens

    def encode_prompt(self, text: str) -> list[int]:
        """Return the tokens of a `text` that is to be continued.

        GPT-2's encoder looks ahead over white space: at the end of a text two line breaks are one
        token, yet before a word they are two, and a last space belongs to the word to come. A
        model has met only the second, so white space at the end is encoded as before a word.
        """
        if text != text.rstrip():
            return self.encode(text + "x")[:-1]
        return self.encode(text)

    def decode(self, tokens: list[int]) -> str:
        """Return the text of `tokens`; bytes that are no UTF-8 show as U+FFFD."""
        return self._encoding.decode(tokens)

    def pieces(self, tokens: list[int]) -> list[bytes]:
        """Return the bytes of each token."""
        return self._encoding.decode_tokens_bytes(tokens)

    def decode_each(self, tokens: list[int]) -> list[str]:
        """Return the text of each token of a text, a part of a character as `我[1/2]`."""
        return shown_in_text(self.pieces(tokens))

    def decode_running(self, tokens: list[int]) -> list[str]:
        """Return the text of each token of a text, each character with the first of its parts."""
        return shown_in_text(self.pieces(tokens), parts_told=False)

    def decode_alone(self, tokens: list[int]) -> list[str]:
        """Return the text of each token by itself, a part of a character as bytes: `⟨E6 88⟩`."""
        return [shown_alone(piece) for piece in self.pieces(tokens)]

    def n_bytes(self, tokens: list[int]) -> int:
        """Return how many bytes of UTF-8 `tokens` stand for."""
        return len(self._encoding.decode_bytes(tokens))


def _cut(text: str) -> list[str]:
    """Return `text` cut before each white character between another and one that is none.

    Half a pair of surrogates, which is no character, becomes U+FFFD, as with tiktoken.
    """
    try:
        points = text.encode("utf-32-le")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        points = text.encode("utf-32-le")
    codes = np.frombuffer(points, dtype="<u4")
    white = _WHITE[np.minimum(codes, len(_WHITE) - 1)]
    at = (np.flatnonzero(white[:-2] & white[1:-1] & ~white[2:]) + 1).tolist()
    return [text[start:stop] for start, stop in itertools.pairwise([0, *at, len(text)])]
