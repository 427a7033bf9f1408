"""A tokenizer that also knows the text: what a word is in it, and where a sentence ends."""

from __future__ import annotations

from pathlib import Path

from looking_glass.text.language import TextParams
from looking_glass.text.sentence_ends import first_sentence, sentence_length
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.text.words import Word, words_of


class Reader(Tokenizer):
    """Text ↔ tokens, words and sentences of one language."""

    def __init__(self, vocab: Path, merges: Path, text: TextParams) -> None:
        """Read the tables as `Tokenizer` does."""
        super().__init__(vocab, merges)
        self.text = text

    def words(self, tokens: list[int]) -> list[Word]:
        """Return the words of the text of `tokens`, together covering every token once."""
        return words_of(self.pieces(tokens), self.text.words)

    def sentence_is_over(self, content: bytes) -> bool:
        """Return whether the text's first sentence is over: another or a break has begun."""
        return first_sentence(content, self.text.language) is not None

    def sentence_length(self, tokens: list[int]) -> int:
        """Return how many of `tokens` make up the first sentence: all, when none ends."""
        return sentence_length(self.pieces(tokens), self.text.language)
