"""Find out exactly what each word was worth to a choice; hold every explanation against it."""

from __future__ import annotations

from pathlib import Path

from looking_glass.attention.continuation import continuation_of
from looking_glass.attention.params import AttentionParams
from looking_glass.attention.replacements import match_tokens
from looking_glass.attention.run import by_prompt, draw
from looking_glass.attention.sink import sink_table
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
from looking_glass.yardstick import run

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
CHOICES, VALUES = Path("data/choices/choices.safetensors"), Path("data/yardstick")
TABLES, METRICS = Path("data/tables/yardstick"), Path("metrics/yardstick.json")
BREAK = "\n\n"  # what is put before a context to see where a sink goes


def main() -> None:
    """Write every set's value, the words' exact worth, and how close each method comes."""
    params = load_section(AttentionParams, "attention")
    compute = load_section(ComputeParams, "compute")
    text = load_section(TextParams, "text")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Reader(MODEL / VOCAB_FILE, MODEL / MERGES_FILE, text)
    corpus, once = read_corpus(TOKENS), read_tensors(CHOICES)
    matched = match_tokens(corpus, tokenizer).to(model.device)
    cases, generator = draw(model, tokenizer, corpus.val, params, compute)

    values = run.all_values(model, cases, matched, compute)
    arrays = {f"contexts.{way}": one.numpy() for way, one in values.items()}
    sentences = []
    for number in range(1, len(params.prompts) + 1):
        tokens = continuation_of(tokenizer, once[f"prompt_{number}.tokens"].tolist())
        traced = trace_sentence(model, tokenizer, tokens)
        own, table = run.judge_sentence(model, traced.case, traced.words[:10], matched, compute)
        arrays |= {f"prompt_{number}.{way}": one[0].numpy() for way, one in own.items()}
        sentences.append({"words": table})
    methods = run.judge_methods(model, cases, values, matched, once, generator, compute)
    sink = sink_table(model, cases, tokenizer.encode_prompt(BREAK), compute)
    with whole_directory(VALUES) as directory:
        write_tensors(directory / "values.safetensors", arrays)
    with whole_directory(TABLES) as directory:
        write_csv(directory / "methods.csv", methods)
        write_csv(directory / "words.csv", by_prompt(sentences)["words"])
        write_csv(directory / "sink.csv", sink)
    write_json(METRICS, run.summary(methods))


if __name__ == "__main__":
    run_stage(main)
