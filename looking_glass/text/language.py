"""Section `text` of the parameters: which language the text is in, and what counts as a word."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from looking_glass.pipeline.params import Section

WordKind = Literal["spaces", "segments", "tokens"]
# ISO 639-1. The library that finds sentence ends takes any code, and reads one that it does not
# know as English: a misspelt one would go unseen.
CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy
    hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg
    li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or
    os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
    te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""


class TextParams(Section):
    """Section `text`."""

    language: str  # ISO 639-1: it decides where sentences end, and how a browser reads the text
    words: WordKind

    @field_validator("language")
    @classmethod
    def _known(cls, code: str) -> str:
        if code.partition("-")[0] not in CODES.split():
            raise ValueError(
                "a language's two-letter code is required (ISO 639-1), such as en, de, zh or ar; "
                "take that of one whose sentences end alike where there is none"
            )
        return code
