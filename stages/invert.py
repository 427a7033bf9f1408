"""Learn input vectors that make the frozen model say the sentence, and check that it does."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint, weights_sha256
from looking_glass.inversion import run
from looking_glass.inversion.params import InvertParams
from looking_glass.inversion.tables import overall, reading_table
from looking_glass.pipeline.artifacts import (
    read_tensors,
    whole_directory,
    write_csv,
    write_json,
    write_tensors,
)
from looking_glass.pipeline.compute import ComputeParams, prepare, side_by_side
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.tokenizer import Tokenizer

MODEL, TOKENS, VECTORS = Path("data/model"), Path("data/tokens"), Path("data/inversion")
METRICS, TABLES = Path("metrics/invert.json"), Path("data/tables/invert")


def main() -> None:
    """Write the vectors of every sentence and reading, then judge them as they lie on disk."""
    params, compute = load_section(InvertParams, "invert"), load_section(ComputeParams, "compute")
    device = prepare(compute)
    model = load_checkpoint(MODEL, device)
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    wanted = run.targets_of(params, tokenizer, model.config.block_size)

    before = weights_sha256(model)
    found = run.optimise_all(model, wanted, params, compute)
    assert weights_sha256(model) == before, "the frozen model was changed"
    with whole_directory(VECTORS) as directory:
        for name, vectors in run.vectors_by_name(found).items():
            write_tensors(directory / f"{name}.safetensors", {"vectors": vectors})

    model = load_checkpoint(MODEL, device)
    saved = {name: {r: saved_vectors(name, r.name) for r in found[name]} for name in found}
    sentences = side_by_side(
        lambda name: run.assess(model, tokenizer, name, wanted[name], found[name], saved[name]),
        wanted,
        compute,
    )
    text = read_corpus(TOKENS).train
    tables = run.all_tables(model, tokenizer, sentences, text, params, compute)
    ceiling = run.ceiling_of(model, sentences[0])
    reached = run.reached_by(model, sentences[0], saved["sentence"], params, compute)
    tables |= {"ceiling": pd.DataFrame([ceiling]), "readings": reading_table(reached)}
    with whole_directory(TABLES) as directory:
        for name, table in tables.items():
            write_csv(directory / f"{name}.csv", table)
    write_json(METRICS, overall(ceiling["lowest_possible_loss"], reached))


def saved_vectors(name: str, reading: str) -> torch.Tensor:
    """Return one sentence's vectors in one reading as they lie on disk: (B, k, C)."""
    return torch.from_numpy(read_tensors(VECTORS / f"{name}_{reading}.safetensors")["vectors"])


if __name__ == "__main__":
    run_stage(main)
