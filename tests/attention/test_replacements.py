"""What stands in for a token: of its kind, about as frequent, and of the text."""

from __future__ import annotations

import numpy as np
import torch

from looking_glass.attention.replacements import match_tokens, matched_tokens
from looking_glass.text.corpus import Corpus
from looking_glass.text.reader import Reader


def corpus_of(tokenizer: Reader, text: str) -> Corpus:
    tokens = np.array(tokenizer.encode(text), dtype=np.uint16)
    return Corpus(train=tokens, val=tokens, vocab_size=50_257, val_bytes=1)


def one(tokenizer: Reader, text: str) -> int:
    (token,) = tokenizer.encode(text)
    return token


def test_a_token_is_matched_within_its_kind_by_frequency() -> None:
    counts = torch.tensor([10, 9, 50, 48, 0, 7])
    kinds = ["a", "b", "a", "b", "a", "c"]
    matched = matched_tokens(counts, kinds).tolist()
    assert matched[0] == 4, "10 and 0 of its kind are nearer than 10 and 50"
    assert matched[2] == 0
    assert matched[3] == 1
    assert matched[5] == 1, "alone in its kind: the nearest of any"
    assert all(other != token for token, other in enumerate(matched))


def test_tokens_are_matched_among_those_of_the_training_text(tokenizer: Reader) -> None:
    text = " cat dog dog bird , , , ; ;"
    matched = match_tokens(corpus_of(tokenizer, text), tokenizer)
    seen = set(tokenizer.encode(text))
    assert {int(matched[token]) for token in seen} <= seen
    assert all(int(matched[token]) != token for token in seen)


def test_of_two_tokens_each_stands_in_for_the_other(tokenizer: Reader) -> None:
    matched = match_tokens(corpus_of(tokenizer, " cat dog dog"), tokenizer)
    cat, dog = one(tokenizer, " cat"), one(tokenizer, " dog")
    assert matched[[cat, dog]].tolist() == [dog, cat]


def test_an_unseen_token_gets_the_rarest_seen_one_of_its_kind(tokenizer: Reader) -> None:
    text = " cat cat cat dog bird bird , , ;"
    matched = match_tokens(corpus_of(tokenizer, text), tokenizer)
    assert int(matched[one(tokenizer, " tea")]) == one(tokenizer, " dog")
    assert int(matched[one(tokenizer, " !")]) == one(tokenizer, " ;")
    unmet = one(tokenizer, " Alice")  # no title of the text could stand in
    assert int(matched[unmet]) == unmet


def test_a_text_of_one_token_has_a_stand_in_for_all_of_its_kind_but_itself(
    tokenizer: Reader,
) -> None:
    matched = match_tokens(corpus_of(tokenizer, " cat cat cat"), tokenizer)
    cat, tea, alice = (one(tokenizer, text) for text in (" cat", " tea", " Alice"))
    assert matched[[cat, tea, alice]].tolist() == [cat, cat, alice]


def test_a_text_of_no_token_has_none(tokenizer: Reader) -> None:
    matched = match_tokens(corpus_of(tokenizer, ""), tokenizer)
    assert torch.equal(matched, torch.arange(50_257))
