"""Another's model goes through every stage without a step of training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.pipeline.artifacts import read_csv
from looking_glass.pipeline.errors import run_stage
from stages import (
    attention,
    choose,
    download,
    encode,
    evaluate,
    invert,
    live,
    logprob,
    report,
    score,
    train,
    yardstick,
)
from tests.helpers.given import save_given
from tests.helpers.project import TEXT, edit, main_of

LATER = (evaluate, invert, choose, yardstick, logprob, live)


def test_a_model_of_other_tokens_untied_in_parts_of_16_bits_runs_through(
    copy: Path, unpainted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = save_given(copy / "given", TEXT)
    assert len(list((copy / "given").glob("model-*.safetensors"))) > 1
    edit(
        copy,
        download__vocab__local={"path": "given/vocab.json"},
        download__merges__local={"path": "given/merges.txt"},
        model__init="given",
        model__tie_weights=False,
        model__block_size=96,
        train__steps=0,
        attention__prompts=["The cat saw a mouse by the river. It was"],
        invert__sentence="It was late",
        invert__controls=[],
        logprob__prompt="\n",
    )
    for stage in (download, encode, train):
        main_of(stage)()
    ours = load_checkpoint(copy / "data/model")
    tokens = torch.arange(0, 300, 7)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=0)
    assert json.loads((copy / "data/model/config.json").read_text())["eos_token_id"] == 0
    for stage in LATER:
        main_of(stage)()
    for block in ("first", "last"):
        main_of(attention, block)()
    main_of(report)()
    page = (copy / "reports/report.html").read_text()
    assert "It was not trained here: its weights are those of <code>given</code>" in page
    assert read_csv(copy / "data/tables/train/loss.csv")["step"].tolist() == [0]
    # Its tokens are in an order of their own, which the page with the model in it does not know.
    assert "this model is in no page" in (copy / "reports/looking-glass.html").read_text()
    (copy / "lines.txt").write_text("It was late.\n")
    capsys.readouterr()
    main_of(score, "lines.txt")()
    assert capsys.readouterr().out.startswith("line,text,tokens")


def test_what_does_not_fit_is_said_in_one_line(copy: Path) -> None:
    save_given(copy / "given", TEXT)
    for changes, told in (
        ({"train__steps": 0}, "train.steps: 0 takes a model as it is, and model.init must"),
        (
            {"model__init": "given"},
            "model.init: the encoder of the text (data/encoder.json) is required",
        ),
        (
            {"model__init": "data/model", "model__n_embd": 48, "model__n_layer": 3},
            "model.n_layer: must be 2",
        ),
    ):
        edit(copy, **changes)
        with pytest.raises(SystemExit) as exit_:
            run_stage(main_of(train))
        line = str(exit_.value.code)
        assert line.startswith("error: ")
        assert told in line
    assert "model.n_embd 32 too" in line


def test_a_model_too_large_for_a_page_gets_one_that_says_so(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "room_for_weights", lambda: 1000)
    main_of(live)()
    page = (copy / "reports/looking-glass.html").read_text()
    assert "at most 1,000 bytes of page are required, a model of 1,608,224 numbers in" in page
    (copy / "data/model").rename(copy / "named")
    with pytest.raises(SystemExit, match="error: at most 1,000 bytes of page"):
        run_stage(main_of(live, "named"))
