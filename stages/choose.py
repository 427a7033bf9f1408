"""Let the model choose the 11th word of each prompt; find what the choice owes to each word."""

from __future__ import annotations

from pathlib import Path

from looking_glass.attention.continuation import continue_prompt
from looking_glass.attention.heads import head_habits
from looking_glass.attention.params import AttentionParams
from looking_glass.attention.replacements import match_tokens
from looking_glass.attention.run import (
    by_prompt,
    check_memory,
    choice_arrays,
    choice_tables,
    draw,
)
from looking_glass.attention.traced import trace_sentence
from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_tensors
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader
from looking_glass.text.sample import sample_runs

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
CHOICES, TABLES = Path("data/choices"), Path("data/tables/choose")


def main() -> None:
    """Write what is the same whichever block is looked at: `attention` goes on from it."""
    params = load_section(AttentionParams, "attention")
    compute = load_section(ComputeParams, "compute")
    text = load_section(TextParams, "text")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Reader(MODEL / VOCAB_FILE, MODEL / MERGES_FILE, text)
    continued = [continue_prompt(model, tokenizer, prompt) for prompt in params.prompts]
    sentences = [trace_sentence(model, tokenizer, one) for one in continued]
    corpus = read_corpus(TOKENS)
    matched = match_tokens(corpus, tokenizer).to(model.device)
    cases, generator = draw(model, tokenizer, corpus.val, params, compute)
    check_memory(model, sentences, cases, params, compute)

    explained = [choice_tables(model, tokenizer, one, corpus) for one in sentences]
    arrays = choice_arrays(model, sentences, cases, matched, compute, generator)
    with whole_directory(CHOICES) as directory:
        write_tensors(directory / "choices.safetensors", arrays)
    with whole_directory(TABLES) as directory:
        for name, table in by_prompt(explained).items():
            write_csv(directory / f"{name}.csv", table)
        write_csv(directory / "heads.csv", head_habits(model, sample_runs(corpus.val)))
    for one in sentences:
        print(f"{tokenizer.decode(one.sentence.tokens)!r}")


if __name__ == "__main__":
    run_stage(main)
