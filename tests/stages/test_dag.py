"""dvc.yaml and params.yaml beside the scripts of the stages."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from looking_glass.pipeline.params import SECTIONS
from tests.helpers.code import ROOMS, syntax
from tests.helpers.project import ROOT

DAG: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES: dict[str, Any] = DAG["stages"]
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())


def test_a_script_for_every_stage_and_a_stage_for_every_script() -> None:
    scripts = {path.stem for path in (ROOT / "stages").glob("[!_]*.py")}
    # Scripts for when they are asked for: one compares runs, one scores sentences from a file.
    assert scripts - {"verify", "score"} == set(STAGES)
    for name, stage in STAGES.items():
        launcher, *words = stage["cmd"].split()[:3]
        assert launcher == ("\\${LAUNCH:-python}" if name == "train" else "python")
        assert words == ["-m", f"stages.{name}"]


def sections_loaded(path: Path) -> set[str]:
    """Return the sections of parameters that the file at `path` reads."""
    loaded: set[str] = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "load_section":
                section = node.args[1]
                assert isinstance(section, ast.Constant)
                loaded.add(str(section.value))
            elif node.func.id == "load_all":
                loaded |= set(SECTIONS)
    return loaded


@pytest.mark.parametrize("name", STAGES)
def test_declared_params_are_the_sections_that_the_script_loads(name: str) -> None:
    declared = STAGES[name]["params"]
    assert set(declared) == sections_loaded(ROOT / "stages" / f"{name}.py")
    assert len(declared) == len(set(declared))


def test_no_room_reads_parameters_by_itself() -> None:
    for path in ROOMS.rglob("*.py"):
        if path != ROOMS / "pipeline/params.py":
            assert not sections_loaded(path), path


def test_params_yaml_has_the_sections_that_stages_read_in_the_order_of_the_code() -> None:
    assert tuple(PARAMS) == SECTIONS


def texts_in(value: Any) -> list[str]:
    """Return every text in a tree of parameters."""
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        return [text for one in inner for text in texts_in(one)]
    return [value] if isinstance(value, str) else []


def test_no_parameter_breaks_a_line_of_the_tables_that_dvc_writes() -> None:
    texts = texts_in(PARAMS)
    assert len(texts) > 20
    assert [text for text in texts if len(text.splitlines()) > 1] == []


def test_what_is_made_for_others_is_an_out_of_a_stage() -> None:
    (artifact,) = DAG["artifacts"].values()
    assert artifact["type"] == "model"
    assert artifact["path"] in STAGES["export"]["outs"]


def test_every_plot_is_drawn_from_an_out_of_the_report() -> None:
    drawn_from_data = [plot for plot in DAG["plots"] if isinstance(plot, dict)]
    assert len(drawn_from_data) == 5
    for plot in drawn_from_data:
        for drawn in plot.values():
            assert all(path.startswith("reports/plots/") for path in drawn["y"])
            assert (ROOT / ".dvc/plots" / f"{drawn['template']}.json").exists()
