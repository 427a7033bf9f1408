"""Show what a block attended to when the model chose the 11th word; test whether it mattered."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention import tables as rows
from looking_glass.attention import cause_tables as causes
from looking_glass.attention.agreement import (
    agreement_table,
    measure,
    sample_contexts,
    what_the_pattern_keeps,
)
from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json, write_tensors
from looking_glass.attention.patterns import AttentionParams, BlockName, block_index
from looking_glass.pipeline.compute import ComputeParams, prepare, side_by_side
from looking_glass.text.corpus import Corpus, read_corpus
from looking_glass.pipeline.errors import InputError, run_stage
from looking_glass.attention.interventions import Choices, choose, loss_without
from looking_glass.gpt.model import GPT, MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.pipeline.params import load_section
from looking_glass.text.tokenizer import Tokenizer

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
SHARES = 8  # of the contexts, worked on side by side
Tables = dict[str, pd.DataFrame]


def main() -> None:
    """Write the block's patterns, rows and causes for each prompt, and their agreement."""
    name = block_name(sys.argv[1:])
    params = load_section(AttentionParams, "attention")
    compute = load_section(ComputeParams, "compute")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    block = block_index(name, model.config.n_layer)
    views = [rows.look(model, tokenizer, prompt) for prompt in params.prompts]
    corpus = read_corpus(TOKENS)
    matched = causes.match_tokens(corpus, tokenizer).to(model.device)
    explained = [explain(model, tokenizer, corpus, view, block, matched) for view in views]
    tables = {table: numbered([one[table] for one in explained]) for table in explained[0]}

    generator = torch.Generator().manual_seed(params.seed)
    length = views[0].choices.contexts.shape[1]
    drawn = sample_contexts(corpus.val, params.contexts, length, generator)
    many = choose(model, drawn.to(model.device))
    trust = agreement_table(measure_all(model, many, block, matched, compute), generator)

    with whole_directory(Path("data/attention") / name) as directory:
        kept = {
            f"prompt_{number}.{key}": array.numpy()
            for number, view in enumerate(views, start=1)
            for key, array in rows.arrays(model, view, block).items()
        }
        write_tensors(directory / "patterns.safetensors", kept)
    details = {
        "block": block,
        **rows.metrics(explained[0]["rows"], explained[0]["words"], trust, params.contexts),
        "pattern_kept": what_the_pattern_keeps(model, many, block, generator),
        "val_loss_without": {
            "attention": loss_without(model, corpus.val, block, "attn"),
            "mlp": loss_without(model, corpus.val, block, "mlp"),
        },
    }
    with whole_directory(Path("data/tables/attention") / name) as directory:
        for table, content in {**tables, "agreement": trust}.items():
            write_csv(directory / f"{table}.csv", content)
        write_json(directory / "details.json", details)
    write_json(Path("metrics") / f"attention_{name}.json", rows.summary(name, details))


def explain(
    model: GPT, tokenizer: Tokenizer, corpus: Corpus, view: rows.View, block: int, matched: Tensor
) -> Tables:
    """Return every table about one sentence."""
    choices, spans = view.choices, view.spans
    by_token = measure(model, choices, block, matched)
    by_word = measure(model, choices, block, matched, spans)
    tokens = rows.token_table(view, block, by_token)
    added = causes.added_by_head(model, choices, block)
    heads = rows.head_table(view, block, causes.by_head(model, choices, block), added)
    knocked = causes.by_head(model, choices, block, spans)
    return {
        "tokens": tokens,
        "words": rows.word_table(view, tokens, by_word),
        "heads": heads,
        "head_words": rows.head_word_table(view, heads, knocked),
        "rows": rows.row_table(view, block),
        "blocks": rows.block_table(model, view),
        "measures": causes.measure_table(by_token, by_word, view.words),
        "parts": causes.part_table(model, choices),
        "provenance": causes.provenance_table(view.sentence, corpus.train, tokenizer),
        "alternatives": causes.alternatives(model(choices.contexts)[0, -1].cpu(), tokenizer),
        "removals": causes.removal_table(model, choices, block, spans, view.words, tokenizer),
    }


def numbered(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return tables as one, with the number of the prompt of each row."""
    for number, table in enumerate(tables, start=1):
        table.insert(0, "prompt", number)
    return pd.concat(tables)


def measure_all(
    model: GPT, choices: Choices, block: int, matched: Tensor, compute: ComputeParams
) -> dict[str, Tensor]:
    """Return every measure of many choices, worked on side by side."""
    shares = side_by_side(
        lambda share: measure(model, share, block, matched), choices.chunk(SHARES), compute
    )
    return {name: torch.cat([share[name] for share in shares]) for name in shares[0]}


def block_name(arguments: list[str]) -> BlockName:
    """Return the block asked for on the command line."""
    match arguments:
        case ["first"]:
            return "first"
        case ["last"]:
            return "last"
    raise InputError(f"stages.attention: one argument, first or last, is required, got {arguments}")


if __name__ == "__main__":
    run_stage(main)
