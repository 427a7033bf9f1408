"""Fetch the book and GPT-2's BPE tables, each checked against its hash."""

from __future__ import annotations

from pathlib import Path

from looking_glass.pipeline.artifacts import write_bytes
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.fetching import fetch_all
from looking_glass.text.sources import DownloadParams

DATA = Path("data")


def main() -> None:
    """Write the files as they were published; all of them, or none."""
    params = load_section(DownloadParams, "download")
    for name, content in fetch_all(params.sources()).items():
        write_bytes(DATA / name, content)
        print(f"{DATA / name}: {len(content):,} bytes")


if __name__ == "__main__":
    run_stage(main)
