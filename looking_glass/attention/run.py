"""What the stages `choose` and `attention` do, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention import cause_tables as causes
from looking_glass.attention import tables
from looking_glass.attention.agreement import agreement_table, pattern_overlap, sample_contexts
from looking_glass.attention.choices import Choices, choose
from looking_glass.attention.measures import in_order, in_shares, measure_block, measure_model
from looking_glass.attention.params import AttentionParams
from looking_glass.attention.traced import TracedSentence, block_arrays, word_arrays
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.text.corpus import Corpus, Tokens
from looking_glass.text.tokenizer import Tokenizer

Arrays = dict[str, npt.NDArray[Any]]
Tables = dict[str, pd.DataFrame]


def draw_contexts(
    model: GPT, sentences: Sequence[TracedSentence], text: Tokens, params: AttentionParams
) -> tuple[Choices, torch.Generator]:
    """Return the model's choices after contexts drawn from `text`, as long as the first sentence's.

    The generator that drew them goes with them, for whatever chance is asked next.
    """
    generator = torch.Generator().manual_seed(params.seed)
    length = sentences[0].choices.contexts.shape[1]
    drawn = sample_contexts(text, params.contexts, length, generator)
    return choose(model, drawn.to(model.device)), generator


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
        "removals": causes.removal_table(model, sentence, everywhere, "all blocks", tokenizer),
    }


def choice_arrays(
    model: GPT,
    sentences: Sequence[TracedSentence],
    contexts: Choices,
    matched: Tensor,
    compute: ComputeParams,
) -> Arrays:
    """Return what is measured once for all blocks: of each sentence and of the drawn contexts.

    Of sentence n: its `tokens` (T,), the arrays of `word_arrays`, and the measures of
    `measure_model` by token and by word; of the contexts the same measures (N, S).
    """
    found: dict[str, Tensor] = {}
    for number, one in enumerate(sentences, start=1):
        found[f"prompt_{number}.tokens"] = torch.tensor(one.sentence.tokens)
        for kind, spans in (("token", None), ("word", one.spans)):
            for name, values in measure_model(model, one.choices, matched, spans).items():
                found[f"prompt_{number}.{kind}.{name}"] = values
        for name, values in word_arrays(model, one).items():
            found[f"prompt_{number}.{name}"] = values
    measured = in_shares(lambda share: measure_model(model, share, matched), contexts, compute)
    found |= {f"contexts.{name}": values for name, values in measured.items()}
    return {name: values.cpu().numpy() for name, values in found.items()}


def kept(arrays: Mapping[str, npt.NDArray[Any]], of: str) -> dict[str, Tensor]:
    """Return the measures that `choice_arrays` made of sentence or contexts `of`, by name."""
    names = [name for name in arrays if name.startswith(f"{of}.")]
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
    by_token = in_order(measure_block(model, choices, block), kept(once, f"prompt_{number}.token"))
    by_word = in_order(
        measure_block(model, choices, block, spans), kept(once, f"prompt_{number}.word")
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
    model: GPT,
    contexts: Choices,
    block: int,
    once: Mapping[str, npt.NDArray[Any]],
    generator: torch.Generator,
    compute: ComputeParams,
) -> pd.DataFrame:
    """Return how a block's attention agrees with its causes over the drawn contexts."""
    measured = in_shares(lambda share: measure_block(model, share, block), contexts, compute)
    return agreement_table(in_order(measured, kept(once, "contexts")), generator)


def block_details(
    model: GPT,
    block: int,
    explained: Tables,
    trust: pd.DataFrame,
    contexts: Choices,
    generator: torch.Generator,
) -> dict[str, Any]:
    """Return the block's numbers: of the first sentence, and over the drawn contexts."""
    return {
        "block": block,
        **tables.metrics(explained["rows"], explained["words"], trust, len(contexts.contexts)),
        "pattern_kept": pattern_overlap(model, contexts, block, generator),
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
