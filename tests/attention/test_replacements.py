"""What stands in for a token: of its kind, about as frequent, and of the text."""

from __future__ import annotations

import numpy as np
import torch

from looking_glass.attention.replacements import match_tokens, matched_tokens
from looking_glass.text.corpus import Corpus
from looking_glass.text.tokenizer import Tokenizer


def test_a_token_is_matched_within_its_kind_by_frequency() -> None:
    counts = torch.tensor([10, 9, 50, 48, 0, 7])
    kinds = ["a", "b", "a", "b", "a", "c"]
    matched = matched_tokens(counts, kinds).tolist()
    assert matched[0] == 4, "10 and 0 of its kind are nearer than 10 and 50"
    assert matched[2] == 0
    assert matched[3] == 1
    assert matched[5] == 1, "alone in its kind: the nearest of any"
    assert all(other != token for token, other in enumerate(matched))


def test_tokens_are_matched_among_those_of_the_training_text(tokenizer: Tokenizer) -> None:
    text = np.array(tokenizer.encode(" cat dog dog bird , , , ; ;"), dtype=np.uint16)
    corpus = Corpus(train=text, val=text, vocab_size=50_257, val_bytes=1)
    matched = match_tokens(corpus, tokenizer)
    seen = set(text.tolist())
    assert {int(matched[token]) for token in seen} <= seen
    assert all(int(matched[token]) != token for token in seen)
    assert int(matched[777]) == 777
