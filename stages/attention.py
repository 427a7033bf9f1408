"""Show what a block attended to when the model chose the 11th word; test whether it mattered."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from looking_glass import attention_tables as tables
from looking_glass.agreement import (
    agreement_table,
    measure,
    sample_contexts,
    what_the_pattern_keeps,
)
from looking_glass.artifacts import whole_directory, write_csv, write_json, write_tensors
from looking_glass.attention import (
    AttentionParams,
    BlockName,
    block_index,
    continue_prompt,
    trace,
    word_pattern,
)
from looking_glass.causes import choose, knock_outs, loss_without
from looking_glass.compute import ComputeParams, prepare, side_by_side
from looking_glass.corpus import read_corpus
from looking_glass.errors import InputError, run_stage
from looking_glass.model import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.params import load_section
from looking_glass.tokenizer import Tokenizer

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
SHARES = 8  # of the contexts, worked on side by side


def main() -> None:
    """Write the block's full pattern, its two rows by token and by word, and their knock-outs."""
    name = block_name(sys.argv[1:])
    params, compute = (
        load_section(AttentionParams, "attention"),
        load_section(ComputeParams, "compute"),
    )
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    sentence = continue_prompt(model, tokenizer, params.prompt)
    block = block_index(name, model.config.n_layer)
    traced = trace(model, torch.tensor([sentence.tokens], device=model.device))
    heads = traced.patterns[block][0].cpu()  # (nh, T, T)
    mean = heads.mean(dim=0)  # (T, T)
    by_word = word_pattern(mean, sentence.words)  # (W, W)

    corpus = read_corpus(TOKENS)
    matched = tables.match_tokens(corpus, tokenizer).to(model.device)
    seen = torch.tensor([sentence.tokens[: sentence.predicting + 1]], device=model.device)
    choices = choose(model, seen)
    tokens, words = tables.row_tables(sentence, tokenizer, mean, by_word)
    tokens = tables.causal_table(tokens, measure(model, choices, block, matched))
    removed = knock_outs(model, choices, [block], sources=tables.word_spans(sentence))
    words["knock_out"] = tables.effects(removed[0], words)
    log_probs = traced.logits[0, sentence.predicting].log_softmax(dim=-1).cpu()

    generator = torch.Generator().manual_seed(params.seed)
    drawn = sample_contexts(corpus.val, params.contexts, seen.shape[1], generator)
    many = choose(model, drawn.to(model.device))
    measured = side_by_side(
        lambda share: measure(model, share, block, matched), many.chunk(SHARES), compute
    )
    joined = {name: torch.cat([share[name] for share in measured]) for name in measured[0]}
    trust = agreement_table(joined, generator)
    kept = what_the_pattern_keeps(model, many, block, generator)

    with whole_directory(Path("data/attention") / name) as directory:
        arrays = {"pattern": heads.numpy(), "words": by_word.numpy()}
        write_tensors(directory / "pattern.safetensors", arrays)
    reports = Path("reports/attention") / name
    write_csv(reports / "tokens.csv", tokens)
    write_csv(reports / "heads.csv", tables.head_table(model, choices, block, tokenizer))
    write_csv(reports / "parts.csv", tables.part_table(model, choices))
    write_csv(reports / "agreement.csv", trust)
    source = tables.provenance_table(sentence, corpus.train, tokenizer)
    write_csv(reports / "provenance.csv", source)
    write_csv(reports / "words.csv", words)
    write_csv(reports / "alternatives.csv", tables.alternatives(log_probs, tokenizer))
    write_json(
        Path("metrics") / f"attention_{name}.json",
        {
            **tables.measure(sentence, mean, words, block, float(log_probs[sentence.chosen].exp())),
            "contexts": params.contexts,
            "agreement": tables.agreement_metrics(trust),
            "pattern_kept": kept,
            "val_loss_without": {
                "attention": loss_without(model, corpus.val, block, "attn"),
                "mlp": loss_without(model, corpus.val, block, "mlp"),
            },
        },
    )


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
