"""The ways to say what mattered, as tables and figures call them: defined once.

Their keys are those of the stage `yardstick`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from looking_glass.report import measures

SHUFFLED, EXACT, NEAREST, ALL = "shuffled", "exact", "nearest", "all"


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method, of one block, of several, or of none."""

    key: str
    label: str
    by_block: bool = False  # it has a row for each block, and one for all
    asks_again: bool = False  # of the model, without a word; all else takes one pass, or gradients


METHODS = (
    Method(key="attention", label="attention", by_block=True),
    Method(key="rollout", label="attention rolled out over all blocks"),
    Method(key="weighted_norm", label="length of what heads carry", by_block=True),
    Method(key="direct", label=measures.BY_KEY["direct"].title, by_block=True),
    Method(key="gradient_input", label="gradient × input"),
    Method(key="integrated_gradients", label="integrated gradients"),
    Method(key="knock_out", label="removal from the last row", by_block=True, asks_again=True),
    Method(
        key="knock_out_all_blocks",
        label="removal from the last row, all blocks at once",
        asks_again=True,
    ),
    Method(
        key="knock_out_every_row", label="removal from every row of all blocks", asks_again=True
    ),
    Method(key="replacement", label="replacement by a matched word", asks_again=True),
    Method(key=NEAREST, label="the nearest words first, no model"),
    Method(key=SHUFFLED, label="words in a random order: chance"),
    Method(key=EXACT, label="the exact worth itself: the ceiling"),
)
BY_KEY = {method.key: method for method in METHODS}


def label(key: str, block: str, last: int) -> str:
    """Return what a reader calls a method in one block, or in all of them; `last` is the last."""
    method = BY_KEY[key]
    if not method.by_block:
        return method.label
    places = {"1": "first block", str(last): "last block", ALL: "all blocks"}
    if key == "attention" and block == ALL:
        return f"{method.label}, mean of all blocks"
    return f"{method.label}, {places.get(block, f'block {block}')}"


def last_block(table: pd.DataFrame) -> int:
    """Return the number of the last block in a table of methods."""
    return max(int(block) for block in table["block"] if block != ALL)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a figure has room for, named: of blocks the first, the last and all."""
    blocks = ["1", str(last_block(table)), ALL]
    keys = list(BY_KEY)
    rows = with_names(table)
    rows = rows[rows["block"].isin(blocks)]
    places = [
        (keys.index(method), blocks.index(block))
        for method, block in zip(rows["method"], rows["block"], strict=True)
    ]
    order = pd.Series(places, index=rows.index)
    return rows.loc[order.sort_values(kind="stable").index]


def with_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of methods with the name of each row, `label`."""
    last = last_block(table)
    names = [label(m, b, last) for m, b in zip(table["method"], table["block"], strict=True)]
    return table.assign(label=names)


def named(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Return every row of a table of methods, with its name."""
    return with_names(table).to_dict("records")
