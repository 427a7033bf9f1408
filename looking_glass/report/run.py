"""What the stage `report` does: results → figures, page, and what `dvc plots` draws."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd

from looking_glass.report.context import (
    about_attention,
    about_inversion,
    about_log_probabilities,
    about_model,
    in_short,
    live_data,
)
from looking_glass.report.figures.fonts import noting_what_is_missing
from looking_glass.report.gallery import draw_figures
from looking_glass.report.measures import MEASURES
from looking_glass.report.page import render
from looking_glass.report.params import ReportParams
from looking_glass.report.pictures import paint
from looking_glass.report.plots import plot_tables
from looking_glass.report.prose.brief import explain_loss
from looking_glass.report.prose.phrases import explain_missing
from looking_glass.report.results import Results

PACKAGES = ("torch", "dvc", "tiktoken", "numpy", "pandas", "matplotlib")


@dataclass(frozen=True, kw_only=True)
class Report:
    """The page, its figures as PNG, and the tables that DVC draws, by name."""

    page: str
    figures: dict[str, bytes]
    plots: dict[str, pd.DataFrame]


def make_report(results: Results, settings: dict[str, Any], params: ReportParams) -> Report:
    """Return the report on a run; `settings` are all parameters as they are written."""
    metrics, readings = results.metrics(), results.readings()
    pairs = [
        (results.choice("first", number), results.choice("last", number))
        for number in range(1, len(settings["attention"]["prompts"]) + 1)
    ]
    with noting_what_is_missing() as missing:
        pictures = {
            name: paint(figure, params.dpi)
            for name, figure in draw_figures(results, metrics, pairs, params.colors).items()
        }
    context = {
        **metrics,
        "params": settings,
        "colors": params.colors,
        "missing_text": explain_missing(missing),
        "figures": pictures,
        "loss_text": explain_loss(metrics["evaluate"]),
        "sentence": settings["invert"]["sentence"],
        "measures": MEASURES,
        **about_inversion(results, metrics["invert"]),
        **about_model(results, metrics, settings),
        **about_attention(results, pairs),
        "page_data": live_data(results, pairs),
        "answers": in_short(results, metrics, settings, pairs[0]),
        **about_log_probabilities(results, metrics["logprob"], settings["logprob"]),
        "versions": ", ".join(f"{name} {public_version(name)}" for name in PACKAGES),
        "parameter_rows": flatten(settings),
    }
    return Report(
        page=render(context, readings),
        figures={name: picture.png for name, picture in pictures.items()},
        plots=plot_tables(
            loss=results.table("train/loss"),
            baselines=metrics["evaluate"]["baseline_val_loss"],
            steps=results.table("invert/steps"),
            attention={
                name: results.table(f"attention/{name}/words") for name in ("first", "last")
            },
            words=results.table("logprob/words"),
            calibration=results.table("logprob/calibration"),
        ),
    )


def public_version(package: str) -> str:
    """Return a package's version without its build's name: the same on every machine."""
    return version(package).partition("+")[0]


def flatten(nested: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return every parameter as a dotted key and its value."""
    rows: list[tuple[str, Any]] = []
    for key, value in nested.items():
        if isinstance(value, dict):
            rows += flatten(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value))
    return rows
