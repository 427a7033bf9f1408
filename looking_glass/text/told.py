"""What was done to a book's text, for a person to see a wrong cut at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from looking_glass.pipeline.errors import shorten
from looking_glass.text.encoded import Meter
from looking_glass.text.paragraphs import Joiner
from looking_glass.text.params import EncodeParams
from looking_glass.text.plan import SMALL, Plan

LINE = 70  # characters of a line that is quoted
LONGEST_WORDS = 20  # characters on average: what is longer between two spaces is no word
RULES = {
    "blank_lines": "told apart by blank lines",
    "indents": "each begun by an indented line",
    "lines": "one to a line",
}


class Remains:
    """Looks for what cleaning should have taken away."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self.lines = 0  # paragraphs that speak of Project Gutenberg
        self.first = ""

    def through(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield each piece as it is."""
        for piece in pieces:
            if "project gutenberg" in piece.lower():
                found = [one for one in piece.split("\n") if "project gutenberg" in one.lower()]
                self.lines += len(found)
                self.first = self.first or found[0].strip()
            yield piece


def told(
    plan: Plan,
    params: EncodeParams,
    joiner: Joiner,
    meter: Meter,
    remains: Remains,
    *,
    n_tokens: int,
) -> pd.DataFrame:
    """Return a row for each thing to know: kind (`done` or `warning`), what, text."""
    survey = plan.survey
    done = {
        "encoding": params.encoding,
        "characters kept": f"{plan.kept:,} of {survey.length:,} ({plan.kept / survey.length:.1%})",
        "notices": _notices(plan),
        "start": _cut(plan.first_line, plan.cut_before, "before"),
        "end": _cut(plan.last_line, plan.cut_after, "from there on"),
        "paragraphs": f"{joiner.paragraphs:,}, {RULES[plan.rule]}" if params.unwrap else "as given",
        "first words": meter.first_words,
        "last words": meter.last_words,
        "tokens": f"{n_tokens:,}: {_a_word(meter, n_tokens)}, "
        f"{meter.n_bytes / max(1, n_tokens):.2f} bytes each",
    }
    warnings = list(_warnings(plan, remains))
    rows = [("done", what, " ".join(text.split())) for what, text in done.items() if text]
    rows += [("warning", what, " ".join(text.split())) for what, text in warnings]
    return pd.DataFrame(rows, columns=["kind", "what", "text"])


def _a_word(meter: Meter, n_tokens: int) -> str:
    """Return how many tokens a word has, or in a script that parts none by spaces a character."""
    if meter.n_characters > LONGEST_WORDS * meter.n_words:
        return f"{n_tokens / max(1, meter.n_characters):.2f} a character"
    return f"{n_tokens / max(1, meter.n_words):.2f} a word between spaces"


def _notices(plan: Plan) -> str:
    n = len(plan.survey.marks)
    found = (
        f"{_counted(n, 'mark')} of Project Gutenberg taken out, {_counted(plan.books, 'book')} left"
    )
    return found if n else ""


def _cut(line: str | None, characters: int, where: str) -> str:
    return (
        ""
        if line is None
        else f"“{shorten(line, LINE)}”; {_counted(characters, 'character')} {where} left out"
    )


def _warnings(plan: Plan, remains: Remains) -> Iterator[tuple[str, str]]:
    survey, kept = plan.survey, plan.kept
    if remains.lines:
        kept_in = _counted(remains.lines, "paragraph")
        first = shorten(remains.first, LINE)
        yield "remains", f"“Project Gutenberg” stands in {kept_in} that was kept: “{first}”"
    if plan.books > 1:
        yield "books", f"the file holds {plan.books} books; all are kept, one after the other"
    for key, cut in (("start_at", plan.cut_before), ("stop_before", plan.cut_after)):
        if cut > SMALL * (kept + cut):
            share = cut / (kept + plan.cut_before + plan.cut_after)
            yield (
                key,
                f"encode.{key} leaves out {share:.0%} of the text: check the first and last words",
            )
    if survey.lost:
        yield (
            "lost",
            f"U+FFFD stands for {_counted(survey.lost, 'character')} that an earlier program lost",
        )
    if survey.controls:
        yield (
            "controls",
            f"{_counted(survey.controls, 'control character')}, U+0080 to U+009F, no text means: "
            "windows-1252 may have been meant by latin-1",
        )


def _counted(n: int, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"
