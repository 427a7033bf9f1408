"""A measured loss is told only of the settings, and of the text, that it was measured on."""

from __future__ import annotations

from typing import Any

import pytest

from looking_glass.report.measured import settings_key

SETTINGS: dict[str, Any] = {
    "encode": {"unwrap": True, "held_out": "last"},
    "model": {"n_layer": 2},
    "train": {"steps": 5, "seed": 1},
    "report": {"dpi": 50},
}
KEY = settings_key(SETTINGS, 100, 10)


@pytest.mark.parametrize(
    ("section", "change", "same"),
    [
        ("train", {"seed": 9}, True),
        ("encode", {"held_out": "first"}, True),
        ("report", {"dpi": 99}, True),
        ("train", {"steps": 6}, False),
        ("model", {"n_layer": 3}, False),
        ("encode", {"unwrap": False}, False),
    ],
)
def test_the_seed_and_the_end_held_out_are_no_other_settings(
    section: str, change: dict[str, Any], same: bool
) -> None:
    changed = {**SETTINGS, section: {**SETTINGS[section], **change}}
    assert (settings_key(changed, 100, 10) == KEY) is same


def test_another_text_is_another_key_that_never_reads_as_a_number() -> None:
    assert len({KEY, settings_key(SETTINGS, 101, 10), settings_key(SETTINGS, 100, 11)}) == 3
    assert KEY.startswith("s")
