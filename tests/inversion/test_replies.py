"""Real tokens in place of learned vectors: what is told of those that are fed."""

from __future__ import annotations

from looking_glass.inversion.replies import fed
from looking_glass.text.tokenizer import Tokenizer


def test_tokens_whose_text_is_read_as_others_are_known_by_their_ids(tokenizer: Tokenizer) -> None:
    assert fed(tokenizer, [40, 716]) == {"fed": "I am", "ids": "40 716", "read_as_such": 1}
    # "a" and "b" apart, which the encoder would read as one token.
    apart = fed(tokenizer, [64, 65])
    assert apart == {"fed": "ab", "ids": "64 65", "read_as_such": 0}
    assert fed(tokenizer, [12520])["read_as_such"] == 0, "half of a character"
