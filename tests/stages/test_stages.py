"""Stages on a tiny text: any sentence, markup, a run that was killed, another's weights."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from looking_glass.pipeline.artifacts import read_csv
from looking_glass.pipeline.params import Section
from looking_glass.training.resume import fingerprint
from stages import evaluate, invert, logprob, report, train
from tests.helpers.project import command, edit, main_of


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
    page = (copy / "reports/report.html").read_text()
    assert "distribution limited to its most probable tokens" in page
    assert "sharpened" not in page


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
    before = json.loads((copy / "metrics/evaluate.json").read_text())["train_loss"]
    given = shutil.copytree(copy / "data/model", copy / "given")
    edit(copy, model__init="given", train__steps=1, train__warmup_steps=0)
    edit(copy, train__learning_rate=1e-9, train__matrix_rate=1e-9)
    identities = []

    def remember(sections: Sequence[Section], files: Iterable[Path], n_processes: int) -> str:
        identities.append(fingerprint(sections, files, n_processes))
        return identities[-1]

    monkeypatch.setattr(train, "fingerprint", remember)
    for stage in (train, evaluate):
        main_of(stage)()
    after = json.loads((copy / "metrics/evaluate.json").read_text())
    assert after["train_loss"] == pytest.approx(before, rel=1e-4)
    config = json.loads((given / "config.json").read_text())
    (given / "config.json").write_text(json.dumps({**config, "summary_type": "mean"}))
    main_of(train)()
    assert identities[0] != identities[1]
