"""Draw every figure and write the page that answers the exercise."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from looking_glass import figures, inversion_figures
from looking_glass.artifacts import (
    read_csv,
    read_json,
    read_tensors,
    whole_directory,
    write_bytes,
    write_text,
)
from looking_glass.attention_report import (
    compare_patterns,
    explain_parts,
    explain_provenance,
    explain_trust,
)
from looking_glass.errors import run_stage
from looking_glass.inversion_report import (
    explain_ceiling,
    explain_controls,
    explain_readings,
    explain_tokens,
    explain_words,
)
from looking_glass.params import load_all, load_section
from looking_glass.report import (
    BlockName,
    Choice,
    ReportParams,
    compare_blocks,
    data_uri,
    explain_choice,
    explain_loss,
    explain_underflow,
    render,
)

METRICS, REPORTS, DATA = Path("metrics"), Path("reports"), Path("data")
PAGE, FIGURES = REPORTS / "report.html", REPORTS / "figures"
PACKAGES = ("torch", "dvc", "tiktoken", "numpy", "pandas", "matplotlib")


def main() -> None:
    """Write `report.html`, and its figures once more as files for `dvc plots`."""
    params, settings = load_section(ReportParams, "report"), load_all()
    metrics = {
        name: read_json(METRICS / f"{name}.json")
        for name in ("encode", "train", "invert", "logprob")
    }
    last, first = read_choice("last"), read_choice("first")
    drawn = {
        name: to_png(figure, params.dpi)
        for name, figure in draw(metrics, (first, last), params.colors).items()
    }
    sample = read_csv(REPORTS / "logprob/tokens.csv")
    page = render(
        {
            **metrics,
            "params": settings,
            "colors": params.colors,
            "figures": {name: data_uri(png) for name, png in drawn.items()},
            "loss_text": explain_loss(metrics["train"]),
            "sentence": settings["invert"]["sentence"],
            **inversion(metrics["invert"]),
            "first": for_page(first),
            "last": for_page(last),
            "first_text": [*explain_choice(first), trust(first)],
            "last_text": [*explain_choice(last), trust(last)],
            "compare_text": [
                *compare_blocks(first, last),
                *compare_patterns(first.metrics, last.metrics, metrics["train"]["val_loss"]),
            ],
            "choice_text": explain_why(last),
            "sampled": "".join(sample.loc[sample["in_sentence"] == 1, "text"]),
            "underflow_text": explain_underflow(metrics["logprob"]),
            "versions": ", ".join(f"{name} {public_version(name)}" for name in PACKAGES),
            "parameter_rows": flatten(settings),
        }
    )
    with whole_directory(FIGURES) as directory:
        for name, png in drawn.items():
            write_bytes(directory / f"{name}.png", png)
    write_text(PAGE, page)
    print(f"{PAGE}: {len(page.encode()):,} bytes, {len(drawn)} figures")


def inversion(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what the template says of the inversion."""
    folder = REPORTS / "invert"
    tokens, frontier = read_csv(folder / "tokens.csv"), read_csv(folder / "frontier.csv")
    tokens = tokens[tokens["sentence"] == "sentence"]
    limit, words = metrics["ceiling"], read_csv(folder / "words.csv")
    return {
        "ceiling_text": explain_ceiling(limit, len(tokens)),
        "readings_text": explain_readings(metrics["readings"], limit["lowest_possible_loss"]),
        "tokens_text": explain_tokens(tokens),
        "controls_text": explain_controls(frontier),
        "words_text": explain_words(words, read_csv(folder / "replies.csv"), tokens),
        "said": best_restarts(read_csv(folder / "restarts.csv")),
        "targets": tokens.to_dict("records"),
        "readings": list(metrics["readings"]),
    }


def read_choice(block: BlockName) -> Choice:
    """Return what the attention stage wrote about one block."""
    folder = REPORTS / "attention" / block
    return Choice(
        block=block,
        metrics=read_json(METRICS / f"attention_{block}.json"),
        words=read_csv(folder / "words.csv"),
        tokens=read_csv(folder / "tokens.csv"),
        alternatives=read_csv(folder / "alternatives.csv"),
    )


def trust(choice: Choice) -> str:
    """Return what the block's attention is worth as an explanation."""
    table = read_csv(REPORTS / "attention" / choice.block / "agreement.csv")
    return explain_trust(table, choice.metrics["contexts"])


def explain_why(choice: Choice) -> list[str]:
    """Return what is said of the choice itself, whichever block is looked at."""
    folder = REPORTS / "attention" / choice.block
    chosen = str(choice.alternatives["text"].iloc[0])
    return [
        explain_parts(read_csv(folder / "parts.csv")),
        explain_provenance(read_csv(folder / "provenance.csv"), chosen),
    ]


def draw(
    metrics: dict[str, Any], choices: tuple[Choice, ...], colors: figures.Colors
) -> dict[str, Figure]:
    """Return every figure of the report by name."""
    train = metrics["train"]
    sample = read_csv(REPORTS / "logprob/tokens.csv")
    drawn = {
        "frequencies": figures.frequencies(read_csv(REPORTS / "encode/frequencies.csv"), colors),
        "loss": figures.loss_curve(
            read_csv(REPORTS / "train/loss.csv"),
            train["baseline_val_loss"],
            train["kept_step"],
            colors,
        ),
        **draw_inversion(metrics["invert"], colors),
        "surprisal": figures.surprisal(sample[sample["in_sentence"] == 1], colors),
        "underflow": figures.underflow(sample, colors),
    }
    for choice in choices:
        matrix = read_tensors(DATA / "attention" / choice.block / "pattern.safetensors")["words"]
        drawn[f"attention_{choice.block}_map"] = figures.attention_heat_map(
            matrix, choice.words["text"].tolist(), choice.block, colors
        )
        drawn[f"attention_{choice.block}_bars"] = figures.attention_bars(
            choice.words, choice.eleventh, choice.block, colors
        )
    return drawn


def draw_inversion(metrics: dict[str, Any], colors: figures.Colors) -> dict[str, Figure]:
    """Return the figures of the inversion by name."""
    folder = REPORTS / "invert"
    tokens = read_csv(folder / "tokens.csv")
    tokens = tokens[tokens["sentence"] == "sentence"]
    lowest = metrics["ceiling"]["lowest_possible_loss"]
    loss, steps = read_csv(folder / "loss.csv"), read_csv(folder / "steps.csv")
    ceilings, readings = tokens["ceiling_upper"].tolist(), list(metrics["readings"])
    frontier, places = read_csv(folder / "frontier.csv"), read_csv(folder / "map.csv")
    return {
        "inversion_loss": inversion_figures.inversion_loss(loss, lowest, colors),
        "inversion_steps": inversion_figures.inversion_steps(steps, ceilings, colors),
        "inversion_tokens": inversion_figures.inversion_tokens(tokens, readings, colors),
        "inversion_grid": inversion_figures.success_grid(frontier, colors),
        "inversion_map": inversion_figures.embedding_map(places, colors),
    }


def to_png(figure: Figure, dpi: int) -> bytes:
    """Return the figure as PNG bytes, without the version that Matplotlib would write into them."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def best_restarts(restarts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return, for each reading, its restart with the lowest loss, and how many were exact."""
    rows: list[dict[str, Any]] = []
    for reading, group in restarts.groupby("reading", sort=False):
        best = group.sort_values("loss", kind="stable").iloc[0]
        rows.append(
            {
                "reading": reading,
                "said": best["said"],
                "loss": best["loss"],
                "exact": int(group["exact"].sum()),
                "restarts": len(group),
            }
        )
    return rows


def for_page(choice: Choice) -> dict[str, Any]:
    """Return a choice as the template wants it."""
    return {
        "block": choice.block,
        "metrics": choice.metrics,
        "eleventh": choice.eleventh,
        "twelfth": choice.words["text"].iloc[11],
        "prompt_text": " ".join(choice.words["text"].iloc[:10]),
        "rows": choice.tokens.to_dict("records"),
        "alternatives": choice.alternatives.to_dict("records"),
    }


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
