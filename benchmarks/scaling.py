"""The loss against the size of the model and of the text, and power laws through it.

    python -m benchmarks.scaling                   train, fit and draw
    python -m benchmarks.scaling --from-csv        fit and draw what was measured before

Needs `data/tokens`. Models of four blocks and several widths learn from the whole training text,
and one of them from its last 1/16 to all of it, with the settings of params.yaml but for the
constants below. A run counts with its lowest held-out loss. Each size is the mean of the seeds.

The fit is L = (x₀ / x)^α by least squares of log L on log x, N without the token embeddings and
positions, D in tokens. Its interval is Student's, 95 %, of as many points as there are sizes: it
knows nothing of whether a power law is right, nor of which sizes were taken.

Sources: Kaplan et al. 2020, Scaling Laws for Neural Language Models (α 0.076 of N, 0.095 of D);
Hoffmann et al. 2022, Training Compute-Optimal Large Language Models (L = E + A / N^α + B / D^β).
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from looking_glass.gpt.config import ModelParams
from looking_glass.pipeline.artifacts import read_csv, write_csv
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import InputError, run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.report.figures.style import in_house_style
from looking_glass.text.corpus import Corpus, read_corpus
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training.begin import begin
from looking_glass.training.params import TrainParams

HERE = Path(__file__).parent
RUNS, FIGURE = HERE / "scaling.csv", HERE / "scaling.png"
BLOCKS, WIDTHS, MIDDLE = 4, (24, 48, 96, 144, 192), 96
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)  # of the training text; the whole is among the widths
STEPS, BATCH, EVERY = 200, 16, 40
# Two-sided 95 % points of Student's t by degrees of freedom.
STUDENT = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447}
AXES = {"N": "parameters without embeddings, thousands", "D": "tokens of text, thousands"}


@dataclass(frozen=True, kw_only=True)
class Law:
    """L = (scale / x)^exponent in nats a token, and how far the exponent may be off."""

    exponent: float
    margin: float  # half of the 95 % interval
    scale: float

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the losses at sizes x."""
        return (self.scale / x) ** self.exponent


KAPLAN = {
    "N": Law(exponent=0.076, margin=0.0, scale=8.8e13),
    "D": Law(exponent=0.095, margin=0.0, scale=5.4e13),
}


def hoffmann(parameters: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return the loss by the third approach of Hoffmann et al. 2022, whose N counts embeddings."""
    return 1.69 + 406.4 / parameters**0.34 + 410.7 / tokens**0.28


def main() -> None:
    """Measure or read the runs; print and draw the laws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--from-csv", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    if not arguments.from_csv:
        measure(arguments.seeds)
    if not RUNS.exists():
        raise InputError(f"{RUNS} is not there: run python -m benchmarks.scaling")
    runs = read_csv(RUNS)
    means = {axis: along(runs, axis) for axis in AXES}
    laws = {axis: fit(table[axis], table["val_loss"]) for axis, table in means.items()}
    for axis, law in laws.items():
        table = means[axis]
        print(
            f"{axis}: {len(table)} sizes, loss {table['val_loss'].max():.3f} to "
            f"{table['val_loss'].min():.3f}: exponent {law.exponent:.3f} ± {law.margin:.3f} "
            f"(95 %), Kaplan et al. {KAPLAN[axis].exponent}"
        )
    draw(runs, means, laws).savefig(FIGURE, dpi=110, metadata={"Software": None})


def measure(seeds: list[int]) -> None:
    """Train every size from every seed; write what came of it as soon as it is there."""
    prepare(load_section(ComputeParams, "compute"))
    corpus = read_corpus(Path("data/tokens"))
    token_bytes = Tokenizer(Path("data/encoder.json"), Path("data/vocab.bpe")).token_bytes()
    sizes = [(width, 1.0) for width in WIDTHS] + [(MIDDLE, share) for share in SHARES]
    rows = []
    for seed in seeds:
        for width, share in sizes:
            started = time.monotonic()
            rows.append(run(corpus, token_bytes, width, share, seed))
            print(rows[-1], f"{time.monotonic() - started:.0f} s", flush=True)
            write_csv(RUNS, pd.DataFrame(rows))


def run(
    corpus: Corpus, token_bytes: list[bytes], width: int, share: float, seed: int
) -> dict[str, float]:
    """Train one model; return its row of the table."""
    shape = load_section(ModelParams, "model").model_copy(
        update={"n_layer": BLOCKS, "n_embd": width, "n_head": 6}
    )
    params = load_section(TrainParams, "train").model_copy(
        update={"steps": STEPS, "batch_size": BATCH, "evaluate_every": EVERY, "seed": seed}
    )
    # The end of the text, which what is held out goes on from.
    part = replace(corpus, train=corpus.train[-round(share * len(corpus.train)) :])
    training = begin(shape, params, part, token_bytes)
    while training.done < STEPS:
        training.step()
        if training.done % EVERY == 0:
            training.evaluate()
    best = min(training.history, key=lambda losses: losses.val)
    every = sum(p.numel() for p in training.learner.model.parameters())
    return {
        "n_layer": BLOCKS,
        "n_embd": width,
        "N": 12 * BLOCKS * width**2,
        "parameters": every,
        "D": len(part.train),
        "seed": seed,
        "step": best.step,
        "val_loss": best.val,
    }


def along(runs: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the mean loss by size along an axis, the other one at its own."""
    other = runs["D"].max() if axis == "N" else MIDDLE
    kept = runs[runs["D" if axis == "N" else "n_embd"] == other]
    return (
        kept.groupby([axis, "parameters", "D"] if axis == "N" else [axis, "parameters"])["val_loss"]
        .mean()
        .reset_index()
    )


def fit(sizes: pd.Series, losses: pd.Series) -> Law:
    """Return the power law through the points, by least squares of the logarithms."""
    x, y = np.log(sizes.to_numpy(float)), np.log(losses.to_numpy(float))
    n, spread = len(x), ((x - x.mean()) ** 2).sum()
    slope = float(((x - x.mean()) * y).sum() / spread)
    height = float(y.mean() - slope * x.mean())
    left = float(((y - height - slope * x) ** 2).sum())
    margin = STUDENT[n - 2] * math.sqrt(left / (n - 2) / spread)
    return Law(exponent=-slope, margin=margin, scale=math.exp(-height / slope))


@in_house_style
def draw(runs: pd.DataFrame, means: dict[str, pd.DataFrame], laws: dict[str, Law]) -> Figure:
    """Return the runs, the laws through them, and the published ones at the same sizes."""
    figure = Figure(figsize=(9, 4))
    for axes, (axis, label) in zip(figure.subplots(1, 2, sharey=True), AXES.items(), strict=True):
        table, law = means[axis], laws[axis]
        x = np.geomspace(table[axis].min(), table[axis].max(), 50)
        shown = runs[runs[axis].isin(table[axis])]
        shown = shown[shown["D"] == runs["D"].max()] if axis == "N" else shown
        shown = shown if axis == "N" else shown[shown["n_embd"] == MIDDLE]
        axes.scatter(
            shown[axis], shown["val_loss"], s=18, color="#2f5d8a", label="ours, a run each"
        )
        told = f"fit: exponent {law.exponent:.3f} ± {law.margin:.3f}"
        axes.plot(x, law.at(x), color="#2f5d8a", lw=1, label=told)
        axes.plot(x, KAPLAN[axis].at(x), "--", color="#c8612e", label="Kaplan et al. 2020")
        other = np.full(len(x), float(runs["D"].max()))
        every = np.interp(x, table[axis], table["parameters"])
        predicted = hoffmann(every, other if axis == "N" else x)
        axes.plot(x, predicted, ":", color="#8a8a8a", label="Hoffmann et al. 2022")
        axes.set(xscale="log", yscale="log", xlabel=label)
        axes.set_yticks([4, 5, 6, 8, 12, 20, 40], ["4", "5", "6", "8", "12", "20", "40"])
        sizes = table[axis].tolist()
        axes.set_xticks(sizes, [f"{size / 1000:,.0f}" for size in sizes])
        axes.minorticks_off()
        axes.legend(fontsize=8)
    figure.axes[0].set_ylabel("held-out loss, nats a token")
    return figure


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_stage(main)
