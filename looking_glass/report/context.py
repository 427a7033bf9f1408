"""Results → what the page's template says and shows, part by part."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report import methods, page_data
from looking_glass.report.prose import (
    agreement,
    brief,
    choice,
    inversion,
    likelihood,
    model,
    yardstick,
)
from looking_glass.report.prose.phrases import quoted, space_before
from looking_glass.report.results import Choice, Results, first_sentence


def in_short(
    results: Results,
    metrics: dict[str, Any],
    settings: dict[str, Any],
    pair: tuple[Choice, Choice],
) -> list[brief.ShortAnswer]:
    """Return the six answers of the page in short; `pair` is the first sentence's choice."""
    first, last = pair
    agreed = {name: results.table(f"attention/{name}/agreement") for name in ("first", "last")}
    samples, restarts = results.table("logprob/samples"), results.table("invert/restarts")
    return [
        brief.of_data(metrics["encode"]),
        brief.of_training(metrics, settings["train"]["steps"]),
        brief.of_inversion(
            metrics["invert"],
            best_restarts(restarts),
            results.readings(),
            settings["invert"]["sentence"],
        ),
        brief.of_last_block(last, results.worth(1)),
        brief.of_first_block(first, last, agreed, results.details("attention/first")["contexts"]),
        brief.of_sentence(metrics["logprob"], samples["text"].iloc[0]),
    ]


def about_inversion(results: Results, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what the template says of the inversion."""
    tokens, frontier = results.table("invert/tokens"), results.table("invert/frontier")
    tokens = tokens[tokens["sentence"] == "sentence"]
    limit, words = metrics["ceiling"], results.table("invert/words")
    readings, replies = results.readings(), results.table("invert/replies")
    return {
        "ceiling_text": inversion.explain_ceiling(limit, len(tokens)),
        "readings_text": inversion.explain_readings(
            metrics["readings"], readings, limit["lowest_possible_loss"]
        ),
        "tokens_text": inversion.explain_tokens(tokens, readings),
        "controls_text": inversion.explain_controls(frontier, readings),
        "words_text": inversion.explain_words(words, replies, tokens, readings),
        "said": best_restarts(results.table("invert/restarts")),
        "targets": tokens.to_dict("records"),
        "readings": list(metrics["readings"]),
    }


def about_model(
    results: Results, metrics: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what the template says of the trained model: its contexts, its attention."""
    val_loss, parts = metrics["evaluate"]["val_loss"], results.table("evaluate/parts")
    stride = settings["logprob"]["stride"]
    cleaning = results.table("encode/cleaning")
    return {
        "cleaning": cleaning[cleaning["kind"] == "done"].to_dict("records"),
        "cleaning_warnings": cleaning.loc[cleaning["kind"] == "warning", "text"].tolist(),
        "context_text": [
            *model.explain_contexts(results.table("evaluate/contexts")),
            model.explain_sliding(val_loss, metrics["logprob"]["calibration"], stride),
        ],
        "sample_text": model.explain_sample(metrics["evaluate"], metrics["encode"]),
        "held_out_text": model.explain_held_out(
            results.seeds(settings, metrics["encode"]), settings["train"]["keep"]
        ),
        "parts_text": model.explain_parts(parts, val_loss),
        "heads_text": model.explain_heads(results.table("choose/heads")),
    }


def about_attention(results: Results, pairs: list[tuple[Choice, Choice]]) -> dict[str, Any]:
    """Return what the template says of attention: of each sentence, and of the blocks at large."""
    found = {name: results.details(f"attention/{name}") for name in ("first", "last")}
    methods_found = results.table("yardstick/methods")
    agreed = {name: results.table(f"attention/{name}/agreement") for name in found}
    trust = {
        name: agreement.explain_trust(agreed[name], details) for name, details in found.items()
    }
    return {
        "sentences": [
            for_page(results, first, last, n) for n, (first, last) in enumerate(pairs, start=1)
        ],
        "trust": trust,
        "trust_rows": {name: agreement.trust_rows(table) for name, table in agreed.items()},
        "patterns_text": agreement.compare_patterns(found["first"], found["last"]),
        "methods_text": yardstick.explain_methods(
            methods_found, found["first"]["contexts"], found["first"]["context_words"]
        ),
        "methods": methods.named(methods_found),
        "sink_text": yardstick.explain_sink(results.table("yardstick/sink")),
    }


def for_page(results: Results, first: Choice, last: Choice, number: int) -> dict[str, Any]:
    """Return one sentence's choice as the template wants it."""
    tokens = {
        one.block: results.of_prompt(f"attention/{one.block}/tokens", number)
        for one in (first, last)
    }
    removals = pd.concat(
        results.of_prompt(f"{name}/removals", number) for name in ("attention/last", "choose")
    )
    return {
        "number": number,
        "prompt": quoted(last.words.iloc[:10]),
        "spaces": last.words["before"].iloc[10:].tolist(),
        "eleventh": last.eleventh,
        "twelfth": last.words["text"].iloc[11],
        "alternatives": last.alternatives.to_dict("records"),
        "removals": [
            (scope, word, group.to_dict("records"))
            for (scope, _, word), group in removals.groupby(["scope", "word", "removed"])
        ],
        "worth_text": choice.explain_worth(results.worth(number), last.chosen),
        "worth": results.worth(number).to_dict("records"),
        "why": [
            choice.explain_parts(results.of_prompt("choose/parts", number)),
            choice.explain_provenance(results.of_prompt("choose/provenance", number), last.chosen),
        ],
        "blocks": {
            one.block: {
                "text": choice.explain_choice(one),
                "tokens": tokens[one.block].to_dict("records"),
                "predicting": one.rows.iloc[0].to_dict(),
                "own": one.rows[one.rows["row"] == "own"].iloc[0].to_dict(),
            }
            for one in (first, last)
        },
        "compare_text": choice.compare_blocks(first, last),
        "compare_rows": agreement.side_by_side_rows(first, last),
    }


def live_data(results: Results, pairs: list[tuple[Choice, Choice]]) -> dict[str, Any]:
    """Return what the page's scripts work with."""
    arrays = results.choice_arrays()
    table = results.table("invert/appearance")
    readings = results.readings()
    labels = {name: readings.label(name) for name in readings.names}
    return {
        "sentences": [
            page_data.explorer(arrays, number, last.words["text"].tolist())
            for number, (_, last) in enumerate(pairs, start=1)
        ],
        "inversion": page_data.appearance(table, labels),
    }


def about_log_probabilities(
    results: Results, metrics: dict[str, Any], params: dict[str, Any]
) -> dict[str, Any]:
    """Return what the template says of log-probabilities."""
    ranked, words = results.table("logprob/sentences"), results.table("logprob/words")
    tokens = results.table("logprob/tokens")
    samples = results.table("logprob/samples")
    said = [
        likelihood.explain_drawing(metrics, params),
        likelihood.explain_words(first_sentence(words), corrected=metrics["words_corrected"]),
        likelihood.explain_underflow(results.table("logprob/product")),
    ]
    return {
        "sampled": samples["text"].iloc[0],
        "sampled_tokens": first_sentence(tokens).to_dict("records"),
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
                "words": page_data.heated(
                    words[words["sentence"] == name],
                    space_before(tokens[tokens["sentence"] == name]),
                ),
            }
            for name in ranked["sentence"]
        ],
        "copies": page_data.copies(results.table("logprob/verbatim")),
        "place_text": [likelihood.explain_place(metrics), likelihood.explain_entropy(metrics)],
        "calibration_text": likelihood.explain_calibration(metrics),
    }


def best_restarts(restarts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return, for each reading, its best restart, and how many were exact.

    The best is the one with the lowest loss, of those that are exact if there are any.
    """
    rows: list[dict[str, Any]] = []
    for reading, group in restarts.groupby("reading", sort=False):
        ordered = group.sort_values(["exact", "loss"], ascending=[False, True], kind="stable")
        best = ordered.iloc[0]
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
