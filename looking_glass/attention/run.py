"""What the stages `choose` and `attention` do, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention import cause_tables as causes
from looking_glass.attention import memory, tables
from looking_glass.attention.agreement import agreement_table, controls
from looking_glass.attention.contexts import Case, draw_cases, seen_by
from looking_glass.attention.interventions import single
from looking_glass.attention.measures import (
    IN_BLOCK,
    IN_MODEL,
    measure,
    measure_cases,
    of_block,
)
from looking_glass.attention.params import AttentionParams
from looking_glass.attention.redrawn import redrawn
from looking_glass.attention.traced import TracedSentence, block_arrays, word_arrays
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.pipeline.memory import require
from looking_glass.text.corpus import Corpus, Tokens
from looking_glass.text.reader import Reader
from looking_glass.text.sample import MOST, sample_runs
from looking_glass.text.tokenizer import Tokenizer

TOKENS_A_WORD = 5  # of held-out text for each word asked for, where a text is long
Arrays = dict[str, npt.NDArray[Any]]
Tables = dict[str, pd.DataFrame]


def draw(
    model: GPT,
    tokenizer: Reader,
    text: Tokens,
    params: AttentionParams,
    compute: ComputeParams,
) -> tuple[list[Case], torch.Generator]:
    """Return the cases over which explanations are judged: the same ones for every stage.

    The generator that drew them goes with them, for whatever chance is asked next.
    """
    generator = torch.Generator().manual_seed(params.seed)
    runs = sample_runs(text, max(MOST, TOKENS_A_WORD * params.contexts * params.context_words))
    cases = []
    for index, run in enumerate(runs):
        share = params.contexts // len(runs) + (index < params.contexts % len(runs))
        if share:
            cases += draw_cases(
                model,
                tokenizer,
                run,
                n=share,
                n_words=params.context_words,
                generator=generator,
                compute=compute,
            )
    return cases, generator


def check_memory(
    model: GPT,
    sentences: Sequence[TracedSentence],
    cases: Sequence[Case],
    params: AttentionParams,
    compute: ComputeParams,
) -> None:
    """Raise `InputError` when memory will not suffice for what stage `choose` does of these."""
    needs = memory.moments(
        model.config,
        [one.case.length for one in sentences],
        [one.length for one in cases],
        n_words=params.context_words,
        threads=compute.threads,
    )
    require(needs, model.device, stage="choose", keys=memory.KEYS)


def choice_tables(
    model: GPT, tokenizer: Tokenizer, sentence: TracedSentence, corpus: Corpus
) -> Tables:
    """Return the tables about one sentence that are the same whichever block is looked at."""
    everywhere = range(model.config.n_layer)
    last_logits = model(sentence.choices.contexts)[0, -1].cpu()
    return {
        "alternatives": causes.alternatives(last_logits, tokenizer),
        "blocks": tables.block_table(model, sentence),
        "parts": causes.part_table(model, sentence.choices),
        "provenance": causes.provenance_table(sentence.sentence, corpus.train, tokenizer),
        "removals": pd.concat(
            [
                causes.removal_table(model, sentence, everywhere, "all blocks", tokenizer),
                causes.removal_table(
                    model, sentence, everywhere, "every row", tokenizer, every_row=True
                ),
            ]
        ),
    }


def choice_arrays(
    model: GPT,
    sentences: Sequence[TracedSentence],
    cases: list[Case],
    matched: Tensor,
    compute: ComputeParams,
    generator: torch.Generator,
) -> Arrays:
    """Return what is measured once for all blocks: of each sentence and of the drawn cases.

    Of sentence n: its `tokens` (T,), the arrays of `word_arrays`, and every measure by token and by
    word; of the cases every measure by word (N, …), as they are and `redrawn`: those of a model
    that learned nothing, asked about the same choices.
    """
    found: dict[str, Tensor] = {}
    for number, one in enumerate(sentences, start=1):
        found[f"prompt_{number}.tokens"] = torch.tensor(one.sentence.tokens)
        for kind, spans in (("token", single(one.case.length)), ("word", one.spans)):
            for name, values in measure(model, one.choices, spans, matched).items():
                found[f"prompt_{number}.{kind}.{name}"] = values
        for name, values in word_arrays(model, one).items():
            found[f"prompt_{number}.{name}"] = values
    measured = measure_cases(model, cases, matched, compute)
    found |= {f"contexts.{name}": values for name, values in measured.items()}
    other = redrawn(model, generator)
    measured = measure_cases(other, seen_by(other, cases, compute), matched, compute)
    found |= {f"redrawn.{name}": values for name, values in measured.items()}
    return {name: values.cpu().numpy() for name, values in found.items()}


def kept(arrays: Mapping[str, npt.NDArray[Any]], of: str) -> dict[str, Tensor]:
    """Return the measures that `choice_arrays` made of sentence or cases `of`, by name."""
    names = [f"{of}.{name}" for name in (*IN_BLOCK, *IN_MODEL)]
    return {name.removeprefix(f"{of}."): torch.from_numpy(arrays[name]) for name in names}


def block_tables(
    model: GPT,
    tokenizer: Tokenizer,
    sentence: TracedSentence,
    block: int,
    once: Mapping[str, npt.NDArray[Any]],
    number: int,
) -> Tables:
    """Return every table about one block and one sentence; `once` is from `choice_arrays`."""
    choices, spans = sentence.choices, sentence.spans
    by_token, by_word = (
        {
            name: values[None]
            for name, values in of_block(kept(once, f"prompt_{number}.{kind}"), block).items()
        }
        for kind in ("token", "word")
    )
    tokens = tables.token_table(sentence, block, by_token)
    added = causes.added_by_head(model, choices, block)
    heads = tables.head_table(sentence, block, causes.by_head(model, choices, block), added)
    knocked = causes.by_head(model, choices, block, spans)
    return {
        "tokens": tokens,
        "words": tables.word_table(sentence, tokens, by_word),
        "heads": heads,
        "head_words": tables.head_word_table(sentence, heads, knocked),
        "rows": tables.row_table(sentence, block),
        "measures": causes.measure_table(by_token, by_word, sentence.words),
        "removals": causes.removal_table(model, sentence, [block], "this block", tokenizer),
    }


def block_agreement(
    block: int, once: Mapping[str, npt.NDArray[Any]], generator: torch.Generator
) -> pd.DataFrame:
    """Return how a block's attention agrees with what was measured of the drawn cases."""
    measured = of_block(kept(once, "contexts"), block)
    other = torch.from_numpy(once["redrawn.attention"])[:, block]
    return agreement_table(measured, controls(measured["attention"], other, generator))


def block_details(
    block: int,
    explained: Tables,
    trust: pd.DataFrame,
    cases: list[Case],
    kept_share: dict[str, float],
) -> dict[str, Any]:
    """Return the block's numbers: of the first sentence, and over the drawn cases."""
    return {
        "block": block,
        "context_words": len(cases[0].words),
        **tables.metrics(explained["rows"], explained["words"], trust, len(cases)),
        "pattern_kept": kept_share,
    }


def pattern_arrays(sentences: Sequence[TracedSentence], block: int) -> Arrays:
    """Return a block's patterns of each sentence, by token and by word."""
    return {
        f"prompt_{number}.{name}": values.numpy()
        for number, one in enumerate(sentences, start=1)
        for name, values in block_arrays(one, block).items()
    }


def by_prompt(found: Sequence[Tables]) -> Tables:
    """Return the tables of several sentences as one of each name, with the prompt's number."""
    joined: Tables = {}
    for name in found[0]:
        for number, one in enumerate(found, start=1):
            one[name].insert(0, "prompt", number)
        joined[name] = pd.concat([one[name] for one in found])
    return joined
