"""The whole DAG on a tiny text, as DVC runs it: what runs when, the same bytes, real faults."""

from __future__ import annotations

import json
import os
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
import yaml

from looking_glass.artifacts import read_csv
from looking_glass.errors import run_stage
from looking_glass.resume import fingerprint
from stages import attention, download, encode, invert, logprob, train
from tests.conftest import ROOT

# Enough of a story for a block and its targets, told by the test itself.
TEXT = "CHAPTER I.\n\n" + "\n\n".join(
    f"The {who} saw a {what} by the river. It was late, and the {who} went home; 'Oh dear!' said\n"
    f"the {what} to the {who}, and so they walked on."
    for who in ("cat", "queen", "old hatter", "duchess")
    for what in ("rabbit", "mouse", "white king", "tortoise")
)
TEN = "The cat saw a mouse by the river. It"  # nine words: one more is wanted
EVERY_STAGE = [
    "download",
    "encode",
    "train",
    "invert",
    "attention@first",
    "attention@last",
    "logprob",
    "report",
]
# Told to write down each file of the pipeline's that Python opens, by stage.
AUDIT = """
import os, sys
log = open(os.environ["AUDIT_LOG"], "a", buffering=1)
def hook(event, args):
    if event == "open" and isinstance(args[0], (str, os.PathLike)):
        path = os.path.relpath(args[0])
        if path.startswith(("data/", "metrics/", "reports/")):
            log.write(f"{sys.orig_argv[2:]!r}|{args[1]}|{path}\\n")
sys.addaudithook(hook)
"""


def edit(root: Path, **changes: Any) -> None:
    """Change keys of params.yaml, each named by its path with __ between the parts."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        *sections, key = dotted.split("__")
        place = params
        for section in sections:
            place = place[section]
        place[key] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def command(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        words,
        cwd=root,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def repro(root: Path, *words: str, **environment: str) -> list[str]:
    """Run `dvc repro`; return the stages that it ran."""
    done = command(root, "dvc", "repro", *words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"Running stage '(.+?)'", done.stdout)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> Path:
    """A copy of the project that has run once, on a tiny text, with a tiny model."""
    root = tmp_path_factory.mktemp("project")
    for name in ("looking_glass", "stages"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "book.txt").write_text(TEXT)
    local = {"path": "book.txt", "sha256": None}
    edit(
        root,
        compute__threads=1,
        download__source="local",
        download__book__local=local,
        download__tables_source="local",
        download__vocab__local={"path": str(tables[0])},
        download__merges__local={"path": str(tables[1])},
        encode__stop_before=None,
        model__n_layer=2,
        model__n_head=2,
        model__n_embd=32,
        train__steps=60,
        train__warmup_steps=5,
        train__learning_rate=5e-3,
        train__batch_size=8,
        train__evaluate_every=20,
        invert__parallel__steps=20,
        invert__parallel__restarts=2,
        invert__prefix__steps=5,
        invert__prefix__restarts=2,
        invert__search={"steps": 2, "candidates": 4},
        invert__noise_trials=4,
        attention__prompts=[TEN + " was", 'It was late, and the "duchess"  went home to 🐿️'],
        attention__contexts=4,
        logprob__max_tokens=30,
        logprob__samples=20,
        report__dpi=50,
    )
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert command(root, *words).returncode == 0
    audit = root / "audit"
    audit.mkdir()
    (audit / "sitecustomize.py").write_text(AUDIT)
    ran = repro(root, PYTHONPATH=str(audit), AUDIT_LOG=str(root / "opened.txt"))
    assert ran == EVERY_STAGE
    return root


def test_every_artifact_is_there_and_nothing_half_written(project: Path) -> None:
    for block in ("first", "last"):
        metrics = json.loads((project / f"metrics/attention_{block}.json").read_text())
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
    dag = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
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
    assert "val_loss" in shown.stdout, shown.stderr
    plots = command(project, "dvc", "plots", "show", "--json")
    drawn = json.loads(plots.stdout)
    assert not drawn.get("errors"), plots.stdout[:2000]
    assert {"loss", "inversion"} <= set(drawn["data"])
    assert command(project, "dvc", "dag").returncode == 0


def test_a_page_of_markup_shows_it_as_text(project: Path, tmp_path: Path) -> None:
    root = shutil.copytree(project, tmp_path / "p", symlinks=True)
    edit(root, invert__sentence="<script>alert(1)</script>", invert__prefix__lengths=[1])
    for stage in ("invert", "report"):
        done = command(root, "python", "-m", f"stages.{stage}")
        assert done.returncode == 0, done.stderr
    page = (root / "reports/report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("sentence", ["I", "Привет, мир 🐿️!", "a b " * 31 + "a b"])
def test_any_sentence_that_the_block_holds_is_inverted_and_shown(copy: Path, sentence: str) -> None:
    # The last has 64 tokens, and no prefix but one of a single vector fits beside it.
    edit(copy, invert__sentence=sentence, invert__controls=[], invert__random_control=0)
    main_of(invert)()
    table = read_csv(copy / "reports/invert/frontier.csv")
    lengths = [1] if len(sentence) > 100 else [1, 3, 9, 27]
    assert table["reading"].tolist() == ["parallel", *(f"prefix_{k}" for k in lengths)]
    assert (table["loss"] >= table["lowest_possible_loss"] - 1e-4).all()
    tokens = read_csv(copy / "reports/invert/tokens.csv")
    assert ((tokens["ceiling_upper"] - tokens["ceiling_lower"]).abs() < 0.01).all()
    assert command(copy, "python", "-m", "stages.report").returncode == 0


def test_a_killed_training_leaves_nothing_half_done_and_goes_on_to_the_same_bytes(
    project: Path, tmp_path: Path
) -> None:
    made = ("data/model/model.safetensors", "metrics/train.json", "reports/train/loss.csv")
    killed = shutil.copytree(project, tmp_path / "killed", symlinks=True)
    shutil.rmtree(killed / "data/model")
    for name in made[1:]:
        (killed / name).unlink()
    edit(killed, train__steps=150)
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
