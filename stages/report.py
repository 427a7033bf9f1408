"""Draw every figure and write the page that answers the exercise."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from looking_glass import figures
from looking_glass.artifacts import (
    read_csv,
    read_json,
    read_tensors,
    whole_directory,
    write_bytes,
    write_text,
)
from looking_glass.errors import run_stage
from looking_glass.params import load_all, load_section
from looking_glass.report import (
    BlockName,
    Choice,
    ReportParams,
    compare_blocks,
    data_uri,
    explain_choice,
    explain_inversion,
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
    restarts = read_csv(REPORTS / "invert/restarts.csv")
    targets = read_csv(REPORTS / "invert/tokens.csv")
    sample = read_csv(REPORTS / "logprob/tokens.csv")
    page = render(
        {
            **metrics,
            "params": settings,
            "colors": params.colors,
            "figures": {name: data_uri(png) for name, png in drawn.items()},
            "loss_text": explain_loss(metrics["train"]),
            "sentence": settings["invert"]["sentence"],
            "inversion_text": explain_inversion(metrics["invert"], targets),
            "inversion_tokens": targets["text"].tolist(),
            "said": best_restarts(restarts),
            "first": for_page(first),
            "last": for_page(last),
            "first_text": explain_choice(first),
            "last_text": explain_choice(last),
            "compare_text": compare_blocks(first, last),
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
        "inversion_loss": figures.inversion_loss(read_csv(REPORTS / "invert/loss.csv"), colors),
        "inversion_tokens": figures.inversion_tokens(
            read_csv(REPORTS / "invert/tokens.csv"), list(metrics["invert"]), colors
        ),
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
