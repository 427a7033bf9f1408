"""What the stage `logprob` does, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from looking_glass.gpt.decoding import Drawn, draw_sentences
from looking_glass.gpt.model import GPT
from looking_glass.gpt.sampling import DIGITS
from looking_glass.likelihood import tables
from looking_glass.likelihood.calibration import (
    error_by_chance,
    expected_calibration_error,
    reliability,
)
from looking_glass.likelihood.params import LogprobParams
from looking_glass.likelihood.scores import Scores, joined, score, total, word_starters
from looking_glass.likelihood.sentences import (
    Sentence,
    held_out,
    prompt_tokens,
    shuffled,
    users_sentences,
)
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.statistics import grouped_error
from looking_glass.text.corpus import Corpus, Tokens
from looking_glass.text.reader import Reader
from looking_glass.text.sample import MOST, Runs, n_tokens, sample_runs

SHOWN = 12  # sampled sentences that are compared with the book
SHARE = 250  # sentences drawn side by side: the more, the fewer passes over the output layer
RESCORED_WITHIN = 1e-5  # nats a token between recording while drawing and scoring afterwards
CALIBRATED = 200  # models that are right as often as they say, to see what chance makes of it


@dataclass(frozen=True, kw_only=True)
class Likelihoods:
    """What was sampled, scored and compared."""

    tables: dict[str, pd.DataFrame]
    details: dict[str, Any]
    sentence: str  # the first one sampled


def check_top_k(params: LogprobParams, vocab_size: int) -> None:
    """Raise `InputError` when more tokens are to be kept than there are."""
    if params.top_k is not None and params.top_k > vocab_size:
        raise InputError(
            f"logprob.top_k: at most the vocabulary, {vocab_size} tokens, is required, got "
            f"{params.top_k}: lower it, or write null for all"
        )


def sample_and_score(
    model: GPT, tokenizer: Reader, corpus: Corpus, params: LogprobParams, compute: ComputeParams
) -> Likelihoods:
    """Sample sentences; score the first, those it is compared with, and the held-out text."""
    begins_word = word_starters(tokenizer.token_bytes(), tokenizer.end_of_text)
    prompt = prompt_tokens(tokenizer, params, model.config.block_size)
    yours = users_sentences(tokenizer, params)

    def scores_of(
        context: Sequence[int], tokens: Sequence[int], stride: int = params.stride
    ) -> Scores:
        return score(model, context, tokens, stride=stride, begins_word=begins_word)

    generator = torch.Generator().manual_seed(params.seed)
    size = (params.samples, params.max_tokens, DIGITS)
    uniforms = torch.rand(size, generator=generator, dtype=torch.double)
    drawn = draw_all(model, tokenizer, prompt, uniforms, params, compute)
    samples = tables.sample_table(drawn, tokenizer)
    sampled = Sentence(name="sampled", tokens=drawn[0].tokens[: samples["tokens"].iloc[0]])
    others = compared(model, tokenizer, prompt, sampled, corpus.val, params)
    scored = [
        tables.Scored(sentence=sentence, scores=scores_of(prompt, sentence.tokens))
        for sentence in (sampled, *others, *yours)
    ]
    own = scores_of(prompt, sampled.tokens)
    assert as_recorded(own, drawn[0]), "rescoring disagrees"
    # Drawn on after its end, with the same numbers: long enough to show what a product comes to.
    (whole,) = draw_as_asked(model, tokenizer, prompt, uniforms[:1], params, past_the_end=True)
    held, block_size = sample_runs(corpus.val), model.config.block_size
    window, blocks = (
        joined([scores_of(run[:1].tolist(), run[1:].tolist(), n) for run in held])
        for n in (params.stride, block_size)
    )
    bins, calibration = calibrate(window, blocks, params, block_size)
    after_space = params.context[-1:].isspace()
    words = [tables.word_table(one, tokenizer, after_space=after_space) for one in scored]
    return Likelihoods(
        tables={
            "samples": samples,
            "verbatim": tables.verbatim_table(drawn[:SHOWN], tokenizer, corpus.train),
            "tokens": pd.concat([tables.token_table(one, tokenizer) for one in scored]),
            "words": pd.concat(words),
            "sentences": tables.sentence_table(scored, pd.concat(words), tokenizer),
            "product": tables.product_table(whole.log_probs),
            "calibration": bins,
        },
        details={
            "tokens": len(sampled.tokens),
            "vocab_size": model.config.vocab_size,
            "even_nats": math.log(model.config.vocab_size),  # a token, were all as probable
            "unscored_prompt_tokens": len(prompt),
            "words_corrected": tables.is_corrected(sampled.tokens, tokenizer),
            **asdict(total(own.log_probs, tokenizer.n_bytes(sampled.tokens))),
            "sampling_nats": float(samples["sampling_nats"].iloc[0]),
            "samples": tables.sample_metrics(samples),
            "calibration": calibration | part_of(held, corpus.val),
            "copied": tables.copied_shares(drawn[:SHOWN], tokenizer, corpus),
        },
        sentence=tokenizer.decode(sampled.tokens),
    )


def as_recorded(scores: Scores, drawn: Drawn) -> bool:
    """Return whether tokens that were drawn have the scores that they had then."""
    recorded = drawn.log_probs[: len(scores.log_probs)]
    return torch.allclose(scores.log_probs, recorded, rtol=0, atol=RESCORED_WITHIN)


def part_of(runs: Runs, text: Tokens) -> dict[str, int]:
    """Return how many tokens the whole text has, where what was read is a part of it."""
    return {"of_tokens": len(text)} if n_tokens(runs) < len(text) else {}


def calibrate(
    window: Scores, blocks: Scores, params: LogprobParams, block_size: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return how often the first choice was right over a text: by bins, and in all.

    `window` are the text's scores as the moved window reads it, `blocks` as blocks do that do not
    overlap. A standard error is over runs of a block's length; None of fewer than two.
    """
    confidence, right = window.largest.double().exp(), window.ranks == 1
    bins = reliability(confidence, right, params.bins)
    change = blocks.log_probs.double() - window.log_probs.double()
    generator = torch.Generator().manual_seed(params.seed)
    chance, most = error_by_chance(confidence, params.bins, draws=CALIBRATED, generator=generator)
    return bins, {
        "tokens": len(right),
        "nats_per_token": -float(window.log_probs.double().mean()),
        "window_change": float(change.mean()),
        "window_change_error": grouped_error(change, block_size),
        "accuracy": float(right.double().mean()),
        "confidence": float(confidence.mean()),
        "gap_error": grouped_error(confidence - right.double(), block_size),
        "expected_calibration_error": expected_calibration_error(bins),
        "calibration_error_by_chance": chance,
        "calibration_error_by_chance_95": most,
    }


def draw_as_asked(
    model: GPT,
    tokenizer: Reader,
    prompt: list[int],
    uniforms: Tensor | None,
    params: LogprobParams,
    *,
    past_the_end: bool = False,
) -> list[Drawn]:
    """Draw sentences as the parameters say: until each is seen to end, or to the last token."""
    pieces = tokenizer.token_bytes()
    ended = (lambda _text: False) if past_the_end else tokenizer.sentence_is_over
    return draw_sentences(
        model, prompt, uniforms, params.sampling, pieces, ended, params.max_tokens
    )


def draw_all(
    model: GPT,
    tokenizer: Reader,
    prompt: list[int],
    uniforms: Tensor,
    params: LogprobParams,
    compute: ComputeParams,
) -> list[Drawn]:
    """Draw a sentence for each row of numbers, shares of them side by side."""
    check_top_k(params, model.config.vocab_size)
    shares = [uniforms[start : start + SHARE] for start in range(0, len(uniforms), SHARE)]
    drawn = side_by_side(
        lambda share: draw_as_asked(model, tokenizer, prompt, share, params), shares, compute
    )
    return [one for share in drawn for one in share]


def compared(
    model: GPT,
    tokenizer: Reader,
    prompt: list[int],
    sampled: Sentence,
    text: Tokens,
    params: LogprobParams,
) -> list[Sentence]:
    """Return the sentences that `logprob.compare` names, beside the sampled one: each once.

    A sampled sentence that is white space alone has no words to shuffle.
    """
    found = []
    for name in dict.fromkeys(params.compare):
        if name == "greedy":
            (drawn,) = draw_as_asked(model, tokenizer, prompt, None, params)
            n = tokenizer.sentence_length(drawn.tokens)
            found.append(Sentence(name=name, tokens=drawn.tokens[:n]))
        elif name == "shuffled":
            words = tokenizer.decode(sampled.tokens)
            mixed = shuffled(tokenizer, params.context, words, params.seed)
            found += [mixed] if mixed else []
        elif name == "held_out":
            found.append(held_out(tokenizer, text[:MOST]))
    return found
