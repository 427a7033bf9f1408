"""The house: which room may use which, how large a thing may be, and what each stage depends on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from looking_glass.attention import measures as measured
from looking_glass.report.measures import BY_KEY
from tests.helpers.code import ROOMS, closure, modules_imported, names_imported, relative, syntax
from tests.helpers.project import ROOT, command

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# What each room may use beside itself.
BELOW: dict[str, set[str]] = {
    "pipeline": set(),
    "text": {"pipeline"},
    "gpt": {"pipeline", "text"},
    "training": {"pipeline", "text", "gpt"},
    "baselines": {"pipeline", "text"},
    "inversion": {"pipeline", "text", "gpt"},
    "attention": {"pipeline", "text", "gpt"},
    "likelihood": {"pipeline", "text", "gpt"},
    "yardstick": {"pipeline", "text", "gpt", "attention"},
    "scoring": {"pipeline", "text", "gpt", "likelihood"},
    "report": {"pipeline"},
    "verification": {"pipeline"},
}
MODULES = sorted(path for path in ROOMS.rglob("*.py") if path.name != "__init__.py")
SCRIPTS = sorted((ROOT / "stages").glob("[!_]*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# Lines. A longer one wants a second idea taken out of it.
STAGE, MODULE, FUNCTION = 75, 270, 60
# Tests that are not of one module, or of modules in JavaScript.
ELSEWHERE = {
    "tests/inversion/test_whole.py",
    "tests/report/test_browser.py",
    "tests/report/live/test_modules.py",
    "tests/yardstick/test_planted.py",
}


def room_of(path: Path) -> str:
    return path.relative_to(ROOMS).parts[0]


def named(path: Path) -> str:
    return relative(path)


def test_every_module_lies_in_a_room() -> None:
    assert {room_of(path) for path in MODULES} == set(BELOW)
    assert [path.name for path in ROOMS.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("room", BELOW)
def test_a_room_uses_itself_and_what_lies_below(room: str) -> None:
    for path in MODULES:
        if room_of(path) == room:
            for used in modules_imported(path):
                assert used.is_relative_to(ROOMS), f"{named(path)} imports {named(used)}"
                assert room_of(used) in BELOW[room] | {room}, f"{named(path)} imports {named(used)}"


def test_no_module_waits_for_itself() -> None:
    graph = {path: modules_imported(path) for path in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_a_stage_uses_rooms_and_no_other_stage() -> None:
    for script in SCRIPTS:
        used = modules_imported(script)
        assert used
        assert all(path.is_relative_to(ROOMS) for path in used), named(script)


def test_the_library_uses_neither_stages_nor_tests_nor_benchmarks() -> None:
    for path in (*MODULES, *SCRIPTS):
        tops = {name.partition(".")[0] for name in names_imported(path)}
        assert not tops & {"stages", "tests", "benchmarks"}, named(path)


def test_the_report_and_the_first_stages_do_without_torch() -> None:
    report = [path for path in MODULES if room_of(path) == "report"]
    first = [ROOT / f"stages/{name}.py" for name in ("download", "encode", "report")]
    for path in {file for start in (*report, *first) for file in closure(start)}:
        tops = {name.partition(".")[0] for name in names_imported(path)}
        assert "torch" not in tops, named(path)


def test_nor_does_anything_that_they_import_import_it() -> None:
    stages = "stages.download, stages.encode, stages.report"
    code = f"import sys, {stages}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_every_init_file_is_empty() -> None:
    packages = [ROOMS, ROOT / "stages", ROOT / "tests"]
    found = [path for package in packages for path in package.rglob("__init__.py")]
    assert len(found) > len(BELOW)
    assert [named(path) for path in found if path.read_bytes()] == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other(name: str) -> None:
    deps = STAGES[name]["deps"]
    declared = [dep for dep in deps if dep.startswith(("looking_glass", "stages"))]
    imported = {relative(path) for path in closure(ROOT / "stages" / f"{name}.py")}
    for dep in declared:
        used = {path for path in imported if path == dep or path.startswith(f"{dep}/")}
        assert used, f"{dep} is declared, and nothing of it is imported"
    for path in imported:
        holds = [dep for dep in declared if path == dep or path.startswith(f"{dep}/")]
        assert len(holds) == 1, f"{path} is imported, and declared by {holds}"


def test_what_a_stage_depends_on_is_there() -> None:
    made = {out for stage in STAGES.values() for out in outs_of(stage)}
    for name, stage in STAGES.items():
        for dep in stage["deps"]:
            produced = any(out == dep or out.startswith(f"{dep}/") for out in made)
            assert produced or (ROOT / dep).exists(), f"{name}: {dep}"


def outs_of(stage: dict[str, Any]) -> list[str]:
    outs = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in outs]


@pytest.mark.parametrize(
    ("paths", "most"), [(SCRIPTS, STAGE), (MODULES, MODULE)], ids=["stages", "modules"]
)
def test_files_stay_small(paths: list[Path], most: int) -> None:
    lengths = {named(path): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {name: n for name, n in lengths.items() if n > most} == {}


def test_functions_stay_small() -> None:
    long = {}
    for path in (*SCRIPTS, *MODULES):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.FunctionDef):
                n = (node.end_lineno or 0) - node.lineno + 1
                if n > FUNCTION:
                    long[f"{named(path)}: {node.name}"] = n
    assert long == {}


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(named(path))
    assert len(places) > 30
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_nothing_goes_by_another_modules_name() -> None:
    modules = {path.stem for path in MODULES}
    for path in (*MODULES, *SCRIPTS):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                borrowed = [a for a in node.names if a.asname in modules and a.asname != a.name]
                assert not borrowed, f"{named(path)} calls {borrowed[0].name} {borrowed[0].asname}"


def test_both_lists_of_measures_are_the_same() -> None:
    assert tuple(BY_KEY) == measured.MEASURES


def literals(node: ast.AST) -> set[str]:
    """Return the strings that a literal list, tuple, set or mapping's keys are made of."""
    parts: list[ast.expr | None] = []
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = [*node.elts]
    elif isinstance(node, ast.Dict):
        parts = [*node.keys]
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    return {value for value in values if isinstance(value, str)}


def test_the_report_has_one_list_of_measures_and_one_name_for_each() -> None:
    words = {
        text
        for measure in BY_KEY.values()
        for text in (measure.label, measure.source_label, measure.short, measure.title)
    }
    for path in MODULES:
        if room_of(path) == "report" and path.name != "measures.py":
            for node in ast.walk(syntax(path)):
                assert len(literals(node) & set(BY_KEY)) < 2, f"{named(path)} lists measures"
                if isinstance(node, ast.Constant):
                    assert node.value not in words, f"{named(path)} names a measure"
    for path in (ROOMS / "report/templates").iterdir():
        used = re.findall(r"""\.(\w+)|["'](\w+)["']""", path.read_text("utf-8"))
        assert not {name for pair in used for name in pair} & set(BY_KEY), named(path)


def test_dvc_looks_at_no_readme_and_no_bytecode() -> None:
    ignored = ["books/README.md", "looking_glass/report/__pycache__/run.pyc"]
    watched = ["books/my_book.txt", "looking_glass/report/run.py", "books"]
    told = command(ROOT, "dvc", "check-ignore", *ignored, *watched)
    assert told.stdout.splitlines() == ignored, told.stderr


def test_no_test_imports_another_and_helpers_hold_none() -> None:
    for path in TESTS:
        for used in modules_imported(path):
            assert not used.name.startswith(("test_", "conftest")), f"{named(path)}: {named(used)}"
    for path in (ROOT / "tests/helpers").glob("*.py"):
        assert not path.name.startswith("test_")
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert not node.name.lower().startswith("test"), named(path)


def test_the_tests_lie_in_the_rooms_that_they_test() -> None:
    rooms = {path.relative_to(ROOT / "tests").parts[0] for path in TESTS if "test_" in path.name}
    assert rooms == {*BELOW, "stages", "interop", "test_architecture.py"}
    for path in TESTS:
        inside = path.relative_to(ROOT / "tests")
        if path.name.startswith("test_") and inside.parts[0] in BELOW:
            module = ROOMS / inside.parent / path.name.removeprefix("test_")
            assert module.exists() or named(path) in ELSEWHERE, f"{named(path)} has no module"


def locked(name: str) -> list[tuple[str, str]]:
    """Return the packages of a lock file, each with what is said of it: version, hashes, where."""
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)[1:]
    return [(entry.partition("==")[0], entry.partition("==")[2]) for entry in entries]


def test_every_package_that_is_let_in_has_a_hash_but_torch() -> None:
    locks = sorted(path.name for path in ROOT.glob("requirements*.txt"))
    assert len(locks) == 6
    for lock in locks:
        bare = {name for name, said in locked(lock) if "--hash=sha256:" not in said}
        assert bare == ({"torch"} if lock == "requirements-torch.txt" else set()), lock
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert [f"{name}=={said.strip()}" for name, said in locked("requirements-torch.txt")] == [
        wanted for wanted in pinned if wanted.startswith("torch")
    ]


def test_every_dependency_of_ours_is_told_with_its_version() -> None:
    told = (ROOT / "docs/dependencies.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z][a-z0-9-]*) \| (\d[^ ]*) \|", told, flags=re.MULTILINE)
    known = {  # one may be locked in two versions, for older and newer Pythons
        (name, re.split(r"[\s;]", said)[0])
        for lock in ("tools", "build", "dev", "interop", "torch")
        for name, said in locked(f"requirements-{lock}.txt")
    }
    assert set(rows) <= known
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    wanted = {
        re.split(r"[\[<>=;]", line)[0].replace(".", "-") for group in groups for line in group
    }
    assert {name for name, _ in rows} == wanted


def test_the_tests_that_the_documentation_names_are_there() -> None:
    text = (ROOT / "docs/any-input.md").read_text()
    named_tests = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
    assert len(named_tests) > 30
    for path, name in named_tests:
        assert f"def {name}(" in (ROOT / "tests" / path).read_text(), f"{path}::{name}"
