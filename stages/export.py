"""Put the model, its card and its licence together in one directory that may be published."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

from looking_glass.gpt.checkpoint_config import CONFIG_FILE, read_config
from looking_glass.gpt.config import ModelParams
from looking_glass.pipeline.artifacts import read_json, whole_directory, write_text
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.report.card.document import Facts, make_card, read_citation
from looking_glass.report.card.params import ExportParams
from looking_glass.text.language import TextParams
from looking_glass.text.params import EncodeParams
from looking_glass.training.params import TrainParams

MODEL, BOOK, EXPORT = Path("data/model"), Path("data/book.txt"), Path("data/export")
METRICS, CITATION = Path("metrics"), Path("CITATION.cff")
DRAWN = ("positions", "scratch")  # values of model.init that are no directory


def main() -> None:
    """Copy the checkpoint and write README.md beside it; nothing is sent anywhere."""
    init = load_section(ModelParams, "model").init
    card = make_card(
        Facts(
            export=load_section(ExportParams, "export"),
            config=dataclasses.asdict(read_config(MODEL / CONFIG_FILE)),
            encode=read_json(METRICS / "encode.json"),
            train=read_json(METRICS / "train.json"),
            evaluate=read_json(METRICS / "evaluate.json"),
            language=load_section(TextParams, "text").language,
            held_out=load_section(EncodeParams, "encode").held_out,
            chosen_by_it=load_section(TrainParams, "train").keep == "best",
            init=None if init in DRAWN else init,
            book_sha256=sha256_of(BOOK),
            weights_sha256=sha256_of(MODEL / "model.safetensors"),
            citation=read_citation(CITATION),
        )
    )
    with whole_directory(EXPORT) as directory:
        for path in sorted(MODEL.iterdir()):
            shutil.copyfile(path, directory / path.name)
        write_text(directory / "README.md", card)
    print(f"{EXPORT}: {len(list(EXPORT.iterdir()))} files, with the model card README.md")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    run_stage(main)
