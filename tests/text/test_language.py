"""Section `text`: a language is known by its code."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from looking_glass.text.language import CODES, TextParams


def test_a_language_has_a_code_of_two_letters() -> None:
    assert len(set(CODES.split())) == len(CODES.split()) == 183
    assert all(len(code) == 2 for code in CODES.split())
    for code in ("en", "zh", "zh-hant", "ar"):
        assert TextParams(language=code, words="spaces").language == code


@pytest.mark.parametrize("code", ["", "english", "xx", "EN", "e"])
def test_another_code_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="two-letter code is required"):
        TextParams(language=code, words="spaces")
    with pytest.raises(ValidationError):
        TextParams(language="en", words="letters")  # type: ignore[arg-type]
