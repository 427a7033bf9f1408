"""A line's words, corrected and beside a trigram, are those of the stage `logprob`."""

from __future__ import annotations

import numpy as np
import pytest

from looking_glass.baselines.kneser_ney import KneserNey
from looking_glass.gpt.model import GPT
from looking_glass.likelihood.scores import score, word_starters, word_surprisals
from looking_glass.likelihood.sentences import continuation
from looking_glass.pipeline.errors import InputError
from looking_glass.scoring.lines import TextLine
from looking_glass.scoring.scored import Baseline, LineScorer, ScoredLine
from looking_glass.text.reader import Reader
from tests.helpers.cases import COMPUTE

TEXTS = ["The Hatter's walnut was late.", "I", "Curiouser and curiouser!"]


def scored(
    model: GPT, tokenizer: Reader, prompt: str, texts: list[str], trigram: Baseline | None = None
) -> list[ScoredLine]:
    lines = [TextLine(number=n, text=text) for n, text in enumerate(texts, start=1)]
    scorer = LineScorer(model, tokenizer, prompt, COMPUTE, stride=8, trigram=trigram)
    return scorer.score(lines)


@pytest.mark.parametrize("prompt", ["\n\n", "She said"])
def test_words_cost_what_they_cost_in_the_stage_logprob(
    tiny: GPT, tokenizer: Reader, prompt: str
) -> None:
    begins = word_starters(tokenizer.token_bytes(), tokenizer.end_of_text)
    for text, one in zip(TEXTS, scored(tiny, tokenizer, prompt, TEXTS), strict=True):
        tokens = continuation(tokenizer, prompt, text)
        context = tokenizer.encode_prompt(prompt)
        own = score(tiny, context, tokens, stride=8, begins_word=begins)
        found = word_surprisals(own, tokenizer.words(tokens), after_space=prompt == "\n\n")
        assert one.plain() == pytest.approx(found.plain, abs=1e-5)
        assert one.corrected() == pytest.approx(found.corrected, abs=1e-5)
        assert one.nats == pytest.approx(float(own.log_probs.sum()), abs=1e-5)
        assert one.corrected_nats == pytest.approx(-sum(found.corrected), abs=1e-5)
        assert (one.n_tokens, len(one.words)) == (len(tokens), len(text.split()))
        assert one.trigram_nats is None


def test_where_no_space_parts_words_nothing_is_corrected(tiny: GPT, tokenizer: Reader) -> None:
    (one,) = scored(tiny, tokenizer, "\n\n", ["我是松鼠"])
    assert one.corrected() == pytest.approx(one.plain())


def test_the_trigram_beside_it_scores_the_same_tokens_after_the_same_prompt(
    tiny: GPT, tokenizer: Reader
) -> None:
    text = tokenizer.encode("\n\nThe Hatter was late.\n\nThe walnut was late, and so was I.")
    trigram = KneserNey(text, order=3, vocab_size=50_257)
    found = scored(tiny, tokenizer, "\n\n", TEXTS, trigram.losses_after)
    for line, one in zip(TEXTS, found, strict=True):
        tokens = continuation(tokenizer, "\n\n", line)
        whole = [*tokenizer.encode_prompt("\n\n"), *tokens]
        start = len(whole) - len(tokens)
        expected = [np.log(trigram.prob(whole[:i], whole[i])) for i in range(start, len(whole))]
        assert one.trigram_nats == pytest.approx(sum(expected))
        of_words = one.by_trigram()
        assert of_words is not None
        assert of_words.sum() == pytest.approx(-sum(expected))


def test_a_prompt_or_a_stride_that_the_block_cannot_hold_is_refused(
    tiny: GPT, tokenizer: Reader
) -> None:
    for prompt in ("", "a " * 16):
        with pytest.raises(InputError, match=r"logprob.prompt: 1 to 15 tokens are required"):
            scored(tiny, tokenizer, prompt, TEXTS)
    with pytest.raises(InputError, match=r"logprob.stride: at most the block, 16 tokens"):
        LineScorer(tiny, tokenizer, "\n\n", COMPUTE, stride=17)
    with pytest.raises(InputError, match=r"line 1: logprob.prompt: it must end where a token"):
        scored(tiny, tokenizer, "\n\n", ["\n x"])
