"""The model card: what a model is, from numbers alone. The Hub's format: metadata, then Markdown.

Source: Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.yaml_reader import read_yaml
from looking_glass.report.card.params import ExportParams

CITED = ("title", "version", "license", "authors")  # of CITATION.cff


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the card is made from."""

    export: ExportParams
    config: dict[str, Any]  # the fields of a GPTConfig
    encode: dict[str, Any]  # the metrics of that stage, and so on
    train: dict[str, Any]
    evaluate: dict[str, Any]
    language: str
    held_out: str  # first or last: the end of the text that was not trained on
    chosen_by_it: bool  # whether that end chose the step whose weights were kept
    init: str | None  # the directory whose weights training started from
    book_sha256: str
    weights_sha256: str
    citation: dict[str, Any]

    @property
    def book_is_known(self) -> bool:
        """Return whether the text is the one that the parameters describe."""
        return self.book_sha256 == self.export.book.sha256

    @property
    def licence(self) -> str | None:
        """Return the weights' licence: None where text or weights are somebody's unknown."""
        return self.export.licence if self.book_is_known and self.init is None else None


def read_citation(path: Path) -> dict[str, Any]:
    """Return CITATION.cff; raise `InputError` when it lacks what the card says of it."""
    try:
        content = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path}: a Citation File Format file is required, it cannot be read "
            f"({type(error).__name__}): git checkout {path}"
        ) from None
    missing = [key for key in CITED if not isinstance(content, dict) or not content.get(key)]
    if missing:
        raise InputError(f"{path}: {missing[0]} is required, there is none: git checkout {path}")
    found: dict[str, Any] = content
    return found


def make_card(facts: Facts) -> str:
    """Return the card, README.md of a directory that may be put on the Hugging Face Hub."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - Markdown, of numbers and of lines that params check
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    body = environment.get_template("card.md.jinja").render(
        facts=facts,
        book=facts.export.book,
        authors=" and ".join(_author(one) for one in facts.citation["authors"]),
        perplexity=math.exp(facts.evaluate["val_loss"]),
    )
    metadata = yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{metadata}---\n\n{body}\n"


def _author(one: dict[str, Any]) -> str:
    """Return the name of a person or of a body, as CITATION.cff has it."""
    return str(one.get("name") or f"{one.get('given-names', '')} {one.get('family-names', '')}")


def _metadata(facts: Facts) -> dict[str, Any]:
    """Return what the Hub reads, the losses as results of an evaluation among it."""
    title = facts.export.book.title if facts.book_is_known else "a text without a description"
    measured = {
        "nats per token": facts.evaluate["val_loss"],
        "bits per byte": facts.evaluate["val_bits_per_byte"],
    }
    result = {
        "task": {"type": "text-generation", "name": "Text generation"},
        "dataset": {
            "type": "text",
            "name": f"{title}, the {facts.held_out} {facts.encode['book_val_tokens']:,} tokens",
            "split": "validation",
        },
        "metrics": [
            {"type": "loss", "name": name, "value": value} for name, value in measured.items()
        ],
    }
    return {
        "language": facts.language.partition("-")[0],
        **({"license": facts.licence} if facts.licence else {}),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["gpt2", "interpretability", "education"],
        "model-index": [{"name": facts.export.name, "results": [result]}],
    }
