"""WebAssembly of the page with the model in it, assembled from its source: `make kernel`."""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

from wasmtime import wat2wasm

from looking_glass.report.live import document

HERE = Path(document.__file__).parent
SOURCE, MODULE = HERE / "kernel.wat", HERE / "kernel_bytes.js"


def module_of(source: str) -> str:
    """Return the JavaScript module that holds a WebAssembly text, assembled, in base64."""
    lines = textwrap.wrap(base64.b64encode(wat2wasm(source)).decode("ascii"), 96)
    head = "/** kernel.wat, assembled and in base64: `make kernel` writes this file. */\n"
    return head + "export const KERNEL = `\n" + "\n".join(lines) + "\n`;\n"


if __name__ == "__main__":
    MODULE.write_text(module_of(SOURCE.read_text("utf-8")), "utf-8")
