"""The whole DAG on a tiny text, as DVC runs it: what runs when, and the same bytes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.tiny_project import EVERY_STAGE, ROOT, command, edit, repro

DAG = yaml.safe_load((ROOT / "dvc.yaml").read_text())


def test_every_artifact_is_there_and_nothing_half_written(project: Path) -> None:
    for block in ("first", "last"):
        metrics = json.loads((project / f"data/tables/attention/{block}/details.json").read_text())
        assert metrics["predicting_row_sum"] == pytest.approx(1, abs=1e-5)
        assert metrics["attention_sum"] == pytest.approx(metrics["query_rows"], abs=1e-4)
    page = (project / "reports/report.html").read_text()
    for heading in ("The data", "Training", "Inverting", "last block", "first block", "sentence"):
        assert heading in page
    assert page.count("data:image/png;base64,") == len(
        list((project / "reports/figures").iterdir())
    )
    assert not re.search(r'(src|href)="https?:', page), "the page needs no network"
    left_over = [p for d in ("data", "metrics", "reports") for p in (project / d).rglob(".*")]
    assert {p.name for p in left_over} <= {".gitignore"}


def test_stages_open_only_what_they_declare(project: Path) -> None:
    dag = DAG["stages"]
    opened = (project / "opened.txt").read_text().splitlines()
    assert len(opened) > 30
    for line in opened:
        words, mode, path = line.split("|")
        if "stages." not in words:
            continue  # DVC itself
        name = re.search(r"stages\.(\w+)", words).group(1)  # type: ignore[union-attr]
        stage = dag[name]
        outs = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
        made = [out if isinstance(out, str) else next(iter(out)) for out in outs]
        allowed = made if "w" in mode else [*made, *stage["deps"]]
        for block in ("first", "last"):
            allowed = [*allowed, *(item.replace("${item.block}", block) for item in allowed)]
        # A partial file lies beside the one that it becomes, under .NAME.xxxx
        plain = re.sub(r"/\.([\w.]+?)\.\w{8}(?=/|$)", r"/\1", path)
        assert any(plain == item or plain.startswith(item + "/") for item in allowed), line


def test_nothing_runs_twice_and_edits_run_just_what_they_touch(project: Path) -> None:
    assert repro(project) == []
    edit(project, invert__sentence="It was late")
    assert repro(project) == ["invert", "report"]
    edit(project, report__colors__primary="#336699")
    assert repro(project) == ["report"]
    edit(project, model__n_embd=34)
    assert repro(project, "train") == ["train"], "and not encode"
    # A dry run takes no stage for changed whose inputs are still to be made: so it is asked now.
    assert repro(project, "--dry") == EVERY_STAGE[3:]
    edit(project, model__n_embd=32)
    assert repro(project) == [], "what has run before comes from DVC's run cache"


def test_forced_again_every_byte_is_the_same(project: Path) -> None:
    before = (project / "dvc.lock").read_bytes()
    assert repro(project, "-f") == EVERY_STAGE
    assert (project / "dvc.lock").read_bytes() == before


def test_several_processes_are_the_same_stage(project: Path, tmp_path: Path) -> None:
    root = shutil.copytree(project, tmp_path / "p", symlinks=True)
    launch = "torchrun --standalone --nproc_per_node=2"
    assert repro(root, "-f", "-s", "train", LAUNCH=launch) == ["train"]
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    assert lock["stages"]["train"]["cmd"] == "${LAUNCH:-python} -m stages.train"
    assert repro(root, "train") == []


def test_dvcs_commands_show_what_was_made(project: Path) -> None:
    shown = command(project, "dvc", "metrics", "show", "--json")
    files = json.loads(shown.stdout)[""]["data"]
    names = [name for file in files.values() for name in file["data"]]
    assert "val_loss" in names
    assert len(names) == len(set(names)) < 45, "each number has a name of its own, and they are few"
    plots = command(project, "dvc", "plots", "show", "--json")
    drawn = json.loads(plots.stdout)
    assert not drawn.get("errors"), plots.stdout[:2000]
    named = [name for name in drawn["data"] if not name.endswith(".png")]
    assert named == [next(iter(plot)) for plot in DAG["plots"] if isinstance(plot, dict)]
    assert command(project, "dvc", "dag").returncode == 0
