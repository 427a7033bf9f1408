"""A user's mistake is one line and status 1; anything else stays loud."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from looking_glass.pipeline.errors import SIZES, InputError, run_stage
from tests.helpers.project import ROOT


def run_as_program(body: str) -> subprocess.CompletedProcess[str]:
    """Run a stage whose `main` has this body in a process of its own, as DVC does."""
    source = (
        "import os, signal\n"
        "from looking_glass.pipeline.errors import SIZES, InputError, run_stage\n"
        # A program that a script starts in the background ignores Ctrl-C, and so would this one.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"def main():\n    {body}\n"
        "run_stage(main)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("steps is required: add it", "error: steps is required: add it\n"),
        ("not valid YAML:\n  line 3,\n\tcolumn 1", "error: not valid YAML: line 3, column 1\n"),
    ],
)
def test_an_input_error_is_exactly_one_line_on_stderr_and_status_1(message: str, line: str) -> None:
    done = run_as_program(f"raise InputError({message!r})")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_ctrl_c_exits_with_130_and_no_traceback() -> None:
    done = run_as_program("os.kill(os.getpid(), signal.SIGINT)")
    assert done.returncode == 130
    assert done.stderr.count("\n") == 1
    # No more: training goes on from a state that it saved.
    assert done.stderr == "interrupted: the stage is unfinished, run it again\n"


def test_a_stage_that_succeeds_exits_with_0_and_says_nothing_itself() -> None:
    done = run_as_program("print('done')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_bug_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_stage(main)


def test_only_an_input_error_itself_is_taken_for_the_users_mistake() -> None:
    def main() -> None:
        raise InputError("what was required")

    with pytest.raises(SystemExit) as caught:
        run_stage(main)
    assert caught.value.code == "error: what was required"


def test_a_terminal_with_a_smaller_alphabet_stops_no_stage() -> None:
    code = (
        "from looking_glass.pipeline.errors import run_stage\n"
        "run_stage(lambda: print('5 → 4 nats'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "5 ? 4 nats"), done.stderr


def test_a_reader_who_leaves_ends_the_stage_in_one_line(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from looking_glass.pipeline.artifacts import whole_file\n"
        "from looking_glass.pipeline.errors import run_stage\n"
        "def main():\n"
        "    with whole_file(Path('out.txt')):\n"
        "        sys.stdin.readline()\n"
        "        print('half', flush=True)\n"
        "run_stage(main)"
    )
    stage = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stage.stdin is not None
    assert stage.stdout is not None
    assert stage.stderr is not None
    stage.stdout.close()
    stage.stdin.write("go on\n")
    stage.stdin.close()
    said = stage.stderr.read()
    stage.stderr.close()
    assert said == ("error: Broken pipe: whoever read what this stage says is gone, run it again\n")
    assert stage.wait() == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        ("OSError(28, os.strerror(28), 'data/x')", "error: data/x: No space left on device: free "),
        ("OSError(27, os.strerror(27))", "error: File too large: free space there or lift"),
        (
            "PermissionError(13, 'Permission denied', 'data')",
            "error: data: Permission denied: ",
        ),
        (
            "FileNotFoundError(2, 'No such file', 'data/x')",
            "error: data/x: No such file: run dvc",
        ),
        ("OSError('4 requested and 0 written')", "error: 4 requested and 0 written: free"),
        ("MemoryError()", "error: the memory of this machine does not suffice"),
        (
            "RuntimeError('DefaultCPUAllocator: can\\'t allocate memory: you tried 9 bytes')",
            "error: the memory of this machine does not suffice (DefaultCPUAllocator: can't",
        ),
        ("RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')", "(CUDA out of memory."),
        (
            "RuntimeError('std::bad_alloc')",
            "(std::bad_alloc): lower what this stage",
        ),
        ("InputError('x' * 100_000)", "error: xxx"),
    ],
)
def test_what_the_machine_refuses_is_one_line_and_status_1(
    raised: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = eval(raised, {"os": os, "InputError": InputError})

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run_stage(main)
    told = str(caught.value.code)
    assert line in told
    assert "\n" not in told
    assert len(told) < 1100
    assert capsys.readouterr().err == ""


def test_any_other_runtime_error_keeps_its_traceback() -> None:
    def main() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        run_stage(main)


def test_what_may_be_lowered_is_in_params_yaml() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for dotted in (*SIZES, "train.accumulate"):
        assert isinstance(functools.reduce(dict.__getitem__, dotted.split("."), params), int)
