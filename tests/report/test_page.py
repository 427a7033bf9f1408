"""The page: values are escaped, and one that is missing is missed."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from looking_glass.report import page
from tests.helpers.report import READINGS


def test_values_are_escaped_and_filters_are_the_houses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "TEMPLATES", tmp_path)
    template = "{{ plain }}|{{ text|show }}|{{ share|percent }}|{{ name|reading }}"
    (tmp_path / "report.html.jinja").write_text(template)
    context = {"plain": " <b>", "text": " <b>", "share": 0.5, "name": "prefix_1"}
    shown = page.render(context, READINGS)
    assert shown == " &lt;b&gt;|␣&lt;b&gt;|50.0%|prefix of 1 vector\n"
    del context["plain"]
    with pytest.raises(UndefinedError, match="'plain' is undefined"):
        page.render(context, READINGS)


def test_a_digest_is_what_a_policy_names_a_script_by() -> None:
    # The example of W3C's Content Security Policy Level 3, section 2.3.1.
    known = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    assert page.digest("alert('Hello, world.');") == known


def test_what_runs_from_right_to_left_is_set_apart_in_a_sentence() -> None:
    assert page.isolated("“نعم” (0.5) and “no”") == "“\u2068نعم\u2069” (0.5) and “\u2068no\u2069”"
    assert page.isolated("“yes” (0.5)") == "“yes” (0.5)"
    assert page.isolated(0.5) == 0.5
