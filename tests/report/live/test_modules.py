"""The page's modules by themselves: Node's own tests, Python's words, the kernel's source."""

from __future__ import annotations

import json
import re
from pathlib import Path

from looking_glass.report.live import scripts
from looking_glass.text.language import WordKind
from looking_glass.text.words import words_of
from tests.helpers.kernel import MODULE, SOURCE, module_of
from tests.helpers.languages import EVERY_LANGUAGE, SENTENCES
from tests.helpers.node import evaluated, node

HERE = Path(scripts.__file__).parent
TESTS = Path(__file__).parent
# What is nothing but the page itself: tested in a browser, or the kernel's bytes.
IN_BROWSER = {"dom", "kernel_bytes", "lesson", "page", "views", "worker"}
WORDS = """
import {{ wordsOf }} from "{here}/words.js";
import {{ readFileSync }} from "node:fs";
const cases = JSON.parse(readFileSync(0, "utf8"));
// A token is a piece of the text: a list of bytes.
const told = cases.map(({{ pieces, kind, language }}) => {{
  const known = pieces.map((bytes) => Uint8Array.from(bytes));
  const bytes = (tokens) => Uint8Array.from(tokens.flatMap((token) => pieces[token]));
  const decode = (tokens) => new TextDecoder().decode(bytes(tokens));
  const tokens = pieces.map((_, token) => token);
  return wordsOf({{ pieces: known, bytes, decode }}, tokens, kind, language)
    .map((word) => [word.start, word.stop]);
}});
console.log(JSON.stringify(told));
"""


def test_every_test_of_the_modules_passes_in_node() -> None:
    done = node("--test", "--test-reporter=tap", *map(str, sorted(TESTS.glob("*.test.js"))))
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert counted
    assert int(counted[1]) >= 40


def test_words_are_those_of_python_in_every_language() -> None:
    half = "🤗".encode()[:2]  # a character cut short
    texts = [(text.encode(), "en") for text, _, _ in SENTENCES]
    texts += [(book.text[:400].encode(), book.language) for book in EVERY_LANGUAGE]
    texts += [(half + b" b c", "en"), (b"a" + half + b" b c", "en"), (b"a b" + half, "en")]
    kinds: list[WordKind] = ["spaces", "segments", "tokens"]
    cases = []
    expected = []
    for content, language in texts:
        for kind in kinds:
            for size in (1, 4):  # bytes of a piece
                pieces = [content[at : at + size] for at in range(0, len(content), size)]
                whole = [list(piece) for piece in pieces]
                cases.append({"pieces": whole, "kind": kind, "language": language})
                expected.append([[word.start, word.stop] for word in words_of(pieces, kind)])
    found = json.loads(evaluated(WORDS.format(here=HERE), json.dumps(cases)))
    assert len(found) == len(expected) > 80
    for case, one, other in zip(cases, found, expected, strict=True):
        text = b"".join(map(bytes, case["pieces"]))  # type: ignore[arg-type]
        assert one == other, f"{case['kind']}: {text!r}"


def test_the_kernel_is_its_source_assembled() -> None:
    same = MODULE.read_text("utf-8") == module_of(SOURCE.read_text("utf-8"))
    assert same, f"{SOURCE.name} was changed: make kernel"


def test_no_module_is_without_a_test() -> None:
    tested = "".join(path.read_text("utf-8") for path in TESTS.glob("*.js"))
    names = {path.stem for path in HERE.glob("*.js")} - IN_BROWSER
    untested = {name for name in names if f"looking_glass/report/live/{name}.js" not in tested}
    assert untested == set()
