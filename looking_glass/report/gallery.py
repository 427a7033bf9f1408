"""Results → every figure of the report, by name."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from looking_glass.report.figures import attention, inversion, likelihood, training, yardstick
from looking_glass.report.params import Colors
from looking_glass.report.results import Choice, Results, first_sentence


def draw_figures(
    results: Results,
    metrics: dict[str, Any],
    pairs: list[tuple[Choice, Choice]],
    colors: Colors,
) -> dict[str, Figure]:
    """Return every figure of the report by name."""
    train, evaluated = metrics["train"], metrics["evaluate"]
    drawn = {
        "frequencies": training.frequencies(results.table("encode/frequencies"), colors),
        "loss": training.loss_curve(
            results.table("train/loss"),
            evaluated["baseline_val_loss"],
            train["kept_step"],
            colors,
        ),
        "contexts": training.context_curve(results.table("evaluate/contexts"), colors),
        "blocks": training.block_worth(
            results.table("evaluate/parts"), evaluated["val_loss"], colors
        ),
        "heads": training.head_habits(results.table("choose/heads"), colors),
        "yardstick": yardstick.yardstick(
            results.table("yardstick/methods"),
            results.details("attention/first")["contexts"],
            colors,
        ),
        "sink": yardstick.sink(results.table("yardstick/sink"), colors),
        **draw_inversion(results, metrics["invert"], colors),
        **draw_log_probabilities(results, metrics["logprob"], colors),
    }
    for number, pair in enumerate(pairs, start=1):
        for name, figure in draw_choice(results, pair, number, colors).items():
            drawn[figure_name(name, number)] = figure
    return drawn


def draw_choice(
    results: Results, pair: tuple[Choice, Choice], number: int, colors: Colors
) -> dict[str, Figure]:
    """Return the figures of one sentence's attention by name."""
    first, last = pair
    eleventh, worth = last.eleventh, results.worth(number)
    drawn = {
        "attention_worth": yardstick.word_worth(worth, last.chosen, colors),
        "attention_blocks": attention.block_strip(
            results.of_prompt("choose/blocks", number), eleventh, colors
        ),
        "attention_compared": attention.first_against_last(
            first.words, last.words, eleventh, colors
        ),
    }
    for choice in pair:
        block, texts = choice.block, choice.words["text"].tolist()
        words = results.patterns_of(block)[f"prompt_{number}.words"]
        own = results.choice_arrays()[f"prompt_{number}.own"]
        layer = 0 if block == "first" else -1
        drawn |= {
            f"attention_{block}_causes": attention.attention_causes(
                choice.words.assign(exact=worth["replaced_worth"]), eleventh, block, colors
            ),
            f"attention_{block}_map": attention.attention_heat_map(words, texts, block, colors),
            f"attention_{block}_heads": attention.head_maps(own[layer], texts, block, colors),
        }
    return drawn


def draw_inversion(results: Results, metrics: dict[str, Any], colors: Colors) -> dict[str, Figure]:
    """Return the figures of the inversion by name."""
    tokens = results.table("invert/tokens")
    tokens = tokens[tokens["sentence"] == "sentence"]
    lowest = metrics["ceiling"]["lowest_possible_loss"]
    loss, steps = results.table("invert/loss"), results.table("invert/steps")
    ceilings, readings = tokens["ceiling_upper"].tolist(), results.readings()
    frontier, places = results.table("invert/frontier"), results.table("invert/map")
    return {
        "inversion_loss": inversion.inversion_loss(loss, readings, lowest, colors),
        "inversion_steps": inversion.inversion_steps(steps, ceilings, colors),
        "inversion_tokens": inversion.inversion_tokens(tokens, readings, colors),
        "inversion_grid": inversion.success_grid(frontier, readings, colors),
        "inversion_map": inversion.embedding_map(places, readings, colors),
    }


def draw_log_probabilities(
    results: Results, metrics: dict[str, Any], colors: Colors
) -> dict[str, Figure]:
    """Return the figures of log-probabilities by name."""
    words, ranked = results.table("logprob/words"), results.table("logprob/sentences")
    error = metrics["calibration"]["expected_calibration_error"]
    tokens, bins = results.table("logprob/tokens"), results.table("logprob/calibration")
    samples, product = results.table("logprob/samples"), results.table("logprob/product")
    return {
        "surprisal": likelihood.word_surprisal(first_sentence(words), colors),
        "cumulative": likelihood.cumulative(tokens, ranked, colors),
        "samples": likelihood.samples(samples, colors),
        "reliability": likelihood.reliability(bins, error, colors),
        "underflow": likelihood.underflow(product, colors),
    }


def figure_name(name: str, number: int) -> str:
    """Return a figure's name: the first sentence's bear no number."""
    return name if number == 1 else f"{name}_{number}"
