"""Sample sentences from the model, and say how probable it finds them and others."""

from __future__ import annotations

from pathlib import Path

from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.likelihood.params import LogprobParams
from looking_glass.likelihood.run import sample_and_score
from looking_glass.likelihood.tables import summary
from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
METRICS, TABLES = Path("metrics/logprob.json"), Path("data/tables/logprob")


def main() -> None:
    """Write what the model says of each sentence, of a thousand sampled ones, and of the book."""
    params = load_section(LogprobParams, "logprob")
    compute = load_section(ComputeParams, "compute")
    text = load_section(TextParams, "text")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Reader(MODEL / VOCAB_FILE, MODEL / MERGES_FILE, text)
    found = sample_and_score(model, tokenizer, read_corpus(TOKENS), params, compute)
    with whole_directory(TABLES) as directory:
        for name, table in found.tables.items():
            write_csv(directory / f"{name}.csv", table)
        write_json(directory / "details.json", found.details)
    write_json(METRICS, summary(found.details))
    print(f"{found.sentence!r}: {found.details['nats']:.2f} nats")


if __name__ == "__main__":
    run_stage(main)
