"""Sample sentences from the model, and say how probable it finds them and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from looking_glass.likelihood import tables as tables
from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.likelihood.calibration import expected_calibration_error, reliability
from looking_glass.pipeline.compute import ComputeParams, prepare, side_by_side
from looking_glass.text.corpus import Tokens, read_corpus
from looking_glass.gpt.decoding import DIGITS, Drawn, draw_sentences
from looking_glass.pipeline.errors import run_stage
from looking_glass.likelihood.scores import Scores, score, total, word_starters
from looking_glass.gpt.model import GPT, MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.pipeline.params import load_section
from looking_glass.likelihood.sentences import (
    LogprobParams,
    Sentence,
    has_ended,
    held_out,
    prompt_tokens,
    sentence_length,
    shuffled,
    users_sentences,
)
from looking_glass.text.tokenizer import Tokenizer

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
METRICS, TABLES = Path("metrics/logprob.json"), Path("data/tables/logprob")
SHOWN = 12  # sampled sentences that are compared with the book
SHARE = 250  # sentences drawn side by side: the more, the fewer passes over the output layer


def main() -> None:
    """Write what the model says of each sentence, of a thousand sampled ones, and of the book."""
    params = load_section(LogprobParams, "logprob")
    compute = load_section(ComputeParams, "compute")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    corpus = read_corpus(TOKENS)
    begins_word = word_starters(tokenizer.token_bytes())
    prompt = prompt_tokens(tokenizer, params, model.config.block_size)
    yours = users_sentences(tokenizer, params)

    generator = torch.Generator().manual_seed(params.seed)
    size = (params.samples, params.max_tokens, DIGITS)
    uniforms = torch.rand(size, generator=generator, dtype=torch.double)
    drawn = draw_all(model, tokenizer, prompt, uniforms, params, compute)
    samples = tables.sample_table(drawn, tokenizer)
    sampled = Sentence(name="sampled", tokens=drawn[0].tokens[: samples["tokens"].iloc[0]])
    others = compared(model, tokenizer, prompt, sampled, corpus.val, params)
    sentences = [sampled, *others, *yours]

    def scores_of(context: Sequence[int], tokens: Sequence[int]) -> Scores:
        return score(model, context, tokens, stride=params.stride, begins_word=begins_word)

    scored = [
        tables.Scored(sentence=sentence, scores=scores_of(prompt, sentence.tokens))
        for sentence in sentences
    ]
    own = scores_of(prompt, sampled.tokens)
    recorded = drawn[0].log_probs[: len(sampled.tokens)]
    assert torch.allclose(own.log_probs, recorded, rtol=0, atol=1e-5), "rescoring disagrees"
    # Drawn on after its end, with the same numbers: long enough to show what a product comes to.
    (whole,) = draw(model, tokenizer, prompt, uniforms[:1], params, on=True)
    text = corpus.val.tolist()
    book = scores_of(text[:1], text[1:])
    bins = reliability(book.largest.exp(), book.ranks == 1, params.bins)

    after_space = params.prompt[-1:].isspace()
    words = [tables.word_table(one, tokenizer, after_space=after_space) for one in scored]
    details = {
        "tokens": len(sampled.tokens),
        "unscored_prompt_tokens": len(prompt),
        **asdict(total(own.log_probs, tokenizer.n_bytes(sampled.tokens))),
        "sampling_nats": float(samples["sampling_nats"].iloc[0]),
        "samples": tables.sample_metrics(samples),
        "calibration": {
            "tokens": len(text) - 1,
            "nats_per_token": -float(book.log_probs.double().mean()),
            "accuracy": float((book.ranks == 1).double().mean()),
            "confidence": float(book.largest.double().exp().mean()),
            "expected_calibration_error": expected_calibration_error(bins),
        },
    }
    with whole_directory(TABLES) as directory:
        write_csv(directory / "samples.csv", samples)
        copied = tables.verbatim_table(drawn[:SHOWN], tokenizer, corpus.train)
        write_csv(directory / "verbatim.csv", copied)
        rows = [tables.token_table(one, tokenizer) for one in scored]
        write_csv(directory / "tokens.csv", pd.concat(rows))
        write_csv(directory / "words.csv", pd.concat(words))
        ranked = tables.sentence_table(scored, pd.concat(words), tokenizer)
        write_csv(directory / "sentences.csv", ranked)
        write_csv(directory / "product.csv", tables.product_table(whole.log_probs))
        write_csv(directory / "calibration.csv", bins)
        write_json(directory / "details.json", details)
    write_json(METRICS, tables.summary(details))
    print(f"{tokenizer.decode(sampled.tokens)!r}: {float(own.log_probs.double().sum()):.2f} nats")


def draw(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: list[int],
    uniforms: Tensor | None,
    params: LogprobParams,
    *,
    on: bool = False,
) -> list[Drawn]:
    """Draw sentences as the parameters say: until each ends, or `on` to the last token."""
    pieces = tokenizer.decode_each(list(range(tokenizer.vocab_size)))
    ended = (lambda _text: False) if on else has_ended
    return draw_sentences(
        model, prompt, uniforms, params.sampling, pieces, ended, params.max_tokens
    )


def draw_all(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: list[int],
    uniforms: Tensor,
    params: LogprobParams,
    compute: ComputeParams,
) -> list[Drawn]:
    """Draw a sentence for each row of numbers, shares of them side by side."""
    shares = [uniforms[start : start + SHARE] for start in range(0, len(uniforms), SHARE)]
    drawn = side_by_side(
        lambda share: draw(model, tokenizer, prompt, share, params), shares, compute
    )
    return [one for share in drawn for one in share]


def compared(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: list[int],
    sampled: Sentence,
    text: Tokens,
    params: LogprobParams,
) -> list[Sentence]:
    """Return the sentences that `logprob.compare` names, beside the sampled one: each once."""
    found = []
    for name in dict.fromkeys(params.compare):
        if name == "greedy":
            (drawn,) = draw(model, tokenizer, prompt, None, params)
            n = max(1, sentence_length(tokenizer.decode_each(drawn.tokens)))
            found.append(Sentence(name=name, tokens=drawn.tokens[:n]))
        elif name == "shuffled":
            words = tokenizer.decode(sampled.tokens)
            found.append(shuffled(tokenizer, params.prompt, words, params.seed))
        elif name == "held_out":
            found.append(held_out(tokenizer, text))
    return found


if __name__ == "__main__":
    run_stage(main)
