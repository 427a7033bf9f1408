"""The page with the model in it: one file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from looking_glass.report.live.packing import FINE, Array, Mask, Packed, pack, pack_merges
from looking_glass.report.live.scripts import join_modules
from looking_glass.report.params import Colors

HERE = Path(__file__).parent
MOST_BYTES = 15_000_000  # of the page
_ROOM = 650_000  # of these, for all but the weights: scripts, style and the tokenizer
MOST_WORDS = 12  # of which all sets are tried: each more doubles the time
LONGEST = 5000  # characters of a text that is scored
CANDIDATES = 60  # words that are tried in each place of an inversion


def room_for_weights() -> int:
    """Return how many bytes of the page the packed weights may take."""
    return MOST_BYTES - _ROOM


def make_page(
    weights: Mapping[str, Array],
    config: Mapping[str, int | bool],
    merges: list[tuple[int, int]],
    met: Mask,
    texts: Mapping[str, str],
    colors: Colors,
) -> tuple[str, Packed]:
    """Return the page, and how the weights were packed.

    `weights` bear GPT-2's names, `config` holds the fields of a `GPTConfig`; `met` (V,) says which
    tokens the model's text has. `texts`: the `prompt` that the page opens with, a text to be
    `scored`, the `words` and `language` of section `text`. Raises `InputError` when the model is
    too large.
    """
    packed = pack(weights, met, bool(config["tie_weights"]), room_for_weights())
    prompt = texts["prompt"].split()
    settings = {
        **texts,
        "before": "\n\n",
        "wanted": max(prompt, key=len),
        "start": " ".join(prompt[:3]),
        "most_words": MOST_WORDS,
        "longest": LONGEST,
        "candidates": CANDIDATES,
    }
    about = {"head": json.loads(packed.head), "config": dict(config), "settings": settings}
    style = _style(colors)
    script = _in_script(join_modules("page", HERE))
    page = _environment().get_template("live.html.jinja")
    rendered = page.render(
        policy=policy_of(script, style),
        style=Markup(style),  # noqa: S704 - our own, but for three colours that params check
        script=Markup(script),  # noqa: S704 - our own
        worker=Markup(_in_script(join_modules("worker", HERE))),  # noqa: S704 - our own
        about=Markup(_in_script(json.dumps(about, ensure_ascii=True))),  # noqa: S704 - escaped
        merges=Markup(pack_merges(merges)),  # noqa: S704 - without < and &
        weights=Markup(packed.body),  # noqa: S704 - without < and &
        settings=settings,
        config=config,
        parameters=sum(
            weight.size
            for name, weight in weights.items()
            if not (config["tie_weights"] and name == "lm_head.weight")
        ),
        precision=precision_of(packed),
    )
    return rendered + "\n", packed


def make_apology(reason: str, colors: Colors) -> str:
    """Return the page that stands in the place of one with the model, and says why that is none."""
    style = _style(colors)
    page = _environment().get_template("apology.html.jinja")
    told = page.render(
        policy=policy_of("", style),
        style=Markup(style),  # noqa: S704 - our own, but for three colours that params check
        reason=reason,
    )
    return told + "\n"


def precision_of(packed: Packed) -> str:
    """Return in words how precisely the page holds the weights."""
    exact = f"whole numbers up to {packed.fine:,} with a scale for each row"
    if packed.coarse == packed.fine:
        return exact
    return (
        f"{exact}; the rows of tokens that its text never had, up to {packed.coarse}"
        if packed.fine == FINE
        else f"{exact}; the embedding's rows up to {packed.coarse} where its text never had them"
    )


def policy_of(script: str, style: str) -> str:
    """Return the policy under which the page runs its own script and style, and nothing else.

    'wasm-unsafe-eval' lets that script compile WebAssembly (kernel.wat), and no text as a script.
    """
    script_hash, style_hash = _hash(script), _hash(style)
    return (
        f"default-src 'none'; script-src {script_hash} 'wasm-unsafe-eval'; "
        f"style-src {style_hash}; worker-src blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _style(colors: Colors) -> str:
    roots = f"--primary: {colors.primary}; --secondary: {colors.secondary}; --muted: {colors.muted}"
    return f":root {{ {roots}; }}\n" + (HERE / "live.css").read_text("utf-8")


def _in_script(text: str) -> str:
    """Return script or JSON without what would end its element, or open a comment in it."""
    return text.replace("</", "<\\/").replace("<!", "<\\u0021").replace("<script", "<\\u0073cript")


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
