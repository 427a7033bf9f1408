"""Show what a block attended to when the model chose the 11th word; test whether it mattered."""

from __future__ import annotations

import sys
from pathlib import Path

from looking_glass.attention import run
from looking_glass.attention.agreement import pattern_overlap
from looking_glass.attention.continuation import continuation_of
from looking_glass.attention.params import AttentionParams, block_index, block_name
from looking_glass.attention.tables import summary
from looking_glass.attention.traced import trace_sentence
from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.pipeline.artifacts import (
    read_tensors,
    whole_directory,
    write_csv,
    write_json,
    write_tensors,
)
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader

MODEL, TOKENS, CHOICES = Path("data/model"), Path("data/tokens"), Path("data/choices")


def main() -> None:
    """Write the block's patterns, rows and causes for each prompt, and their agreement."""
    name = block_name(sys.argv[1:])
    params = load_section(AttentionParams, "attention")
    compute = load_section(ComputeParams, "compute")
    text = load_section(TextParams, "text")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Reader(MODEL / VOCAB_FILE, MODEL / MERGES_FILE, text)
    block, val = block_index(name, model.config.n_layer), read_corpus(TOKENS).val
    once = read_tensors(CHOICES / "choices.safetensors")
    numbers = range(1, len(params.prompts) + 1)
    tokens = [once[f"prompt_{number}.tokens"].tolist() for number in numbers]
    sentences = [trace_sentence(model, tokenizer, continuation_of(tokenizer, t)) for t in tokens]
    cases, generator = run.draw(model, tokenizer, val, params, compute)

    explained = [
        run.block_tables(model, tokenizer, sentence, block, once, number)
        for number, sentence in zip(numbers, sentences, strict=True)
    ]
    trust = run.block_agreement(block, once, generator)
    stays = pattern_overlap(model, cases, block, val, generator, compute)
    details = run.block_details(block, explained[0], trust, cases, stays)
    with whole_directory(Path("data/attention") / name) as directory:
        write_tensors(directory / "patterns.safetensors", run.pattern_arrays(sentences, block))
    with whole_directory(Path("data/tables/attention") / name) as directory:
        for table, content in {**run.by_prompt(explained), "agreement": trust}.items():
            write_csv(directory / f"{table}.csv", content)
        write_json(directory / "details.json", details)
    write_json(Path("metrics") / f"attention_{name}.json", summary(name, details))


if __name__ == "__main__":
    run_stage(main)
