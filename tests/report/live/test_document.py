"""The page with the model in it, in a real browser: it computes what Python computes."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from looking_glass.attention.choices import choose
from looking_glass.attention.interventions import knock_outs, logits_without
from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import OutputLayer
from looking_glass.report.live.document import room_for_weights
from looking_glass.text.corpus import read_corpus
from looking_glass.text.counting import count_tokens
from looking_glass.text.reader import Reader
from looking_glass.yardstick.coalitions import removed_values
from looking_glass.yardstick.shapley import shapley_values
from stages import live
from tests.helpers.live import page_weights
from tests.helpers.project import TEN, edit, main_of

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
TEXT = TEN + " was"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, **view: Any) -> tuple[Page, list[str]]:
    """Open a page and wait for its model; return it, and a list of all that goes wrong."""
    faults: list[str] = []
    page = browser.new_page(**view)
    page.on("request", lambda asked: faults.append(asked.url[:90]))
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.goto(f"file://{path}")
    page.locator("html[data-ready]").wait_for(state="attached")
    asked = [one for one in faults if not one.startswith(("file:", "blob:"))]
    faults[:] = asked
    return page, faults


@pytest.fixture(scope="module")
def page(browser: Browser, project: Path) -> Iterator[Page]:
    view = {"width": 1280, "height": 900}
    page, faults = opened(browser, project / "reports/looking-glass.html", viewport=view)
    yield page
    page.close()
    assert faults == [], "no request, no error, nothing against the policy"


@pytest.fixture(scope="module")
def model(project: Path) -> GPT:
    """The tiny project's model with the weights that the page holds."""
    model = load_checkpoint(project / "data/model")
    corpus = read_corpus(project / "data/tokens")
    counts = [count_tokens(part, corpus.vocab_size) for part in (corpus.train, corpus.val)]
    page_weights(model, np.sum(counts, axis=0) > 0, room_for_weights())
    return model


def ask(page: Page, kind: str, **about: Any) -> Any:
    """Ask the page's model; arrays of numbers come as lists."""
    code = """async ([kind, about]) => {
      const found = await lookingGlass.ask(kind, about);
      if (!(found instanceof Float32Array)) return found;
      let text = "";
      for (const byte of new Uint8Array(found.buffer)) text += String.fromCharCode(byte);
      return btoa(text);
    }"""
    return page.evaluate(code, [kind, about])


def logits(page: Page, tokens: list[int]) -> torch.Tensor:
    raw = base64.b64decode(ask(page, "logits", tokens=tokens))
    return torch.from_numpy(np.frombuffer(raw, "<f4").copy())


def test_logits_are_those_of_pytorch(page: Page, model: GPT) -> None:
    generator = torch.Generator().manual_seed(1)
    for length in (1, 2, 5, 11, 12, 64):
        tokens = torch.randint(0, 50_257, (length,), generator=generator)
        expected = model(tokens[None])[0, -1]
        torch.testing.assert_close(logits(page, tokens.tolist()), expected, atol=1e-3, rtol=0)


def test_tokens_are_those_of_tiktoken(page: Page, tokenizer: Reader) -> None:
    generator = np.random.default_rng(1)
    signs = [*" \n\t'\u0085\ufeff\u00a0aAzé9½-,.!", "'s", "  ", "日本", "🐿️", "́", "straße", "I'll"]
    texts = ["".join(generator.choice(signs, size=12)) for _ in range(10_000)]
    found = ask(page, "encodeAll", texts=texts)
    assert found == [tokenizer.encode(text) for text in texts]


def test_typing_shows_what_comes_next_and_writing_goes_on(
    page: Page, model: GPT, tokenizer: Reader
) -> None:
    page.fill("#text", "The queen saw a")
    tokens = torch.tensor(tokenizer.encode("The queen saw a"))
    probabilities = model(tokens[None])[0, -1].softmax(dim=-1)
    best = int(probabilities.argmax())
    share = f"{100 * float(probabilities[best]):.1f}%"
    page.locator("#choice", has_text=share).wait_for()
    assert page.locator("#bars li").count() == 10
    page.click("#add")
    assert page.input_value("#text") == "The queen saw a" + tokenizer.decode([best])
    page.locator("#words li").nth(4).wait_for()
    page.click("#undo")
    assert page.input_value("#text") == "The queen saw a"
    told = page.locator("#bars .told").first
    told.get_by_text(share).wait_for()
    page.locator("#temperature").press("Home")
    assert float(told.inner_text().rstrip("%")) > float(share.rstrip("%"))
    page.fill("#temperature", "1")


def test_a_word_and_an_edge_are_taken_away_as_in_python(
    page: Page, model: GPT, tokenizer: Reader
) -> None:
    page.fill("#text", TEXT)
    context = torch.tensor(tokenizer.encode(TEXT))
    blocks = range(model.config.n_layer)
    choices = choose(model, context[None])
    words = tokenizer.words(context.tolist())
    spans = [(word.start, word.stop) for word in words]
    page.locator("#words li").nth(9).wait_for()
    expected = knock_outs(model, choices, blocks, sources=spans, every_row=True)[0]
    found = ask(page, "causes", text=TEXT)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-3)
    page.get_by_role("button", name="Take away cat").click()
    without = logits_without(model, context, blocks, sources=spans[1:2], every_row=True)[0]
    best = float(without.softmax(dim=-1).max())
    page.locator("#choice", has_text=f"{100 * best:.1f}%").wait_for()
    page.click("#restore")
    page.locator("#matrix-part summary").click()
    cell = page.locator('#matrix [data-at="9 1"]')
    page.locator("#matrix [tabindex='0']").focus()
    for key in (*["ArrowDown"] * 9, "ArrowRight", "Enter"):
        page.keyboard.press(key)
    cell.get_by_text("×").wait_for()
    without = logits_without(model, context, blocks, sources=spans[1:2])[0]
    best = float(without.softmax(dim=-1).max())
    page.locator("#choice", has_text=f"{100 * best:.1f}%").wait_for()
    assert page.locator("#matrix .cut").count() == 1
    page.click("#restore")


def test_exact_worth_is_that_of_the_yardstick(page: Page, model: GPT, tokenizer: Reader) -> None:
    page.fill("#text", TEXT)
    context = torch.tensor(tokenizer.encode(TEXT))
    spans = [(word.start, word.stop) for word in tokenizer.words(context.tolist())]
    assert len(spans) == 10
    target = int(model(context[None])[0, -1].argmax())
    expected = shapley_values(removed_values(model, context, spans, target))
    np.testing.assert_allclose(ask(page, "shapley", text=TEXT)["worth"], expected, atol=1e-3)


def test_surprise_is_minus_the_log_probability_also_beyond_the_block(
    page: Page, model: GPT, tokenizer: Reader
) -> None:
    text = (TEXT + " late, and") * 8
    tokens = tokenizer.encode(text)
    assert len(tokens) > model.config.block_size
    found = ask(page, "surprisal", text=text)
    start = tokenizer.encode_prompt("\n\n")
    first = torch.tensor([*start, *tokens])[: model.config.block_size]
    hidden = model.hidden(model.embed(first[None, :-1]))[0]
    expected = -OutputLayer(model.lm_head.weight).log_probs(hidden, first[1:])[len(start) - 1 :]
    words = tokenizer.words(tokens)
    assert [one["text"] for one in found] == [word.text for word in words]
    for one, word in zip(found, words, strict=True):
        if word.stop <= len(expected):
            assert one["nats"] == pytest.approx(
                float(expected[word.start : word.stop].sum()), abs=1e-3
            )
    assert all(np.isfinite(one["nats"]) for one in found)


def test_the_lesson_reveals_after_a_prediction(page: Page) -> None:
    cards = page.locator("#lesson > li")
    assert cards.count() == 5
    for card in cards.all()[:4]:
        reveal = card.get_by_role("button", name="Reveal")
        assert reveal.is_disabled()
        card.locator("input").first.check()
        reveal.click()
        card.locator(".answer strong").wait_for()
        assert card.locator(".true").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_gets_it_whole_and_axe_finds_nothing(
    browser: Browser, project: Path, scheme: Any
) -> None:
    view = {"width": 390, "height": 844}
    path = project / "reports/looking-glass.html"
    page, faults = opened(browser, path, viewport=view, color_scheme=scheme, bypass_csp=True)
    page.locator("#matrix-part summary").click()
    page.locator("#mattered td .number").nth(10).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    page.close()
    assert faults == []


def test_a_printed_page_holds_a_long_text_and_nothing_to_press(
    browser: Browser, project: Path
) -> None:
    view = {"width": 1280, "height": 900}
    path = project / "reports/looking-glass.html"
    page, faults = opened(browser, path, viewport=view, color_scheme="dark")
    page.locator("#matrix-part summary").click()
    page.fill("#text", (TEXT + " late ") * 4)
    page.locator("#mattered td .number").nth(2 * 44 - 1).wait_for()  # all is computed
    page.emulate_media(media="print", color_scheme="dark")
    sheet = 690  # px: A4 less its margins
    page.set_viewport_size({"width": sheet, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= sheet
    words = page.locator("#words .word")
    last, arcs = words.last.bounding_box(), page.locator("#arcs path").first.bounding_box()
    assert last
    assert arcs
    assert last["x"] + last["width"] < sheet
    middle = last["x"] + last["width"] / 2
    assert arcs["x"] + arcs["width"] == pytest.approx(middle, abs=4), "lines end at their word"
    pressed = page.locator("button:visible:not(.word):not(.bars button), #temperature:visible")
    assert pressed.count() == 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    page.close()
    assert faults == []


def test_the_policy_allows_nothing_but_what_is_in_the_page(page: Page, project: Path) -> None:
    text = (project / "reports/looking-glass.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    told = policy[1].replace("&#39;", "'")
    assert told.startswith("default-src 'none'; script-src 'sha256-")
    # WebAssembly may be compiled: it reaches nothing but the numbers that it is given.
    assert re.findall(r"[\w-]*unsafe[\w-]*", told) == ["wasm-unsafe-eval"]
    assert not re.search(
        r"https?://", re.sub(r"http://www\.w3\.org/2000/svg", "", text.split("weights")[0])
    )


def test_a_browser_that_forbids_webassembly_computes_the_same(
    browser: Browser, page: Page, project: Path, tmp_path: Path
) -> None:
    assert page.evaluate("document.documentElement.dataset.kernel") == "WebAssembly"
    text = (project / "reports/looking-glass.html").read_text()
    allowed = " &#39;wasm-unsafe-eval&#39;"
    assert text.count(allowed) == 1
    path = tmp_path / "plain.html"
    path.write_text(text.replace(allowed, ""))
    other, faults = opened(browser, path)
    assert other.evaluate("document.documentElement.dataset.kernel") == "JavaScript"
    tokens = [464, 3797, 2497, 257, 10211]
    torch.testing.assert_close(logits(other, tokens), logits(page, tokens), atol=1e-4, rtol=0)
    other.close()
    assert faults == []


def test_markup_stays_text(
    browser: Browser, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path
    shutil.copytree(project / "data/model", root / "data/model")
    shutil.copytree(project / "data/tokens", root / "data/tokens")
    shutil.copy(project / "params.yaml", root)
    hostile = (
        "</script><script>alert(1)</script> <img src=x onerror=alert(1)> </textarea><!--<script>"
    )
    edit(root, attention__prompts=[hostile])
    monkeypatch.chdir(root)
    main_of(live)()
    page, faults = opened(browser, root / "reports/looking-glass.html")
    assert page.input_value("#text") == hostile
    assert page.locator("#heat .word bdi").first.inner_text() == hostile.split()[0]
    page.close()
    assert faults == []
