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
        label="removing it from this block's attention",
        source_label="removing the source from this block's attention",
        short="removal from the block (nats)",
        column="effect of removing (nats)",
        title="removed, this block",
        axis="log-probability lost (nats)",
        intervention=True,
    ),
    Measure(
        key="knock_out_all_blocks",
        unit="nats",
        label="removing it from the attention of all blocks",
        source_label="removing it from the attention of all blocks",
        short="removal from all blocks (nats)",
        column="… in all blocks",
        title="removed, all blocks",
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
        unit="logits",
        label="what that adds to the chosen token's logit",
        source_label="what that adds to the chosen token's logit",
        short="direct effect (logits)",
        column="direct effect (logits)",
        title="direct effect",
        axis="added to the logit",
        intervention=False,
    ),
)
BY_KEY = {measure.key: measure for measure in MEASURES}
