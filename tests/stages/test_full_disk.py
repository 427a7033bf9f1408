"""Where the disk takes no more, a writer ends in one line, the old content stays, and no litter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers.project import ROOT

# Every writer of the pipeline, each to be stopped at 4,096 bytes a file.
WRITERS = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd, torch
from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.pipeline import artifacts
from looking_glass.pipeline.errors import run_stage
from looking_glass.text.corpus import Corpus, write_corpus
from looking_glass.text.fetching import fetch_all
from looking_glass.text.sources import LocalSource
from looking_glass.training.resume import Scratch
from tests.helpers.models import make_model

root = Path(sys.argv[1])
many = np.zeros(100_000, dtype=np.uint16)
model = make_model(n_embd=64)

def corpus():
    with artifacts.whole_directory(root / "corpus") as directory:
        write_corpus(directory, Corpus(train=many, val=many, vocab_size=9, val_bytes=9))

def download():
    with artifacts.whole_directory(root / "download") as directory:
        fetch_all({"book.txt": LocalSource(path=Path(sys.argv[2]))}, directory)

def checkpoint():
    with artifacts.whole_directory(root / "checkpoint") as directory:
        save_checkpoint(directory, model.state_dict(), model.config)

writers = {
    "text": lambda: artifacts.write_text(root / "text", "x" * 100_000),
    "json": lambda: artifacts.write_json(root / "json", {"x": "y" * 100_000}),
    "csv": lambda: artifacts.write_csv(root / "csv", pd.DataFrame({"x": range(100_000)})),
    "tensors": lambda: artifacts.write_tensors(root / "tensors", {"x": many}),
    "download": download,
    "corpus": corpus,
    "checkpoint": checkpoint,
    "state.pt": lambda: Scratch(root, "state").save({"x": torch.zeros(100_000)}),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for name, writer in writers.items():
    try:
        run_stage(writer)
    except SystemExit as end:
        print(name, end.code, sep="|")
"""


def test_every_writer_ends_in_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    for name in ("text", "json", "csv", "tensors"):
        (tmp_path / name).write_text("old")
    for name, inner in (("corpus", "train.bin"), ("checkpoint", "config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / inner).write_text("old")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/state.pt").write_text("old")
    (tmp_path / "download").mkdir()
    (tmp_path / "download/book.txt").write_text("old")
    book = tmp_path / "long.txt"
    book.write_text("x" * 100_000)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, str(tmp_path), str(book)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    told = dict(line.split("|") for line in done.stdout.splitlines())
    assert list(told) == [
        *("text", "json", "csv", "tensors", "download", "corpus", "checkpoint", "state.pt")
    ]
    for name, line in told.items():
        place = "state/state.pt" if name == "state.pt" else name
        assert line.startswith(f"error: {tmp_path / place}: "), line
        assert line.endswith(": free space there or lift the limit, and run the stage again"), line
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before
