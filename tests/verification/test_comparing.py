"""Two runs are the same in bytes, in numbers, or not."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from looking_glass.verification.comparing import Difference, close, compare


def differences(
    tmp_path: Path, name: str, committed: str | bytes, found: str | bytes
) -> list[Difference] | None:
    for folder, content in (("committed", committed), ("found", found)):
        file = tmp_path / folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return compare(name, tmp_path / "committed", tmp_path / "found")


def png(value: float, size: int = 10, marked: int = 0) -> bytes:
    image = np.full((size, size, 3), value)
    image[:marked] = 0.0
    out = io.BytesIO()
    matplotlib.image.imsave(out, image, format="png")
    return out.getvalue()


SAME = [
    ("a.json", '{"loss": 4.6637, "n": [1, 2]}', '{"loss": 4.6638, "n": [1, 2]}'),
    ("a.csv", "word,effect\nthe,1.2345\n", "word,effect\nthe,1.2346\n"),
    # Beside an effect of 2 one of 1e-7 is what is left of larger numbers.
    ("a.csv", "effect\n2.0\n1e-7\n", "effect\n2.0\n3e-7\n"),
    ("a.csv", "share\n0.5\n\n", "share\n0.5001\n\n"),
    ("a.html", "<p>It is 0.12 of −3.4.</p>", "<p>It is 0.13 of −3.4.</p>"),
]
OTHER = [
    ("a.json", '{"loss": 4.66}', '{"loss": 4.68}', "loss"),
    ("a.json", '{"a": {"b": 1}}', '{"a": {}}', "a.b"),
    ("a.json", '{"a": true}', '{"a": 1.0001}', "a"),
    ("a.csv", "word,effect\nthe,1.0\n", "word,effect\ncat,1.0\n", "row 1, word"),
    ("a.csv", "effect\n1.0\n2.0\n", "effect\n1.0\n2.1\n", "row 2, effect"),
    ("a.csv", "effect\n1.0\n\n", "effect\n1.0\n2.0\n", "row 2, effect"),
    ("a.csv", "a\n1\n", "a\n1\n2\n", "rows"),
    ("a.csv", "a\n1\n", "b\n1\n", "columns"),
    ("a.html", "<p>It is 12 words.</p>", "<p>It is 13 words.</p>", "line 1"),
    ("a.html", "<p>Alice</p>", "<p>the Queen</p>", "line 1"),
    ("a.json", '{"a": 1}', '{"a": 1', ""),
    ("a.html", "a\nb", "a", "lines"),
]


@pytest.mark.parametrize(("name", "committed", "found"), SAME)
def test_other_last_digits_are_the_same_number(
    tmp_path: Path, name: str, committed: str, found: str
) -> None:
    assert differences(tmp_path, name, committed, found) == []


@pytest.mark.parametrize(("name", "committed", "found", "place"), OTHER)
def test_what_really_differs_is_told_with_its_place(
    tmp_path: Path, name: str, committed: str, found: str, place: str
) -> None:
    (one,) = differences(tmp_path, name, committed, found) or []
    assert (one.file, one.place) == (name, place)


def test_the_same_bytes_are_no_matter_of_what_they_say(tmp_path: Path) -> None:
    assert differences(tmp_path, "a.json", "no JSON", "no JSON") is None


def test_a_file_that_one_run_lacks_differs(tmp_path: Path) -> None:
    differences(tmp_path, "a.csv", "a\n1\n", "a\n1\n")
    (tmp_path / "found/a.csv").unlink()
    (one,) = compare("a.csv", tmp_path / "committed", tmp_path / "found") or []
    assert (one.committed, one.found) == ("there", "missing")


def test_figures_are_compared_by_what_is_seen(tmp_path: Path) -> None:
    assert differences(tmp_path, "a.png", png(0.5), png(0.51)) == []
    assert differences(tmp_path, "a.png", png(0.5), png(0.5, marked=2))
    assert differences(tmp_path, "a.png", png(0.5), png(0.5, size=12))
    assert differences(tmp_path, "a.png", png(0.5), b"no picture")


def test_no_number_is_close_to_no_number_alone() -> None:
    nan = float("nan")
    assert close(nan, nan)
    assert not close(nan, 1.0)
    assert not close(1.0, nan)


def test_a_page_tells_its_pictures_by_number(tmp_path: Path) -> None:
    def page(*images: bytes) -> str:
        return "".join(
            f'<img src="data:image/png;base64,{base64.b64encode(one).decode()}" alt="">'
            for one in images
        )

    same, other = page(png(0.5), png(0.5)), page(png(0.5), png(0.5, marked=2))
    assert differences(tmp_path, "a.html", same, page(png(0.5), png(0.51))) == []
    (one,) = differences(tmp_path, "a.html", same, other) or []
    assert one.place == "picture 2, pixels"
