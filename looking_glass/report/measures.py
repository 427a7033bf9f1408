"""The measures of what a word caused, as tables, figures and sentences call them: defined once.

Their keys are the columns that the stages `choose` and `attention` write.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure, under every name that a reader meets."""

    key: str  # the column in tables
    unit: str  # "" where it has none
    label: str  # in a sentence on a word, after "by"
    source_label: str  # in a sentence on sources at large
    short: str  # in a row of a table
    column: str  # at the head of a table's column
    title: str  # above its panel in a figure
    axis: str  # below it
    intervention: bool  # something was taken away, and the choice made again


MEASURES = (
    Measure(
        key="knock_out",
        unit="nats",
        label="removing it from the choosing row of this block",
        source_label="removing the source from the choosing row of this block",
        short="removal from the block (nats)",
        column="effect of removing (nats)",
        title="removed, this block",
        axis="log-probability lost (nats)",
        intervention=True,
    ),
    Measure(
        key="knock_out_all_blocks",
        unit="nats",
        label="removing it from the choosing row of all blocks",
        source_label="removing it from the choosing row of all blocks",
        short="removal from the row in all blocks (nats)",
        column="… in all blocks",
        title="removed, all blocks",
        axis="log-probability lost (nats)",
        intervention=True,
    ),
    Measure(
        key="knock_out_every_row",
        unit="nats",
        label="removing it from every later row of all blocks",
        source_label="removing it from every later row of all blocks",
        short="removal from every row (nats)",
        column="… and in every row",
        title="removed, every row",
        axis="log-probability lost (nats)",
        intervention=True,
    ),
    Measure(
        key="replacement",
        unit="logits",
        label="replacing it by a matched one",
        source_label="replacing its token by a matched one",
        short="replacement (logits)",
        column="effect of replacing (logits)",
        title="token replaced",
        axis="lead lost (logits)",
        intervention=True,
    ),
    Measure(
        key="weighted_norm",
        unit="",
        label="the length of what the block's heads carry from it",
        source_label="the length of what the block's heads carry from it",
        short="length carried",
        column="length carried",
        title="carried by the heads",
        axis="length in the residual stream",
        intervention=False,
    ),
    Measure(
        key="direct",
        unit="nats",
        label="what that adds to the choice's log-probability, to first order",
        source_label="what that adds to the choice's log-probability, to first order",
        short="direct effect (nats)",
        column="direct effect (nats)",
        title="direct effect",
        axis="added, to first order (nats)",
        intervention=False,
    ),
)
BY_KEY = {measure.key: measure for measure in MEASURES}
