"""The project's own imports, read from its code and not by importing it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.helpers.project import ROOT

ROOMS = ROOT / "looking_glass"


def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def names_imported(path: Path) -> set[str]:
    """Return every dotted name that the file at `path` may import, wherever it does so."""
    found: set[str] = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_imported(path: Path) -> set[Path]:
    """Return the project's own modules that the file at `path` imports by itself."""
    files = {ROOT / (name.replace(".", "/") + ".py") for name in names_imported(path)}
    return {file for file in files if file.exists()}


def closure(path: Path) -> set[Path]:
    """Return `path` and every module of the project that it imports, directly or not."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        if (file := todo.pop()) not in seen:
            seen.add(file)
            todo += modules_imported(file)
    return seen


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
