"""Stages on a tiny text: any sentence, bad input, markup, real faults."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from looking_glass.pipeline.artifacts import read_csv
from looking_glass.pipeline.errors import run_stage
from looking_glass.training.resume import fingerprint
from stages import attention, download, encode, invert, logprob, report, train
from tests.tiny_project import TEN, command, edit


def test_a_page_of_markup_shows_it_as_text(copy: Path, unpainted: None) -> None:
    edit(copy, invert__sentence="<script>alert(1)</script>", invert__prefix__lengths=[1])
    for stage in (invert, report):
        main_of(stage)()
    page = (copy / "reports/report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("sentence", ["I", "Привет, мир 🐿️!", "a b " * 31 + "a b"])
def test_any_sentence_that_the_block_holds_is_inverted_and_shown(
    copy: Path, unpainted: None, sentence: str
) -> None:
    # The last has 64 tokens, and no prefix but one of a single vector fits beside it.
    edit(copy, invert__sentence=sentence, invert__controls=[], invert__random_control=0)
    main_of(invert)()
    table = read_csv(copy / "data/tables/invert/frontier.csv")
    lengths = [1] if len(sentence) > 100 else [1, 3, 9, 27]
    assert table["reading"].tolist() == ["parallel", *(f"prefix_{k}" for k in lengths)]
    assert (table["loss"] >= table["lowest_possible_loss"] - 1e-4).all()
    tokens = read_csv(copy / "data/tables/invert/tokens.csv")
    assert ((tokens["ceiling_upper"] - tokens["ceiling_lower"]).abs() < 0.01).all()
    main_of(report)()


@pytest.mark.parametrize(
    ("compare", "sentences"),
    [([], []), (["greedy", "greedy"], ["12", "😀", "a b " * 300])],
)
def test_whatever_is_compared_is_reported(
    copy: Path, unpainted: None, compare: list[str], sentences: list[str]
) -> None:
    edit(copy, logprob__compare=compare, logprob__sentences=sentences, logprob__top_p=0.9)
    for stage in (logprob, report):
        main_of(stage)()
    ranked = read_csv(copy / "data/tables/logprob/sentences.csv")
    assert len(ranked) == 1 + len(set(compare)) + len(sentences)
    assert {"sampled", *compare} <= set(ranked["sentence"])
    assert set(sentences) <= set(ranked["text"]) | {"a b " * 300}
    assert (
        "It was drawn from a sharpened distribution" in (copy / "reports/report.html").read_text()
    )


def test_a_killed_training_leaves_nothing_half_done_and_goes_on_to_the_same_bytes(
    project: Path, tmp_path: Path
) -> None:
    made = ("data/model/model.safetensors", "metrics/train.json", "data/tables/train/loss.csv")
    killed = shutil.copytree(project, tmp_path / "killed", symlinks=True)
    shutil.rmtree(killed / "data/model")
    for name in made[1:]:
        (killed / name).unlink()
    edit(killed, train__steps=90)
    whole = shutil.copytree(killed, tmp_path / "whole", symlinks=True)
    assert command(whole, "python", "-m", "stages.train").returncode == 0

    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "stages.train"],
        cwd=killed,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "step    40/" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert not any((killed / name).exists() for name in made)

    edit(killed, train__weight_decay=0.2)
    assert "going on" not in command(killed, "python", "-m", "stages.train").stdout
    edit(killed, train__weight_decay=0.3)
    resumed = command(killed, "python", "-m", "stages.train")
    assert "going on from step 40" in resumed.stdout, resumed.stderr
    for name in made:
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert not list((killed / ".scratch").iterdir()), "a finished run leaves no state"


def test_training_starts_from_a_checkpoint_and_never_goes_on_from_another_ones_run(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((copy / "metrics/train.json").read_text())["train_loss"]
    given = shutil.copytree(copy / "data/model", copy / "given")
    edit(copy, model__init="given", train__steps=1, train__warmup_steps=0)
    edit(copy, train__learning_rate=1e-9)
    identities = []

    def remember(parts: Iterable[bytes]) -> str:
        identities.append(fingerprint(parts))
        return identities[-1]

    monkeypatch.setattr(train, "fingerprint", remember)
    main_of(train)()
    after = json.loads((copy / "metrics/train.json").read_text())
    assert after["train_loss"] == pytest.approx(before, rel=1e-4)
    assert after["longest_verbatim_run"] >= 1
    assert 0 <= after["verbatim_8gram_share"] <= 1
    config = json.loads((given / "config.json").read_text())
    (given / "config.json").write_text(json.dumps({**config, "summary_type": "mean"}))
    main_of(train)()
    assert identities[0] != identities[1]


def main_of(module: Any, *arguments: str) -> Callable[[], None]:
    def main() -> None:
        sys.argv = [module.__name__, *arguments]
        module.main()

    return main


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are drawn and not painted: that takes most of the report's time."""
    monkeypatch.setattr(report, "to_png", lambda _figure, _dpi: b"")


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The finished project, to break; what `prepare` sets in the process is put back."""
    root = shutil.copytree(project, tmp_path / "p", symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", sys.argv)
    yield root
    torch.set_deterministic_debug_mode("default")


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "an unknown key": (train, {"train__stepz": 1}, "unknown key 'train.stepz'"),
    "an unknown section": (encode, {"trian": {}}, "unknown section 'trian'"),
    "a mistyped value": (train, {"train__steps": "many"}, "'train.steps': .*got 'many'"),
    "heads that do not divide the width": (train, {"model__n_head": 5}, "divisible by n_head"),
    "an empty sentence": (
        invert,
        {"invert__sentence": ""},
        "sentence: at least one token is required",
    ),
    "a sentence over the block": (
        invert,
        {"invert__sentence": "a b " * 40},
        "64 tokens are required, got 81",
    ),
    "a prompt of 9 words": (attention, {"attention__prompts": [TEN]}, "exactly 10 words .* got 9"),
    "a second prompt of 11": (
        attention,
        {"attention__prompts": [TEN + " a", TEN + " a b"]},
        "exactly 10 .* got 11",
    ),
    "one block": (
        attention,
        {"attention__blocks": ["first"]},
        "report compares the two, got .*first",
    ),
    "a wrong sha256": (download, {"download__book__local__sha256": "0" * 64}, "required sha256 0"),
    "a file that is not there": (download, {"download__book__local__path": "no"}, "cannot be read"),
    "a block over the text": (train, {"model__block_size": 4000}, "must hold .* 4001 tokens"),
    "no place for the text": (encode, {"encode__start_at": "Once"}, "begins with 'Once'"),
    "too many tokens": (logprob, {"logprob__max_tokens": 65}, "must fit in a block of 64"),
    "an empty sentence to score": (logprob, {"logprob__sentences": ["a", ""]}, "number 2 is ''"),
    "a stride over the block": (logprob, {"logprob__stride": 65}, "stride: at most the block, 64"),
    "a share over 1": (logprob, {"logprob__top_p": 1.5}, "'logprob.top_p': .*got 1.5"),
    "no prompt": (logprob, {"logprob__prompt": ""}, "at least one token"),
    "parts of a batch": (train, {"train__accumulate": 3}, "divisible by .* got 8, 3 and 1"),
    "no checkpoint": (train, {"model__init": "gpt2"}, "model.init: .* gpt2/config.json is not"),
    "no package": (train, {"model__implementation": "mingpt"}, "importable package mingpt"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_changes_nothing(
    copy: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, changes, message = BAD[case]
    edit(copy, **changes)
    check_refused(copy, main_of(module, "first"), message, capsys)


def test_a_text_that_is_not_utf8_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "data/book.txt").unlink()
    (copy / "data/book.txt").write_bytes("CHAPTER I.\nCafé".encode("latin-1"))
    check_refused(copy, main_of(encode), "must be UTF-8 text, but byte 14 .0xe9.", capsys)


def test_an_index_that_cannot_be_reached_is_named(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    edit(copy, download__source="package")
    check_refused(copy, main_of(download), "could not be reached", capsys)


def check_refused(
    root: Path, main: Callable[[], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run a stage that must fail with one line and leave every file as it was."""
    before = snapshot(root)
    with pytest.raises(SystemExit) as exit_:
        run_stage(main)
    line = str(exit_.value.code)
    assert re.search(message, line), line
    assert line.startswith("error: ")
    assert "\n" not in line
    assert capsys.readouterr().err == ""
    assert snapshot(root) == before


def snapshot(root: Path) -> dict[str, bytes]:
    folders = (root / name for name in ("data", "metrics", "reports"))
    return {str(p): p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}
