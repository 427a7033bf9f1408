"""The model card says what the numbers say, and of an unknown text nothing."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from looking_glass.pipeline.artifacts import read_json
from looking_glass.pipeline.errors import InputError
from looking_glass.report.card.document import Facts, make_card, read_citation
from looking_glass.report.card.params import ExportParams
from tests.helpers.project import ROOT

PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())


def facts(**changes: Any) -> Facts:
    """Return what is known of the committed run, but for some."""
    export = ExportParams.model_validate(PARAMS["export"])
    names = ("encode", "train", "evaluate")
    known = Facts(
        export=export,
        config={"n_layer": 6, "n_head": 6, "n_embd": 192, "block_size": 64},
        **{name: read_json(ROOT / "metrics" / f"{name}.json") for name in names},
        language="en",
        held_out="last",
        chosen_by_it=False,
        init=None,
        book_sha256=export.book.sha256,
        weights_sha256="0" * 64,
        citation=read_citation(ROOT / "CITATION.cff"),
    )
    return dataclasses.replace(known, **changes)


def read_by_the_hub(card: str) -> Any:
    """Return the metadata of a card, as the Hub's own library reads them."""
    return ModelCard(card).data


def test_the_hub_reads_the_losses_of_the_card() -> None:
    known = facts()
    data = read_by_the_hub(make_card(known))
    assert (data.license, data.language) == ("mit", "en")
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "text-generation"
    losses = {one.metric_name: one.metric_value for one in data.eval_results}
    assert losses == {
        "nats per token": known.evaluate["val_loss"],
        "bits per byte": known.evaluate["val_bits_per_byte"],
    }
    assert {one.dataset_split for one in data.eval_results} == {"validation"}


def test_every_number_is_one_of_the_run() -> None:
    known = facts()
    card = " ".join(make_card(known).split())
    for said in (
        f"held out | **{known.evaluate['val_loss']}**",
        f"trained on | {known.evaluate['train_loss']} |",
        f"**{known.config['block_size']} tokens**",
        "Alice's Adventures in Wonderland* by Lewis Carroll",
        "Nothing was chosen by them",
        "author = {{The Looking-Glass authors}}",
        "public domain",
    ):
        assert said in card, said
    assert "{%" not in card
    train, val = (f"{known.encode[f'book_{part}_tokens']:,}" for part in ("train", "val"))
    assert f"The first {train} were trained on" in card
    assert f"the last {val} were held out" in card
    other = " ".join(make_card(facts(held_out="first", chosen_by_it=True)).split())
    assert f"The last {train} were trained on" in other
    assert "They chose at which update training ended" in other


def test_of_another_text_nothing_is_claimed() -> None:
    card = make_card(facts(book_sha256="1" * 64))
    assert "is not stated" in card
    for claim in ("Alice", "Carroll", "public domain", "license: mit", "The weights: mit"):
        assert claim not in card, claim
    assert read_by_the_hub(card).license is None


def test_of_weights_that_were_anothers_no_licence_is_claimed() -> None:
    card = make_card(facts(init="gpt2"))
    assert "started from the weights in `gpt2`" in card
    assert "they started from others'" in card
    assert read_by_the_hub(card).license is None
    assert "never met" not in card


def test_a_sample_of_a_long_text_is_told() -> None:
    evaluate = {**facts().evaluate, "val_tokens_read": 1_000_000}
    assert "Of the held-out text a sample was read: 1,000,000 tokens" in make_card(
        facts(evaluate=evaluate)
    )


def test_a_damaged_citation_is_named(tmp_path: Path) -> None:
    path = tmp_path / "CITATION.cff"
    for content, message in (
        (b"title: x\n", "version is required, there is none"),
        (b"- x\n", "title is required"),
        (b"\xff", "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_citation(path)


def test_the_citation_is_of_this_version() -> None:
    cited = read_citation(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert cited["version"] == project["version"]
    assert cited["cff-version"] == "1.2.0"
    assert cited["type"] == "software"
    assert all(set(one) in ({"name"}, {"given-names", "family-names"}) for one in cited["authors"])
    assert re.match(r"MIT License\n", (ROOT / "LICENSE").read_text())
    assert cited["license"] == "MIT"
