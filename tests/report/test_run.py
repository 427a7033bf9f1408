"""The parts of a report that are the same on every machine, and parameters as rows."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from looking_glass.report.run import PACKAGES, flatten, public_version, to_png


def test_a_figure_is_a_png_of_the_size_asked_for_and_names_no_version() -> None:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    png = to_png(figure, 50)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (100, 50)
    assert b"atplotlib" not in png
    assert to_png(figure, 50) == png


def test_versions_bear_no_builds_name() -> None:
    for name in PACKAGES:
        assert re.fullmatch(r"[\d.]+(rc\d+)?", public_version(name)), name


def test_parameters_are_rows_of_dotted_keys() -> None:
    nested = {"a": {"b": 1, "c": {"d": [2, 3]}}, "e": None, "f": {}}
    assert flatten(nested) == [("a.b", 1), ("a.c.d", [2, 3]), ("e", None)]
