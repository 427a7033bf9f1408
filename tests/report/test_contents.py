"""Parts and figures have the numbers of the places where they stand."""

from __future__ import annotations

import pytest

from looking_glass.report.contents import Contents


def test_parts_and_figures_are_numbered_as_they_come() -> None:
    contents = Contents()
    assert [contents.part(name, name.title()) for name in ("data", "training")] == [1, 2]
    assert contents.under("context", "What context is worth") == "What context is worth"
    assert [contents.figure(name) for name in ("loss", "contexts")] == [1, 2]
    assert (contents.number_of("contexts"), contents.number_of_part("training")) == (2, 2)
    assert [part.title for part in contents.parts] == ["Data", "Training"]
    assert [part.under for part in contents.parts] == [[], [("context", "What context is worth")]]


def test_what_the_page_lacks_has_no_number() -> None:
    with pytest.raises(ValueError, match="loss"):
        Contents().number_of("loss")
    with pytest.raises(ValueError, match="data"):
        Contents().number_of_part("data")
