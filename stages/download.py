"""Fetch the book and GPT-2's BPE tables, each checked against its hash."""

from __future__ import annotations

from pathlib import Path

from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.pipeline.partial import partial_directory
from looking_glass.text.fetching import fetch_all
from looking_glass.text.sources import DownloadParams

DATA = Path("data")


def main() -> None:
    """Write the files as they were published; all of them, or none."""
    params = load_section(DownloadParams, "download")
    sources = params.sources()
    with partial_directory(DATA / "download") as directory:
        fetch_all(sources, directory)
        for name in sources:
            size = (directory / name).stat().st_size
            (directory / name).replace(DATA / name)
            print(f"{DATA / name}: {size:,} bytes")


if __name__ == "__main__":
    run_stage(main)
