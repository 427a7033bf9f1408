"""How exact, how large and how fast the page with the model in it is.

    python -m benchmarks.live

Opens `reports/looking-glass.html` in Chromium and holds its logits against PyTorch's after 200
pieces of the held-out text: with the weights as the page has them, and as they were trained.
Times are told twice: as the page is, and with a policy that forbids WebAssembly.
"""

from __future__ import annotations

import base64
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from playwright.sync_api import Browser, Page, sync_playwright
from torch import Tensor

from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.report.live.document import room_for_weights
from looking_glass.report.live.packing import pack, unpacked
from looking_glass.text.corpus import Corpus, read_corpus
from looking_glass.text.counting import count_tokens

MODEL, TOKENS, PAGE = Path("data/model"), Path("data/tokens"), Path("reports/looking-glass.html")
TEXTS, LENGTH = 200, 12  # how many pieces, of so many tokens
NAMES = ("chromium", "chromium-browser", "google-chrome")
ALLOWED = " &#39;wasm-unsafe-eval&#39;"  # in the page's policy
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LOGITS = """async (all) => {
  const parts = [];
  for (const tokens of all) {
    const found = await lookingGlass.ask("logits", { tokens });
    let text = "";
    for (const byte of new Uint8Array(found.buffer)) text += String.fromCharCode(byte);
    parts.push(btoa(text));
  }
  return parts;
}"""
# Milliseconds from a change of the text to the frame that shows what follows from it.
KEYS = """async (typed) => {
  const [text, list] = ["text", "words"].map((id) => document.getElementById(id));
  const found = [];
  for (const letter of typed) {
    await new Promise((resolve) => { setTimeout(resolve, 1500); });
    const shown = new Promise((resolve) => {
      const watch = new MutationObserver(() => {
        watch.disconnect();
        requestAnimationFrame(resolve);
      });
      watch.observe(list, { childList: true });
    });
    const start = performance.now();
    text.value += letter;
    text.dispatchEvent(new Event("input"));
    await shown;
    found.push(performance.now() - start);
  }
  return found;
}"""
# Milliseconds for one more token: run behind the ten words that are known, all logits told.
MORE = """async (text) => {
  const found = [];
  for (let i = 0; i < 30; i++) {
    text += " the";
    const start = performance.now();
    await lookingGlass.ask("look", { text });
    found.push(performance.now() - start);
  }
  return found;
}"""
WORTH = """async (text) => {
  const start = performance.now();
  await lookingGlass.ask("shapley", { text });
  return (performance.now() - start) / 1000;
}"""


def main() -> None:
    """Print size, differences and times."""
    torch.set_num_threads(1)
    corpus = read_corpus(TOKENS)
    texts = pieces(corpus)
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, NAMES)), None)
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        print(f"{PAGE}: {PAGE.stat().st_size:,} bytes")
        page = opened(browser, PAGE)
        times(page)
        compare(page, corpus, texts)
        page.close()
        with tempfile.TemporaryDirectory() as directory:
            plain = Path(directory) / PAGE.name
            plain.write_text(PAGE.read_text("utf-8").replace(ALLOWED, ""), "utf-8")
            times(opened(browser, plain))
        browser.close()


def opened(browser: Browser, path: Path) -> Page:
    """Open a page, and print what multiplies in it and when it was ready."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.perf_counter()
    page.goto(f"file://{path.resolve()}")
    page.locator("html[data-ready]").wait_for(state="attached")
    ready = time.perf_counter() - start
    kernel = page.evaluate("document.documentElement.dataset.kernel")
    print(f"in {kernel}: ready after {ready:.1f} s")
    return page


def pieces(corpus: Corpus) -> Tensor:
    """Return pieces of the held-out text, drawn with a seed: (TEXTS, LENGTH)."""
    generator = np.random.default_rng(1)
    starts = generator.integers(0, len(corpus.val) - LENGTH, size=TEXTS)
    return torch.from_numpy(np.stack([corpus.val[s : s + LENGTH] for s in starts]).astype(np.int64))


def times(page: Page) -> None:
    """Print how long a key press, another token and an exact worth of ten words take."""
    text = page.input_value("#text")
    told("a key press, to the frame that shows it", page.evaluate(KEYS, " the river bank"))
    told("one more token, with the logits of all", page.evaluate(MORE, text))
    print(f"exact worth of {len(text.split())} words: {page.evaluate(WORTH, text):.1f} s")


def told(what: str, found: list[float]) -> None:
    """Print the middle and the largest of some times in ms."""
    middle = statistics.median(found)
    print(f"{what}: median {middle:.0f} ms, most {max(found):.0f} of {len(found)}")


def compare(page: Page, corpus: Corpus, texts: Tensor) -> None:
    """Print how far the page's logits are from PyTorch's, by weights."""
    raw: list[str] = page.evaluate(LOGITS, texts.tolist())
    found = torch.from_numpy(np.stack([np.frombuffer(base64.b64decode(one), "<f4") for one in raw]))
    met: Any = np.zeros(corpus.vocab_size, dtype=np.bool_)
    for part in (corpus.train, corpus.val):
        met |= count_tokens(part, corpus.vocab_size) > 0
    model = load_checkpoint(MODEL)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    packed = pack(weights, met, model.config.tie_weights, room_for_weights())
    trained = model(texts)[:, -1].clone()
    difference("float16 of all weights", halves(weights), trained, met)
    model.load_state_dict(
        {name: torch.from_numpy(array) for name, array in unpacked(weights, packed, met).items()}
    )
    difference("the page, from its own weights in PyTorch", found, model(texts)[:, -1], met)
    difference("the page, from the trained weights", found, trained, met)


def halves(weights: dict[str, npt.NDArray[np.float32]]) -> Tensor:
    """Return the logits with every weight rounded to float16, computed in float32."""
    model = load_checkpoint(MODEL)
    rounded = {name: array.astype(np.float16).astype(np.float32) for name, array in weights.items()}
    model.load_state_dict({name: torch.from_numpy(array) for name, array in rounded.items()})
    texts = pieces(read_corpus(TOKENS))
    logits: Tensor = model(texts)[:, -1]
    return logits


def difference(what: str, found: Tensor, expected: Tensor, met: npt.NDArray[np.bool_]) -> None:
    """Print the largest difference of logits and probabilities, and how many choices agree."""
    logits = (found - expected).abs()
    shares = (found.softmax(dim=-1) - expected.softmax(dim=-1)).abs().max()
    same = int((found.argmax(dim=-1) == expected.argmax(dim=-1)).sum())
    middle = logits.square().mean().sqrt()
    print(
        f"{what}: logits differ by {logits.max():.2g} at most ({logits[:, met].max():.2g} of the "
        f"text's tokens), {middle:.2g} rms; probabilities by {shares:.2g}; the same choice in "
        f"{same} of {len(found)}"
    )


if __name__ == "__main__":
    main()
