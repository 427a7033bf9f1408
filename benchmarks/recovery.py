"""The tokens of held-out sentences, from the model's states, and from its distributions alone.

    python -m benchmarks.recovery data/model                go on with benchmarks/recovery.csv
    python -m benchmarks.recovery data/model --seen 1 6 distributions
    python -m benchmarks.recovery data/model --summary      what the table says

A row of the table is a sentence and what was seen of it: the states after so many blocks, or the
distributions of the next token. Rows that are there are kept.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.inversion.recovery import recover, recover_from_log_probs, states_of
from looking_glass.pipeline.artifacts import write_csv
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader

TABLES = Path("data/encoder.json"), Path("data/vocab.bpe")
TABLE = Path(__file__).parent / "recovery.csv"
DISTRIBUTIONS = "distributions"
KEY = ["model", "seen", "sentence"]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, metavar="DIR")
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--seen", nargs="+", help="blocks, and 'distributions'; all when left out")
    parser.add_argument("--summary", action="store_true")
    arguments = parser.parse_args()

    prepare(load_section(ComputeParams, "compute").model_copy(update={"threads": 1}))
    if not arguments.summary:
        model = load_checkpoint(arguments.model)
        blocks = [str(n) for n in range(1, model.config.n_layer + 1)]
        measure(arguments, model, arguments.seen or [*blocks, DISTRIBUTIONS])
    print(summary(pd.read_csv(TABLE, dtype={"seen": str})).to_string())


def held_out_sentences(n: int, block_size: int) -> Iterator[list[int]]:
    """Return the first `n` sentences of the held-out text that fit in the block."""
    tokens = read_corpus(Path("data/tokens")).val.tolist()
    reader = Reader(*TABLES, load_section(TextParams, "text"))
    start = found = 0
    while found < n and start < len(tokens):
        length = reader.sentence_length(tokens[start : start + block_size + 1])
        if length <= block_size:
            yield tokens[start : start + length]
            found += 1
        start += length


def measure(arguments: argparse.Namespace, model: GPT, wanted: list[str]) -> None:
    """Add the rows that the table lacks."""
    table = pd.read_csv(TABLE, dtype={"seen": str}) if TABLE.exists() else pd.DataFrame()
    there = set(map(tuple, table[KEY].to_numpy())) if len(table) else set()
    sentences = list(held_out_sentences(arguments.sentences, model.config.block_size))
    for seen in wanted:
        for number, tokens in enumerate(sentences):
            key = (arguments.model.name, seen, number)
            if key not in there:
                row = dict(zip(KEY, key, strict=True)) | recovered(
                    model, torch.tensor(tokens), seen
                )
                table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
                write_csv(TABLE, table)


def recovered(model: GPT, tokens: Tensor, seen: str) -> dict[str, Any]:
    """Return how the tokens (T,) were found again from what was seen of them."""
    with torch.no_grad():
        if seen == DISTRIBUTIONS:
            shown = model(tokens[None])[0].log_softmax(dim=-1)
        else:
            shown = states_of(model, tokens, int(seen))
    began = time.process_time()
    if seen == DISTRIBUTIONS:
        found = recover_from_log_probs(model, shown)
    else:
        found = recover(model, shown, n_blocks=int(seen))
    right = sum(a == b for a, b in zip(found.tokens, tokens.tolist(), strict=True))
    return {
        "tokens": len(tokens),
        "right": right,
        "tried": sum(found.tried),
        "most_tried": max(found.tried),
        "largest_distance": max(found.distances),
        "smallest_next": min(found.next_best),
        "seconds": round(time.process_time() - began, 2),
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each thing seen: sentences, how many exact, candidates a token, seconds."""
    table = table.assign(exact=table["right"] == table["tokens"])
    rows = table.groupby(["model", "seen"]).agg(
        sentences=("exact", "size"),
        exact=("exact", "sum"),
        tokens=("tokens", "sum"),
        right=("right", "sum"),
        tried=("tried", "sum"),
        most_tried=("most_tried", "max"),
        largest_distance=("largest_distance", "max"),
        smallest_next=("smallest_next", "min"),
        seconds=("seconds", "sum"),
    )
    rows.insert(5, "tried_a_token", rows.pop("tried") / rows["tokens"])
    return rows


if __name__ == "__main__":
    main()
