"""Results → every figure of the report, by name."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from looking_glass.report.figures import attention as attention_figures
from looking_glass.report.figures import style as figures
from looking_glass.report.figures import inversion as inversion_figures
from looking_glass.report.figures import likelihood as likelihood_figures
from looking_glass.report.prose.choice import Choice
from looking_glass.report.results import Results, first_sentence


def draw(
    results: Results,
    metrics: dict[str, Any],
    pairs: list[tuple[Choice, Choice]],
    colors: figures.Colors,
) -> dict[str, Figure]:
    """Return every figure of the report by name."""
    train = metrics["train"]
    drawn = {
        "frequencies": figures.frequencies(results.table("encode/frequencies"), colors),
        "loss": figures.loss_curve(
            results.table("train/loss"),
            train["baseline_val_loss"],
            train["kept_step"],
            colors,
        ),
        **draw_inversion(results, metrics["invert"], colors),
        **draw_log_probabilities(results, metrics["logprob"], colors),
    }
    for number, pair in enumerate(pairs, start=1):
        for name, figure in draw_choice(results, pair, number, colors).items():
            drawn[figure_name(name, number)] = figure
    return drawn


def draw_choice(
    results: Results, pair: tuple[Choice, Choice], number: int, colors: figures.Colors
) -> dict[str, Figure]:
    """Return the figures of one sentence's attention by name."""
    first, last = pair
    eleventh = last.eleventh
    drawn = {
        "attention_blocks": attention_figures.block_strip(
            results.of_prompt("last", "blocks", number), eleventh, colors
        ),
        "attention_compared": attention_figures.first_against_last(
            first.words, last.words, eleventh, colors
        ),
    }
    for choice in pair:
        block, texts = choice.block, choice.words["text"].tolist()
        arrays = results.arrays(block)
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


def draw_inversion(
    results: Results, metrics: dict[str, Any], colors: figures.Colors
) -> dict[str, Figure]:
    """Return the figures of the inversion by name."""
    tokens = results.table("invert/tokens")
    tokens = tokens[tokens["sentence"] == "sentence"]
    lowest = metrics["ceiling"]["lowest_possible_loss"]
    loss, steps = results.table("invert/loss"), results.table("invert/steps")
    ceilings, readings = tokens["ceiling_upper"].tolist(), list(metrics["readings"])
    frontier, places = results.table("invert/frontier"), results.table("invert/map")
    return {
        "inversion_loss": inversion_figures.inversion_loss(loss, lowest, colors),
        "inversion_steps": inversion_figures.inversion_steps(steps, ceilings, colors),
        "inversion_tokens": inversion_figures.inversion_tokens(tokens, readings, colors),
        "inversion_grid": inversion_figures.success_grid(frontier, colors),
        "inversion_map": inversion_figures.embedding_map(places, colors),
    }


def draw_log_probabilities(
    results: Results, metrics: dict[str, Any], colors: figures.Colors
) -> dict[str, Figure]:
    """Return the figures of log-probabilities by name."""
    words, ranked = results.table("logprob/words"), results.table("logprob/sentences")
    error = metrics["calibration"]["expected_calibration_error"]
    tokens, bins = results.table("logprob/tokens"), results.table("logprob/calibration")
    samples, product = results.table("logprob/samples"), results.table("logprob/product")
    return {
        "surprisal": likelihood_figures.word_surprisal(first_sentence(words), colors),
        "cumulative": likelihood_figures.cumulative(tokens, ranked, colors),
        "samples": likelihood_figures.samples(samples, colors),
        "reliability": likelihood_figures.reliability(bins, error, colors),
        "underflow": figures.underflow(product, colors),
    }


def figure_name(name: str, number: int) -> str:
    """Return a figure's name: the first sentence's bear no number."""
    return name if number == 1 else f"{name}_{number}"
