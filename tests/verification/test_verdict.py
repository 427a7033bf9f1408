"""A comparison ends in one screen and one number."""

from __future__ import annotations

from pathlib import Path

from looking_glass.verification.verdict import DIFFERS, SAME_BYTES, SAME_NUMBERS, Comparison, judge


def verdict(tmp_path: Path, *values: tuple[float, float]) -> Comparison:
    for folder in ("committed", "found"):
        (tmp_path / folder).mkdir()
    for index, pair in enumerate(values):
        for folder, value in zip(("committed", "found"), pair, strict=True):
            (tmp_path / folder / f"{index}.json").write_text(f'{{"loss": {value}}}')
    names = [f"{index}.json" for index in range(len(values))]
    return judge(names, tmp_path / "committed", tmp_path / "found")


def test_the_same_bytes(tmp_path: Path) -> None:
    found = verdict(tmp_path, (1.0, 1.0), (2.0, 2.0))
    assert found.told() == ["the same bytes: 2 files"]
    assert found.exit_code == SAME_BYTES


def test_the_same_numbers(tmp_path: Path) -> None:
    found = verdict(tmp_path, (1.0, 1.0), (2.0, 2.001))
    (line,) = found.told()
    assert line.startswith("the same numbers within 0.1%: 1 of 2 files differ in last digits")
    assert found.exit_code == SAME_NUMBERS


def test_what_really_differs(tmp_path: Path) -> None:
    found = verdict(tmp_path, (1.0, 1.0), (2.0, 2.001), (3.0, 4.0))
    assert found.told() == [
        "1 of 3 files differ by more than 0.1%; 1 more in last digits alone",
        "  2.json: loss: committed 3.0, found 4.0",
    ]
    assert found.exit_code == DIFFERS


def test_many_differences_fit_a_screen(tmp_path: Path) -> None:
    assert len(verdict(tmp_path, *[(1.0, 2.0)] * 40).told()) < 20


def test_nothing_is_no_agreement(tmp_path: Path) -> None:
    found = verdict(tmp_path)
    assert "nothing to compare" in found.told()[0]
    assert found.exit_code == DIFFERS
