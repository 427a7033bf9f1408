"""dvc.yaml beside the code: a stage depends on what it imports, and only on that."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from looking_glass.pipeline.params import SECTIONS
from tests.tiny_project import ROOT

DAG: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES: dict[str, Any] = DAG["stages"]
MODULES = sorted(path.stem for path in (ROOT / "looking_glass").glob("[!_]*.py"))
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())


def modules_imported(path: Path) -> set[Path]:
    """Return the project's own files that the Python file at `path` imports by itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        files = [ROOT / (name.replace(".", "/") + ".py") for name in names]
        found |= {file for file in files if file.exists()}
    return found


def closure(path: Path) -> set[Path]:
    """Return `path` and every file of the project that it imports, directly or not."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        if (file := todo.pop()) not in seen:
            seen.add(file)
            todo += modules_imported(file)
    return seen


def test_a_script_for_every_stage_and_a_stage_for_every_script() -> None:
    scripts = {path.stem for path in (ROOT / "stages").glob("[!_]*.py")}
    assert scripts == set(STAGES)
    for name, stage in STAGES.items():
        launcher, *words = stage["cmd"].split()[:3]
        assert launcher == ("\\${LAUNCH:-python}" if name == "train" else "python")
        assert words == ["-m", f"stages.{name}"]


@pytest.mark.parametrize("name", STAGES)
def test_python_deps_are_the_import_closure(name: str) -> None:
    declared = {dep for dep in STAGES[name]["deps"] if dep.endswith(".py")}
    imported = {str(path.relative_to(ROOT)) for path in closure(ROOT / "stages" / f"{name}.py")}
    assert declared == imported


@pytest.mark.parametrize("name", STAGES)
def test_declared_params_are_the_sections_that_the_script_loads(name: str) -> None:
    loaded = set()
    for node in ast.walk(ast.parse((ROOT / "stages" / f"{name}.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "load_section":
                section = node.args[1]
                assert isinstance(section, ast.Constant)
                loaded.add(section.value)
            elif node.func.id == "load_all":
                loaded |= set(SECTIONS)
    assert set(STAGES[name]["params"]) == loaded


def test_params_yaml_has_the_sections_that_stages_read_in_the_order_of_the_code() -> None:
    assert tuple(PARAMS) == SECTIONS


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name: str) -> None:
    path = ROOT / "looking_glass" / f"{name}.py"
    imported = {file.stem for file in modules_imported(path)}
    analyses = {"inversion", "attention", "likelihood"}
    assert not any(file.parent.name == "stages" for file in modules_imported(path))
    if name in analyses | {"training"}:
        assert not imported & (analyses | {"training"}), "analyses never import each other"
    if name == "model":
        assert imported <= {"artifacts", "dropout", "errors", "params"}


def test_nothing_that_needs_torch_is_imported_before_training() -> None:
    for name in ("download", "encode", "report"):
        for path in closure(ROOT / "stages" / f"{name}.py"):
            tops = {
                (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import | ast.ImportFrom)
            }
            assert not any(top.split(".")[0] == "torch" for top in tops), path


def test_every_plot_is_drawn_from_an_out_of_the_report() -> None:
    for plot in DAG["plots"]:
        if isinstance(plot, dict):
            ((_, drawn),) = plot.items()
            assert all(path.startswith("reports/plots/") for path in drawn["y"])
            assert (ROOT / ".dvc/plots" / f"{drawn['template']}.json").exists()
