"""ES modules as one script: each in a function of its own, in the order of their imports.

No bundler: the modules use two forms alone, `import { a, b as c } from "./x.js";` and `export`
before a function, a class or a const. Joined, they are a plain script whose hash the page's policy
can name; an import map would need `data:` addresses, which that policy would then have to allow.
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

IMPORT = re.compile(r'^import \{([^}]+)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
OTHER = re.compile(r"^(import|export)\b.*", re.MULTILINE)
NAME = re.compile(r"[^a-zA-Z0-9]")


def join_modules(start: str, directory: Path) -> str:
    """Return the module `start` and all that it imports as one script in strict mode.

    Raises `ValueError` at an import or export of another form, and at one in a ring.
    """
    texts: dict[str, str] = {}
    graph: dict[str, set[str]] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in graph:
            texts[name] = (directory / f"{name}.js").read_text("utf-8")
            graph[name] = {match[2] for match in IMPORT.finditer(texts[name])}
            waiting += sorted(graph[name])
    order = TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order()
    return '"use strict";\n' + "".join(_as_function(name, texts[name]) for name in order)


def _as_function(name: str, text: str) -> str:
    exported = ", ".join(EXPORT.findall(text))
    body = IMPORT.sub(
        lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = {_variable(found[2])};\n", text
    )
    body = EXPORT.sub("", body)
    if other := OTHER.search(body):
        raise ValueError(f"{name}.js: import {{ … }} or export of a name is required: {other[0]}")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _variable(module: str) -> str:
    return "module_" + NAME.sub("_", module)
