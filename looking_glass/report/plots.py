"""Tables of the report → the few tables that `dvc plots show` and `dvc plots diff` draw.

DVC's own templates sort words by the alphabet and draw two equal words as one. So a label here
carries its place, zero-padded, and the templates in `.dvc/plots` sort by it: that is the order of
the text, in one revision and in several whose words differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from looking_glass.report.prose.phrases import visible

# What ends a line to somebody's reader of text, beside those that `visible` has replaced.
LINE_BREAK = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")


def plot_tables(
    *,
    loss: pd.DataFrame,
    baselines: Mapping[str, float],
    steps: pd.DataFrame,
    attention: Mapping[str, pd.DataFrame],
    words: pd.DataFrame,
    calibration: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Return what DVC draws, by the name of its file, from tables as the stages wrote them.

    `baselines` are validation losses in nats per token by model; `attention` are the tables by
    word of each block, by the block's name, in the order to draw them.
    """
    return {
        "loss": loss_table(loss, baselines),
        "inversion": inversion_table(steps),
        "attention": attention_table(attention),
        "surprisal": surprisal_table(words),
        "calibration": calibration[["confidence", "accuracy", "tokens", "low", "high"]].copy(),
    }


def loss_table(loss: pd.DataFrame, baselines: Mapping[str, float]) -> pd.DataFrame:
    """Return the losses by training step and, the same in each row, every baseline: nats."""
    names = {"train_loss": "training", "val_loss": "validation", "batch_loss": "batches"}
    return loss[["step", *names]].rename(columns=names).assign(**baselines)


def inversion_table(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the log-probability in nats of each token of the target, by optimisation step."""
    targets = steps.drop_duplicates("position").sort_values("position")
    labels = dict(zip(targets["position"], numbered(targets["text"]), strict=True))
    return steps.assign(token=steps["position"].map(labels))[["step", "token", "log_prob"]]


def attention_table(attention: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row per block and word before the first prompt's choice: share of attention, effect.

    The effect is the log-probability, in nats, that the choice loses when attention to the word
    is knocked out in that block: positive where the word spoke for the choice.
    """
    blocks = []
    for block, table in attention.items():
        seen = table[table["prompt"] == 1].dropna(subset="knock_out")
        blocks.append(
            pd.DataFrame(
                {
                    "word": numbered(seen["text"]),
                    "block": block,
                    "attention": seen["predicting_row"].tolist(),
                    "effect": seen["knock_out"].tolist(),
                }
            )
        )
    return pd.concat(blocks, ignore_index=True)


def surprisal_table(words: pd.DataFrame) -> pd.DataFrame:
    """Return the corrected surprisal, in nats, of each word of the first sentence."""
    first = words[words["sentence"] == words["sentence"].iloc[0]]
    return pd.DataFrame({"word": numbered(first["text"]), "surprisal": first["corrected"].tolist()})


def numbered(texts: Iterable[object]) -> list[str]:
    """Return a label per text, in one line: its place from 1, zero-padded, and its visible text.

    `["I", " am"]` gives `["1 I", "2 ␣am"]`; ten texts or more count from `01`.
    """
    shown = [LINE_BREAK.sub("↵", visible(str(text))) for text in texts]
    width = len(str(len(shown)))
    return [f"{place:0{width}d} {text}" for place, text in enumerate(shown, start=1)]
