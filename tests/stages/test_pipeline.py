"""The whole DAG on a tiny text, as DVC runs it: what runs when, and the same bytes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from looking_glass.pipeline.artifacts import TEXTS, read_csv, read_tensors
from tests.helpers.project import EVERY_STAGE, ROOT, changed, command, edit, repro

DAG = yaml.safe_load((ROOT / "dvc.yaml").read_text())


def test_every_artifact_is_there_and_nothing_half_written(project: Path) -> None:
    for block in ("first", "last"):
        metrics = json.loads((project / f"data/tables/attention/{block}/details.json").read_text())
        assert metrics["predicting_row_sum"] == pytest.approx(1, abs=1e-5)
        assert metrics["attention_sum"] == pytest.approx(metrics["query_rows"], abs=1e-4)
    page = (project / "reports/report.html").read_text()
    for heading in ("The data", "Training", "Inverting", "last block", "first block", "sentence"):
        assert heading in page
    pictures = re.findall(r'src="data:image/(png;base64|svg\+xml),', page)
    assert len(pictures) == len(list((project / "reports/figures").glob("*.png")))
    assert not re.search(r'(src|href)="https?:', page), "the page needs no network"
    left_over = [p for d in ("data", "metrics", "reports") for p in (project / d).rglob(".*")]
    assert {p.name for p in left_over} <= {".gitignore"}
    assert [path.name for path in (project / ".scratch").iterdir()] == []
    assert set(metrics_of(project, "train")) == {"kept_step", "parameters"}
    evaluated = metrics_of(project, "evaluate")
    assert list(evaluated["baseline_val_loss"]) == ["unigram", "bigram", "trigram"]
    assert (
        max(evaluated["train_loss"], evaluated["val_loss"])
        < evaluated["baseline_val_loss"]["unigram"]
    )


def metrics_of(root: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / f"metrics/{stage}.json").read_text())
    return found


def test_both_blocks_go_on_from_what_was_chosen_once(project: Path) -> None:
    once = read_tensors(project / "data/choices/choices.safetensors")
    for block in ("first", "last"):
        patterns = read_tensors(project / f"data/attention/{block}/patterns.safetensors")
        for number in (1, 2):
            T = len(once[f"prompt_{number}.tokens"])
            assert patterns[f"prompt_{number}.pattern"].shape == (2, T, T)
            layer = 0 if block == "first" else -1
            own = once[f"prompt_{number}.own"][layer].mean(axis=0)
            assert patterns[f"prompt_{number}.words"] == pytest.approx(own, abs=1e-6)


def test_worth_is_exact_and_adds_up_to_what_all_words_are_worth(project: Path) -> None:
    values = read_tensors(project / "data/yardstick/values.safetensors")
    words = read_csv(project / "data/tables/yardstick/words.csv")
    assert words["prompt"].tolist() == [1] * 10 + [2] * 10
    for way in ("removed", "replaced"):
        assert values[f"contexts.{way}"].shape == (4, 2**3)
        for number, table in words.groupby("prompt"):
            of_sets = values[f"prompt_{number}.{way}"]
            assert of_sets.shape == (2**10,)
            total = table[f"{way}_total"].iloc[0]
            assert total == pytest.approx(float(of_sets[-1] - of_sets[0]), abs=1e-4)
            # A word that nothing can stand in for changes no set: it has no number, and adds none.
            assert table[f"{way}_worth"].sum() == pytest.approx(total, abs=1e-4)


def test_what_is_said_of_attention_is_on_the_page(project: Path) -> None:
    page = (project / "reports/report.html").read_text()
    for said in ("Shapley value", "Over 4 contexts of 3 words each", "all 8 sets of words"):
        assert said in page
    drawn = {path.stem for path in (project / "reports/figures").iterdir()}
    assert {"yardstick", "sink", "attention_worth", "attention_worth_2"} <= drawn


def made_by(stage: dict[str, Any]) -> list[str]:
    outs = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in outs]


def test_a_column_that_is_read_as_text_holds_text(project: Path) -> None:
    paths = list((project / "data/tables").rglob("*.csv"))
    assert len(paths) > 30
    for path in paths:
        table = pd.read_csv(path)
        for name in table.columns.intersection(TEXTS):
            assert not pd.api.types.is_numeric_dtype(table[name]), f"{path.name}: {name}"


def test_stages_open_only_what_they_declare_and_all_of_it(project: Path) -> None:
    dag = DAG["stages"]
    opened = (project / "opened.txt").read_text().splitlines()
    assert len(opened) > 30
    read: dict[str, list[str]] = {name: [] for name in dag}
    for line in opened:
        words, mode, path = line.split("|")
        if "stages." not in words:
            continue  # DVC itself
        name = re.search(r"stages\.(\w+)", words).group(1)  # type: ignore[union-attr]
        stage = dag[name]
        made = made_by(stage)
        allowed = made if "w" in mode else [*made, *stage["deps"]]
        for block in ("first", "last"):
            allowed = [*allowed, *(item.replace("${item.block}", block) for item in allowed)]
        # A partial file lies beside the one that it becomes, under .NAME.PID.xxxxxxxx.partial
        plain = re.sub(r"/\.([\w.-]+?)\.\d+\.\w{8}\.partial(?=/|$)", r"/\1", path)
        plain = plain.replace("data/download/", "data/")  # all of download's, in one folder
        if plain == "data/download":
            continue  # which is emptied at the end
        assert any(plain == item or plain.startswith(item + "/") for item in allowed), line
        read[name].append(plain)
    for name, stage in dag.items():
        for dep in stage["deps"]:
            if dep.startswith(("data/", "metrics/")) and dep not in UNHEARD:
                found = [path for path in read[name] if path == dep or path.startswith(f"{dep}/")]
                assert found, f"{name} never opens {dep}"


# Arrays alone: Python hears nothing of what safetensors opens by itself.
UNHEARD = ("data/attention", "data/choices")
# A comment at the end of a file, and the stages that depend on it.
EDITS = {
    "books/README.md": [],
    "books/book.txt": ["download"],
    "looking_glass/pipeline/statistics.py": [
        stage for stage in EVERY_STAGE if stage not in ("download", "train")
    ],
    "looking_glass/text/overlap.py": [
        stage for stage in EVERY_STAGE if stage not in ("download", "train", "export", "report")
    ],
    "looking_glass/gpt/generation.py": [
        *("evaluate", "invert", "choose", "attention@first", "attention@last"),
        *("yardstick", "logprob", "live"),
    ],
    "looking_glass/training/loop.py": ["train"],
    "looking_glass/baselines/kneser_ney.py": ["evaluate"],
    "looking_glass/inversion/search.py": ["invert"],
    "looking_glass/attention/patterns.py": [
        *("choose", "attention@first", "attention@last", "yardstick")
    ],
    "looking_glass/yardstick/shapley.py": ["yardstick"],
    "looking_glass/likelihood/scores.py": ["logprob"],
    "looking_glass/report/figures/attention.py": ["report"],
    "looking_glass/report/prose/choice.py": ["report"],
    "looking_glass/report/methods.py": ["report"],
    "looking_glass/report/templates/report.css": ["report"],
    "looking_glass/report/live/live.css": ["live", "report"],
    "looking_glass/report/card/card.md.jinja": ["export", "report"],
    "stages/choose.py": ["choose"],
}


def test_an_edit_of_code_concerns_just_the_stages_that_use_it(project: Path) -> None:
    assert changed(project) == []
    for name, stages in EDITS.items():
        path = project / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n# a comment\n")
        assert changed(project) == stages, name
        path.write_bytes(before)


def test_a_comment_in_training_trains_again_and_ends_there(project: Path) -> None:
    path = project / "looking_glass/training/loop.py"
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"""Take a run', b'"""Bring a run'))
    assert path.read_bytes() != before
    assert repro(project) == ["train"], "what it writes has the same bytes"
    path.write_bytes(before)
    assert repro(project) == []


def test_nothing_runs_twice_and_edits_run_just_what_they_touch(project: Path) -> None:
    assert repro(project) == []
    edit(project, invert__sentence="It was late")
    assert repro(project) == ["invert", "report"]
    edit(project, report__colors__primary="#336699")
    assert repro(project) == ["live", "report"]
    edit(project, text__words="tokens")
    last = EVERY_STAGE.index("choose")
    assert changed(project) == EVERY_STAGE[last:], "what a word is concerns no training"
    edit(project, text__words="spaces")
    edit(project, model__n_embd=34)
    assert repro(project, "train") == ["train"], "and not encode"
    # A dry run takes no stage for changed whose inputs are still to be made: so it is asked now.
    assert repro(project, "--dry") == EVERY_STAGE[3:]
    edit(project, model__n_embd=32)
    assert repro(project) == [], "what has run before comes from DVC's run cache"


def test_forced_again_in_other_surroundings_every_byte_is_the_same(project: Path) -> None:
    before = (project / "dvc.lock").read_bytes()
    other = {
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "4242",
        "OMP_WAIT_POLICY": "ACTIVE",
    }
    assert repro(project, "-f", **other) == EVERY_STAGE
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
