"""Draw every figure and write the page that answers the exercise."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from looking_glass.pipeline.artifacts import (
    read_json,
    whole_directory,
    write_bytes,
    write_csv,
    write_text,
)
from looking_glass.report.plots import plot_tables
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_all, load_section
from looking_glass.report.page import ReportParams, data_uri, explain_loss, in_brief, render
from looking_glass.report.context import attention, inversion, live_data, log_probabilities
from looking_glass.report.drawn import draw
from looking_glass.report.results import Results

METRICS, REPORTS, DATA = Path("metrics"), Path("reports"), Path("data")
TABLES = DATA / "tables"  # from all stages; published in reports/tables
PAGE, FIGURES, PLOTS = REPORTS / "report.html", REPORTS / "figures", REPORTS / "plots"
PACKAGES = ("torch", "dvc", "tiktoken", "numpy", "pandas", "matplotlib")


def main() -> None:
    """Write `report.html`, and its figures and curves once more as files for `dvc plots`."""
    params, settings = load_section(ReportParams, "report"), load_all()
    results = Results(tables=TABLES, patterns=DATA / "attention")
    encoded = read_json(METRICS / "encode.json").items()
    metrics = {
        "encode": {name.removeprefix("book_"): value for name, value in encoded},
        "train": read_json(METRICS / "train.json"),
        "invert": results.inversion(),
        "logprob": results.details("logprob"),
    }
    sentences = range(1, len(settings["attention"]["prompts"]) + 1)
    pairs = [
        (results.choice("first", number), results.choice("last", number)) for number in sentences
    ]
    drawn = {
        name: to_png(figure, params.dpi)
        for name, figure in draw(results, metrics, pairs, params.colors).items()
    }
    page = render(
        {
            **metrics,
            "params": settings,
            "colors": params.colors,
            "figures": {name: data_uri(png) for name, png in drawn.items()},
            "loss_text": explain_loss(metrics["train"]),
            "sentence": settings["invert"]["sentence"],
            **inversion(results, metrics["invert"]),
            **attention(results, pairs, metrics["train"]["val_loss"]),
            "page_data": live_data(results, pairs),
            "brief": in_brief(metrics, pairs[0][1]),
            **log_probabilities(results, metrics["logprob"], settings["logprob"]),
            "versions": ", ".join(f"{name} {public_version(name)}" for name in PACKAGES),
            "parameter_rows": flatten(settings),
        }
    )
    with whole_directory(FIGURES) as directory:
        for name, png in drawn.items():
            write_bytes(directory / f"{name}.png", png)
    publish(TABLES, REPORTS / "tables")
    with whole_directory(PLOTS) as directory:
        for name, table in plots(results, metrics["train"]).items():
            write_csv(directory / f"{name}.csv", table)
    write_text(PAGE, page)
    print(f"{PAGE}: {len(page.encode()):,} bytes, {len(drawn)} figures")


def publish(source: Path, target: Path) -> None:
    """Copy every table under `source` to the same place under `target`, which goes into git."""
    with whole_directory(target) as directory:
        for path in sorted([*source.rglob("*.csv"), *source.rglob("*.json")]):
            write_bytes(directory / path.relative_to(source), path.read_bytes())


def plots(results: Results, train: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the data of what `dvc plots` draws, by name."""
    return plot_tables(
        loss=results.table("train/loss"),
        baselines=train["baseline_val_loss"],
        steps=results.table("invert/steps"),
        attention={name: results.table(f"attention/{name}/words") for name in ("first", "last")},
        words=results.table("logprob/words"),
        calibration=results.table("logprob/calibration"),
    )


def to_png(figure: Figure, dpi: int) -> bytes:
    """Return the figure as PNG bytes, without the version that Matplotlib would write into them."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


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


if __name__ == "__main__":
    run_stage(main)
