"""GPT-2's byte-pair encoding from local tables: its own, or another vocabulary's."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tiktoken

from looking_glass.text.bpe_tables import read_tables
from looking_glass.text.characters import shown_alone, shown_in_text

# Radford et al. 2019, encoder.py: contractions, words, numbers and signs, each with the one space
# before it. The published pattern; tiktoken's own is the same language, written to run faster.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Unicode's White_Space, which `\s` is in that pattern; Python's has U+001C to U+001F beside it.
_LONG_WHITE = re.compile(
    r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]{10000,}"
)
_HALF = 5000  # characters: wherever a run of that length lies, it covers such a stretch as a whole


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
        self._encoding = tiktoken.Encoding(
            "gpt2",
            pat_str=GPT2_PATTERN,
            mergeable_ranks=tables.ranks,
            special_tokens=tables.special,
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
        """Return the tokens of `text`.

        tiktoken looks ahead over white space and gives up after some 900,000 characters of it, so
        a long run is taken apart where its pattern does: the last character goes with what follows,
        if anything does, and all before is one piece.
        """
        parts = [encoding.encode_ordinary(part) for encoding, part in self._parts(text)]
        return list(itertools.chain.from_iterable(parts))

    def encode_array(self, text: str) -> npt.NDArray[np.uint32]:
        """Return the tokens of `text` as an array: several threads may ask at once."""
        parts = [
            encoding.encode_to_numpy(part, disallowed_special=())
            for encoding, part in self._parts(text)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _parts(self, text: str) -> Iterator[tuple[tiktoken.Encoding, str]]:
        """Yield the parts of `text`, each with what encodes it: see `encode`."""
        start = 0
        # Looking for a run is a fifth of encoding; almost no text has one, which is soon seen.
        if not any(text[at : at + _HALF].isspace() for at in range(0, len(text), _HALF)):
            yield self._encoding, text
            return
        for run in _LONG_WHITE.finditer(text):
            stop = run.end() - (run.end() < len(text))
            yield self._encoding, text[start : run.start()]
            yield self._white, text[run.start() : stop]
            start = stop
        yield self._encoding, text[start:]

    @functools.cached_property
    def _white(self) -> tiktoken.Encoding:
        """The same encoder for text that is white space: one piece, whatever follows."""
        return tiktoken.Encoding(
            "white", pat_str=r"\s+", mergeable_ranks=self._ranks, special_tokens={}
        )

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
