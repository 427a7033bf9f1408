"""Modules joined into one script, each with its own names."""

from __future__ import annotations

from pathlib import Path

import pytest

from looking_glass.report.live import scripts
from looking_glass.report.live.scripts import join_modules
from tests.helpers.node import evaluated

HERE = Path(scripts.__file__).parent
LONGEST = 270


def test_joined_modules_run_in_order_and_keep_their_names_apart(tmp_path: Path) -> None:
    (tmp_path / "low.js").write_text("const own = 1;\nexport const low = own;\n")
    (tmp_path / "mid.js").write_text(
        'import { low } from "./low.js";\nconst own = 10;\n'
        "export function mid() { return low + own; }\nexport const unit = own;\n"
    )
    (tmp_path / "top.js").write_text(
        'import { low } from "./low.js";\nimport { mid, unit as ten } from "./mid.js";\n'
        "console.log(low, mid(), ten);\n"
    )
    script = join_modules("top", tmp_path)
    assert evaluated(script) == "1 11 10\n"


@pytest.mark.parametrize(
    "line", ['import x from "./low.js";', "export default 1;", "export { x };"]
)
def test_a_form_that_it_does_not_know_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "low.js").write_text("")
    (tmp_path / "top.js").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"top\.js: import"):
        join_modules("top", tmp_path)


def test_modules_stay_small() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in HERE.glob("*.js")}
    assert len(lengths) > 10
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}
