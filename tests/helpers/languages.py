"""Small made-up texts in four languages, each of few words and one grammar."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Told:
    """A text in a language, and the prompt and the sentence that are asked of its model."""

    language: str
    words: str  # as in the parameters
    text: str
    prompt: str  # of ten words
    sentence: str
    block_size: int = 64  # of ten words and two more


def paragraphs(pairs: Iterable[tuple[str, str]], form: str) -> str:
    return "\n\n".join(form.format(a=a, b=b) for a, b in pairs)


CHINESE = Told(
    language="zh",
    words="segments",
    text=paragraphs(
        itertools.product(
            ("小猫", "王后", "老人", "孩子"),
            ("兔子", "老鼠", "白马", "乌龟"),
        ),
        "{a}在河边看见{b}。天色已晚，{a}回家去了。「你好！」{b}对{a}说，他们就一起走了。",
    ),
    prompt="小猫在河边看见兔子。天",
    sentence="天色已晚。",
)
HINDI = Told(
    language="hi",
    words="spaces",
    text=paragraphs(
        itertools.product(
            ("राम", "रानी", "बालक", "बूढ़ा"),
            ("खरगोश", "चूहा", "घोड़ा", "कछुआ"),
        ),
        "{a} ने नदी के पास {b} देखा। शाम हुई और {a} घर गया। {b} ने कहा, नमस्ते।",
    ),
    prompt="राम ने नदी के पास खरगोश देखा। शाम हुई और",
    sentence="शाम हुई।",
    block_size=96,  # six tokens a word
)
ARABIC = Told(
    language="ar",
    words="spaces",
    text=paragraphs(
        itertools.product(
            ("الولد", "الملك", "الرجل", "القط"), ("الأرنب", "الفأر", "الحصان", "الذئب")
        ),
        "رأى {a} {b} عند النهر. هل جاء الليل؟ نعم، ثم ذهب {a} إلى البيت مع {b}.",
    ),
    prompt="رأى الولد الأرنب عند النهر. هل جاء الليل؟ نعم، ثم",
    sentence="هل جاء الليل؟",
)
GERMAN = Told(
    language="de",
    words="spaces",
    text=paragraphs(
        itertools.product(
            ("Kater", "König", "Hutmacher", "Bär"), ("Hasen", "Wal", "Igel", "Käfer")
        ),
        "Der {a} sah z.B. den {b} am Fluss. Es war spät, und der {a} ging müßig heim. „Grüß "
        "Gott!“, sagte er zum {b}, und sie gingen weiter.",
    ),
    prompt="Der Kater sah z.B. den Hasen am Fluss. Es war",
    sentence="Es war spät.",
)
EVERY_LANGUAGE = (CHINESE, HINDI, ARABIC, GERMAN)
