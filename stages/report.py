"""Draw every figure and write the page that answers the exercise."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from looking_glass import (
    attention_figures,
    figures,
    inversion_figures,
    likelihood_figures,
    page_data,
)
from looking_glass import likelihood_report as likelihood
from looking_glass.artifacts import (
    read_csv,
    read_json,
    read_tensors,
    whole_directory,
    write_bytes,
    write_csv,
    write_text,
)
from looking_glass.attention_report import compare_patterns, explain_trust, side_by_side_rows
from looking_glass.choice_report import (
    BlockName,
    Choice,
    compare_blocks,
    explain_choice,
    explain_parts,
    explain_provenance,
)
from looking_glass.dvc_plots import plot_tables
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
    ReportParams,
    data_uri,
    explain_loss,
    in_brief,
    render,
)

METRICS, REPORTS, DATA = Path("metrics"), Path("reports"), Path("data")
TABLES = DATA / "tables"  # from all stages; published in reports/tables
PAGE, FIGURES, PLOTS = REPORTS / "report.html", REPORTS / "figures", REPORTS / "plots"
PACKAGES = ("torch", "dvc", "tiktoken", "numpy", "pandas", "matplotlib")


def main() -> None:
    """Write `report.html`, and its figures and curves once more as files for `dvc plots`."""
    params, settings = load_section(ReportParams, "report"), load_all()
    encoded = read_json(METRICS / "encode.json").items()
    metrics = {
        "encode": {name.removeprefix("book_"): value for name, value in encoded},
        "train": read_json(METRICS / "train.json"),
        "invert": read_inversion(),
        "logprob": read_json(TABLES / "logprob/details.json"),
    }
    sentences = range(1, len(settings["attention"]["prompts"]) + 1)
    pairs = [(read_choice("first", number), read_choice("last", number)) for number in sentences]
    drawn = {
        name: to_png(figure, params.dpi)
        for name, figure in draw(metrics, pairs, params.colors).items()
    }
    page = render(
        {
            **metrics,
            "params": settings,
            "colors": params.colors,
            "figures": {name: data_uri(png) for name, png in drawn.items()},
            "loss_text": explain_loss(metrics["train"]),
            "sentence": settings["invert"]["sentence"],
            **inversion(metrics["invert"]),
            **attention(pairs, metrics["train"]["val_loss"]),
            "page_data": live_data(pairs),
            "brief": in_brief(metrics, pairs[0][1]),
            **log_probabilities(metrics["logprob"], settings["logprob"]),
            "versions": ", ".join(f"{name} {public_version(name)}" for name in PACKAGES),
            "parameter_rows": flatten(settings),
        }
    )
    with whole_directory(FIGURES) as directory:
        for name, png in drawn.items():
            write_bytes(directory / f"{name}.png", png)
    publish(TABLES, REPORTS / "tables")
    with whole_directory(PLOTS) as directory:
        for name, table in plots(metrics["train"]).items():
            write_csv(directory / f"{name}.csv", table)
    write_text(PAGE, page)
    print(f"{PAGE}: {len(page.encode()):,} bytes, {len(drawn)} figures")


def publish(source: Path, target: Path) -> None:
    """Copy every table under `source` to the same place under `target`, which goes into git."""
    with whole_directory(target) as directory:
        for path in sorted([*source.rglob("*.csv"), *source.rglob("*.json")]):
            write_bytes(directory / path.relative_to(source), path.read_bytes())


def plots(train: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the data of what `dvc plots` draws, by name."""
    return plot_tables(
        loss=read_csv(TABLES / "train/loss.csv"),
        baselines=train["baseline_val_loss"],
        steps=read_csv(TABLES / "invert/steps.csv"),
        attention={
            name: read_csv(TABLES / "attention" / name / "words.csv") for name in ("first", "last")
        },
        words=read_csv(TABLES / "logprob/words.csv"),
        calibration=read_csv(TABLES / "logprob/calibration.csv"),
    )


def read_inversion() -> dict[str, Any]:
    """Return the ceiling of the sentence, and of each reading what it reached."""
    folder = TABLES / "invert"
    readings = read_csv(folder / "readings.csv").to_dict("records")
    return {
        "ceiling": read_csv(folder / "ceiling.csv").to_dict("records")[0],
        "readings": {row["reading"]: found_in(row) for row in readings},
    }


def found_in(row: dict[Any, Any]) -> dict[str, Any]:
    """Return what a row holds; a step that was never reached is None, all else empty left out."""
    found = {str(name): value for name, value in row.items() if not pd.isna(value)}
    step = found.pop("first_exact_step", None)
    return {**found, "first_exact_step": None if step is None else int(step)}


def inversion(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what the template says of the inversion."""
    folder = TABLES / "invert"
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


def read_choice(block: BlockName, number: int) -> Choice:
    """Return what the attention stage wrote about one block and one prompt."""
    return Choice(
        block=block,
        rows=read_table(block, "rows", number),
        words=read_table(block, "words", number),
        measures=read_table(block, "measures", number),
        alternatives=read_table(block, "alternatives", number),
    )


def read_table(block: BlockName, name: str, number: int) -> pd.DataFrame:
    """Return the rows of a table about attention that are about one prompt."""
    table = read_csv(TABLES / "attention" / block / f"{name}.csv")
    return table[table["prompt"] == number].drop(columns="prompt").reset_index(drop=True)


def attention(pairs: list[tuple[Choice, Choice]], val_loss: float) -> dict[str, Any]:
    """Return what the template says of attention: of each sentence, and of the blocks at large."""
    found = {
        name: read_json(TABLES / "attention" / name / "details.json") for name in ("first", "last")
    }
    trust = {
        name: explain_trust(
            read_csv(TABLES / "attention" / name / "agreement.csv"), metrics["contexts"]
        )
        for name, metrics in found.items()
    }
    return {
        "sentences": [for_page(first, last, n) for n, (first, last) in enumerate(pairs, start=1)],
        "trust": trust,
        "patterns_text": compare_patterns(found["first"], found["last"], val_loss),
    }


def draw(
    metrics: dict[str, Any], pairs: list[tuple[Choice, Choice]], colors: figures.Colors
) -> dict[str, Figure]:
    """Return every figure of the report by name."""
    train = metrics["train"]
    drawn = {
        "frequencies": figures.frequencies(read_csv(TABLES / "encode/frequencies.csv"), colors),
        "loss": figures.loss_curve(
            read_csv(TABLES / "train/loss.csv"),
            train["baseline_val_loss"],
            train["kept_step"],
            colors,
        ),
        **draw_inversion(metrics["invert"], colors),
        **draw_log_probabilities(metrics["logprob"], colors),
    }
    for number, pair in enumerate(pairs, start=1):
        for name, figure in draw_choice(pair, number, colors).items():
            drawn[figure_name(name, number)] = figure
    return drawn


def live_data(pairs: list[tuple[Choice, Choice]]) -> dict[str, Any]:
    """Return what the page's scripts work with."""
    arrays = read_tensors(DATA / "attention/last/patterns.safetensors")
    table = read_csv(TABLES / "invert/appearance.csv")
    labels = {name: inversion_figures.reading_label(name) for name in table["reading"].unique()}
    return {
        "sentences": [
            page_data.explorer(arrays, number, last.words["text"].tolist())
            for number, (_, last) in enumerate(pairs, start=1)
        ],
        "inversion": page_data.appearance(table, labels),
    }


def draw_log_probabilities(metrics: dict[str, Any], colors: figures.Colors) -> dict[str, Figure]:
    """Return the figures of log-probabilities by name."""
    folder = TABLES / "logprob"
    words, ranked = read_csv(folder / "words.csv"), read_csv(folder / "sentences.csv")
    error = metrics["calibration"]["expected_calibration_error"]
    tokens, bins = read_csv(folder / "tokens.csv"), read_csv(folder / "calibration.csv")
    samples, product = read_csv(TABLES / "logprob/samples.csv"), read_csv(folder / "product.csv")
    return {
        "surprisal": likelihood_figures.word_surprisal(first_sentence(words), colors),
        "cumulative": likelihood_figures.cumulative(tokens, ranked, colors),
        "samples": likelihood_figures.samples(samples, colors),
        "reliability": likelihood_figures.reliability(bins, error, colors),
        "underflow": figures.underflow(product, colors),
    }


def draw_choice(
    pair: tuple[Choice, Choice], number: int, colors: figures.Colors
) -> dict[str, Figure]:
    """Return the figures of one sentence's attention by name."""
    first, last = pair
    eleventh = last.eleventh
    drawn = {
        "attention_blocks": attention_figures.block_strip(
            read_table("last", "blocks", number), eleventh, colors
        ),
        "attention_compared": attention_figures.first_against_last(
            first.words, last.words, eleventh, colors
        ),
    }
    for choice in pair:
        block, texts = choice.block, choice.words["text"].tolist()
        arrays = read_tensors(DATA / "attention" / block / "patterns.safetensors")
        layer = 0 if block == "first" else -1
        drawn |= {
            f"attention_{block}_causes": attention_figures.attention_causes(
                choice.words, eleventh, block, colors
            ),
            f"attention_{block}_map": attention_figures.attention_heat_map(
                arrays[f"prompt_{number}.words"], texts, block, colors
            ),
            f"attention_{block}_heads": attention_figures.head_maps(
                arrays[f"prompt_{number}.own"][layer], texts, block, colors
            ),
        }
    return drawn


def figure_name(name: str, number: int) -> str:
    """Return a figure's name: the first sentence's bear no number."""
    return name if number == 1 else f"{name}_{number}"


def draw_inversion(metrics: dict[str, Any], colors: figures.Colors) -> dict[str, Figure]:
    """Return the figures of the inversion by name."""
    folder = TABLES / "invert"
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


def log_probabilities(metrics: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Return what the template says of log-probabilities."""
    folder = TABLES / "logprob"
    ranked, words = read_csv(folder / "sentences.csv"), read_csv(folder / "words.csv")
    samples = read_csv(TABLES / "logprob/samples.csv")
    said = [
        likelihood.explain_drawing(metrics, params),
        likelihood.explain_words(first_sentence(words)),
        likelihood.explain_underflow(read_csv(folder / "product.csv")),
    ]
    return {
        "sampled": samples["text"].iloc[0],
        "sampled_tokens": first_sentence(read_csv(folder / "tokens.csv")).to_dict("records"),
        "sampled_words": first_sentence(words).to_dict("records"),
        "sampling_text": likelihood.explain_sampling(params),
        "sentence_text": [text for text in said if text],
        "ranking_text": likelihood.explain_ranking(ranked),
        "ranked": [
            {**row, "called": likelihood.called(row["sentence"])}
            for row in ranked.to_dict("records")
        ],
        "coloured": [
            {
                "called": likelihood.called(name),
                "words": page_data.heated(words[words["sentence"] == name]),
            }
            for name in ranked["sentence"]
        ],
        "copies": page_data.copies(read_csv(TABLES / "logprob/verbatim.csv")),
        "place_text": [likelihood.explain_place(metrics), likelihood.explain_entropy(metrics)],
        "calibration_text": likelihood.explain_calibration(metrics),
    }


def first_sentence(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about the first of a table's sentences."""
    first: pd.DataFrame = table[table["sentence"] == table["sentence"].iloc[0]]
    return first


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


def for_page(first: Choice, last: Choice, number: int) -> dict[str, Any]:
    """Return one sentence's choice as the template wants it."""
    chosen = str(last.alternatives["text"].iloc[0])
    removals = read_table("last", "removals", number)
    return {
        "number": number,
        "data": page_data.explorer(
            read_tensors(DATA / "attention/last/patterns.safetensors"),
            number,
            last.words["text"].tolist(),
        ),
        "prompt": " ".join(last.words["text"].iloc[:10]),
        "eleventh": last.eleventh,
        "twelfth": last.words["text"].iloc[11],
        "alternatives": last.alternatives.to_dict("records"),
        "removals": [
            (scope, word, group.to_dict("records"))
            for (scope, _, word), group in removals.groupby(["scope", "word", "removed"])
        ],
        "why": [
            explain_parts(read_table("last", "parts", number)),
            explain_provenance(read_table("last", "provenance", number), chosen),
        ],
        "blocks": {
            choice.block: {
                "text": explain_choice(choice),
                "tokens": read_table(choice.block, "tokens", number).to_dict("records"),
                "predicting": choice.rows.iloc[0].to_dict(),
                "own": choice.rows[choice.rows["row"] == "own"].iloc[0].to_dict(),
            }
            for choice in (first, last)
        },
        "compare_text": compare_blocks(first, last),
        "compare_rows": side_by_side_rows(first, last),
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
