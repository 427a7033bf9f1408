"""Small made-up books in six languages, each of few words and one grammar; sentences by hand."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Told:
    """A book in a language, and the prompt and the sentence that are asked of its model."""

    language: str
    words: str  # as in the parameters
    text: str
    prompt: str  # of ten words
    sentence: str
    block_size: int = 64  # of ten words and two more
    steps: int = 30  # of training, after which the model writes whole words, and not one for ever
    file: str | None = None  # what stands in the file, where that is not the text alone
    encoding: str = "utf-8"  # of the file

    @property
    def content(self) -> bytes:
        return (self.text if self.file is None else self.file).encode(self.encoding)


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
    steps=40,
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
# Each paragraph is one line, which an ideographic space begins, and no line is blank.
JAPANESE_TEXT = paragraphs(
    itertools.product(("ねこ", "王さま", "老人", "子ども"), ("うさぎ", "ネズミ", "白い馬", "カメ")),
    "{a}は川のそばで{b}を見た。もう日が暮れたので、{a}は家へ帰った。\n\n「やあ！」\n\n"
    "{b}は{a}にそう言った。",
)
JAPANESE = Told(
    language="ja",
    words="segments",
    text=JAPANESE_TEXT,
    prompt="ねこは川のそばでうさ",
    sentence="もう日が暮れた。",
    file="".join(f"\u3000{line}\r\n" for line in JAPANESE_TEXT.split("\n\n")),
    encoding="shift_jis",
)
# As Project Gutenberg's files of the 1990s are: wrapped, after a long notice, each line end spoilt
# once more by a transfer.
RUSSIAN_TEXT = paragraphs(
    itertools.product(("кот", "дед", "гном", "лис"), ("ёж", "крот", "лось", "бык")),
    "Тут {a} и {b} шли по лесу. Уже был час ночи, и {a} шёл как-то не туда. «Эй, ты!» – так {b} "
    "звал его домой.",
)
RUSSIAN_WRAPPED = "\n\n".join(textwrap.fill(one, 60) for one in RUSSIAN_TEXT.split("\n\n"))
RUSSIAN_FILE = f"""\
The Project Gutenberg Etext of A Walk in the Wood
***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this notice here? It tells what may be done with this Etext.
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*

{RUSSIAN_WRAPPED}

End of The Project Gutenberg Etext of A Walk in the Wood
"""
RUSSIAN = Told(
    language="ru",
    words="spaces",
    text=RUSSIAN_TEXT,
    prompt="Тут кот и ёж шли по лесу. Уже был час",
    sentence="Уже был час ночи.",
    block_size=96,
    file=RUSSIAN_FILE.replace("\n", "\r\r\n"),
    encoding="windows-1251",
)
EVERY_LANGUAGE = (CHINESE, HINDI, ARABIC, GERMAN, JAPANESE, RUSSIAN)

# The text, its words between spaces and its segments, each set apart by a bar.
SENTENCES = [
    ("他说：“我来了。”", "他说：“我来了。”", "他|说：|“我|来|了。”"),
    ("「你好」，3.5个iPhone！", "「你好」，3.5个iPhone！", "「你|好」，|3.5|个|iPhone！"),
    ("मैं घर गया। वह आया।", "मैं|घर|गया।|वह|आया।", "मैं|घर|गया।|वह|आया।"),
    ("هل جاء؟ نعم، جاء.", "هل|جاء؟|نعم،|جاء.", "هل|جاء؟|نعم،|جاء."),
    (
        "„Ja“, sagte z.B. Max-Otto (3,5 €).",
        "„Ja“,|sagte|z.B.|Max-Otto|(3,5|€).",
        "„Ja“,|sagte|z.B.|Max-|Otto|(3,5 €).",
    ),
    ("« Non », dit-il. ¿Qué?", "«|Non|»,|dit-il.|¿Qué?", "« Non »,|dit-|il.|¿Qué?"),
    ("ฉันไป บ้าน", "ฉันไป|บ้าน", "ฉั|น|ไ|ป|บ้|า|น"),
    ("カタカナの🤗🏽!", "カタカナの🤗🏽!", "カタカナ|の|🤗🏽!"),
    ('a - b "c" d', 'a|-|b|"c"|d', 'a -|b|"c"|d'),
]
