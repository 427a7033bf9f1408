"""Parameters of the stage `encode`."""

from __future__ import annotations

from typing import Any

from looking_glass.text.params import EncodeParams


def encode_params(**changes: Any) -> EncodeParams:
    """The defaults, with some changed."""
    given = {"encoding": "utf-8", "unwrap": True, "paragraphs": "auto", "start_at": "CHAPTER I."}
    rest = {"stop_before": "THE END", "validation_fraction": 0.1, "held_out": "last"}
    return EncodeParams(**{**given, **rest, **changes})
