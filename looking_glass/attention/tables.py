"""A sentence's attention in one block → tables of its rows, by token and by word, and numbers."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from torch import Tensor

from looking_glass.attention.agreement import SIGN, SIZE
from looking_glass.attention.interventions import knock_outs
from looking_glass.attention.patterns import entropy, mean_distance
from looking_glass.attention.traced import SUM_TOLERANCE, TracedSentence
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.statistics import finite


def token_table(traced: TracedSentence, block: int, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return a row per token: its word, its share of both rows, and what it caused.

    `without_first` is its share of the predicting row when the first token, a sink, is left out.
    """
    mean = traced.patterns[block].mean(dim=0)  # (T, T)
    word_of = [i for i, w in enumerate(traced.sentence.words) for _ in range(w.start, w.stop)]
    table = pd.DataFrame(
        {
            "position": range(len(traced.texts)),
            "text": traced.texts,
            "word": word_of,
            "predicting_row": mean[traced.sentence.predicting].tolist(),
            "own_row": mean[traced.own].mean(dim=0).tolist(),
        }
    )
    table["without_first"] = without_first(mean[traced.sentence.predicting])
    return with_causes(table, measured)


def without_first(row: Tensor) -> list[float]:
    """Return a row (T,) with its first place left out, the rest sharing all of it; NaN there."""
    rest = row[1:].double()
    return [math.nan, *(rest / rest.sum()).tolist()]


def word_table(
    traced: TracedSentence, tokens: pd.DataFrame, measured: dict[str, Tensor]
) -> pd.DataFrame:
    """Return a row per word: its share of both rows, and what all of its tokens caused."""
    shares = ["predicting_row", "own_row", "without_first"]
    table = tokens.groupby("word", as_index=False)[shares].sum(min_count=1)
    table.insert(1, "text", traced.words)
    return with_causes(table, measured)


def with_causes(table: pd.DataFrame, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return `table` with a column per measure: what comes after the choice has no effect on it."""
    names = [name for name in measured if name != "attention"]
    columns = {name: pd.Series(measured[name][0].tolist()) for name in names}
    return table.assign(**{name: c.reindex(range(len(table))) for name, c in columns.items()})


def head_table(
    traced: TracedSentence, block: int, knocked: list[Tensor], added: Tensor
) -> pd.DataFrame:
    """Return a row per head and token: both rows, knock-out, and what it adds to the logit.

    `knocked` holds (1, S) nats a head, `added` (nh, S) logits.
    """
    tables = []
    for head, pattern in enumerate(traced.patterns[block]):  # (T, T)
        tokens = pd.DataFrame(
            {
                "head": head + 1,
                "position": range(len(traced.texts)),
                "text": traced.texts,
                "predicting_row": pattern[traced.sentence.predicting].tolist(),
                "own_row": pattern[traced.own].mean(dim=0).tolist(),
            }
        )
        tables.append(
            with_causes(tokens, {"knock_out": knocked[head], "direct": added[head : head + 1]})
        )
    return pd.concat(tables)


def head_word_table(
    traced: TracedSentence, heads: pd.DataFrame, knocked: list[Tensor]
) -> pd.DataFrame:
    """Return a row per head and word: both rows and knock-out, from the rows by token."""
    word_of = [i for i, w in enumerate(traced.sentence.words) for _ in range(w.start, w.stop)]
    rows = heads.assign(word=heads["position"].map(dict(enumerate(word_of))))
    summed = rows.groupby(["head", "word"], as_index=False)[["predicting_row", "own_row"]].sum()
    summed.insert(2, "text", summed["word"].map(dict(enumerate(traced.words))))
    effects = pd.concat(
        [pd.Series(k[0].tolist()).reindex(range(len(traced.words))) for k in knocked]
    )
    return summed.assign(knock_out=effects.tolist())


def row_table(traced: TracedSentence, block: int) -> pd.DataFrame:
    """Return the numbers of both rows: of the mean over heads, and of each head alone.

    The 11th word's own row is that of its tokens on average. `attention_sum` is over the whole
    pattern: one for each of the `query_rows`.
    """
    pattern = traced.patterns[block]  # (nh, T, T)
    kinds = {"predicting": [traced.sentence.predicting], "own": list(traced.own)}
    sums = {"query_rows": pattern.shape[-1], "sum_tolerance": SUM_TOLERANCE}
    rows: list[dict[str, object]] = []
    for kind, positions in kinds.items():
        for head, one in [("mean", pattern.mean(dim=0)), *enumerate(pattern, start=1)]:
            found = pd.DataFrame([row_numbers(one[position], position) for position in positions])
            numbers = {"attention_sum": float(one.double().sum()), **sums}
            means = {str(name): float(value) for name, value in found.mean().items()}
            rows.append({"row": kind, "head": str(head), **means, **numbers})
    return pd.DataFrame(rows)


def row_numbers(row: Tensor, position: int) -> dict[str, float]:
    """Return the sum, spread and places of a row (T,), that of the token at `position`."""
    return {
        "sum": float(row.double().sum()),
        "entropy": entropy(row),
        "largest_entropy": math.log(position + 1),
        "mean_distance": mean_distance(row[: position + 1]),
        "on_itself": float(row[position]),
        "on_previous": float(row[position - 1]) if position else 0.0,
        "on_first": float(row[0]),
    }


def block_table(model: GPT, traced: TracedSentence) -> pd.DataFrame:
    """Return a row per block and word: attention when choosing the 11th, and knock-out there."""
    tables = []
    for block in range(model.config.n_layer):
        row = traced.patterns[block].mean(dim=0)[traced.sentence.predicting]
        knocked = knock_outs(model, traced.choices, [block], sources=traced.spans)[0]
        tables.append(
            pd.DataFrame(
                {
                    "block": block + 1,
                    "word": range(len(traced.spans)),
                    "text": traced.words[: len(traced.spans)],
                    "predicting_row": [
                        float(row[start:stop].sum()) for start, stop in traced.spans
                    ],
                    "knock_out": knocked.tolist(),
                }
            )
        )
    return pd.concat(tables)


def metrics(
    rows: pd.DataFrame, words: pd.DataFrame, trust: pd.DataFrame, n_contexts: int
) -> dict[str, object]:
    """Return the block's numbers of the first prompt, and its agreement over many contexts."""
    means: Any = rows[rows["head"] == "mean"].set_index("row")
    names = ("entropy", "mean_distance", "on_itself", "on_previous", "on_first")
    return {
        "contexts": n_contexts,
        "predicting_row_sum": float(means.loc["predicting", "sum"]),
        "own_row_sum": float(means.loc["own", "sum"]),
        "attention_sum": float(means.loc["predicting", "attention_sum"]),
        "query_rows": int(means.loc["predicting", "query_rows"]),
        **{name: float(means.loc["predicting", name]) for name in names},
        "largest_knock_out": float(words["knock_out"].max()),
        "rank_correlation": {
            kind: {
                str(row["measure"]): finite(float(row["correlation"]))
                for _, row in trust[trust["kind"] == kind].iterrows()
                if row["pattern"] == "attention"
            }
            for kind in (SIZE, SIGN)
        },
    }


def summary(name: str, details: dict[str, Any]) -> dict[str, float | None]:
    """Return the few numbers of a block by which runs are compared, named for it."""
    found = {
        "entropy": details["entropy"],
        "mean_distance": details["mean_distance"],
        "on_first_token": details["on_first"],
        "largest_knock_out": details["largest_knock_out"],
        "correlation_with_size_of_knock_out": details["rank_correlation"][SIZE]["knock_out"],
    }
    return {f"{name}_block_{key}": value for key, value in found.items()}
