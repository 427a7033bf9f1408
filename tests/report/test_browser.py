"""The report in a real browser: it works, asks the network for nothing, and leaves no one out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, Request, sync_playwright

from looking_glass.pipeline.artifacts import read_csv, write_csv
from looking_glass.report import run
from stages import report
from tests.helpers.project import ROOT, edit
from tests.helpers.report import NOTHING

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
# It looks for no updates and calls no one: what is left are the page's own requests.
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
# What ends an element, an attribute or a comment, begins a script, or steers a terminal or a line.
MARKUP = (
    "<script>alert(1)</script></script><script>alert(2)</script></style><style>*{color:red}</style>"
    "<img src=x onerror=alert(3)>\"'><svg onload=alert(4)><a href=javascript:alert(5)>--></bdi>"
    "{{ 7*7 }}${alert(6)}\x01\x1b[31m\x7f\u202e\u2028"
)
POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
# Each adds its letter to the page's title, or sets what is fixed in place.
INJECTED = """
<script>document.title += 'A'</script>
<img src='data:,' onerror="document.title += 'B'">
<iframe srcdoc="<script>parent.document.title += 'C'</script>"></iframe>
<iframe src="javascript:void(parent.document.title += 'D')"></iframe>
<style>h1 { position: fixed }</style>
<p id=own style="position: fixed">x</p>
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(project: Path) -> str:
    return f"file://{project}/reports/report.html"


def visit(browser: Browser, address: str, **context: Any) -> tuple[Page, list[str]]:
    """Open the page; return it, and a list of all that goes wrong from now on."""
    faults: list[str] = []

    def remember(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            faults.append(request.url)

    page = browser.new_page(**context)
    page.on("request", remember)
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.goto(address)
    return page, faults


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page, faults = visit(browser, address, viewport={"width": 1280, "height": 900})
    yield page
    page.close()
    assert faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_reader_gets_a_page_without_faults(
    browser: Browser, address: str, scheme: Any, size: str
) -> None:
    width, height = SIZES[size]
    view = {"width": width, "height": height}
    page, faults = visit(browser, address, color_scheme=scheme, viewport=view)
    assert page.evaluate("document.documentElement.scrollWidth") == width, "it scrolls sideways"
    if size == "phone":  # what it looks for is the same on a wide one
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    page.close()
    assert faults == []


def test_the_page_is_under_five_megabytes() -> None:
    assert (ROOT / "reports/report.html").stat().st_size < 5_000_000


def rows(page: Page, panel: int) -> list[list[str]]:
    """Return the cells of a panel of the first explorer."""
    lines = page.locator(".explorer").first.locator(".panel").nth(panel).locator("tbody tr")
    return [line.locator("th, td").all_inner_texts() for line in lines.all()]


def test_pointing_at_a_word_shows_what_it_attended_to(page: Page, project: Path) -> None:
    first, last = rows(page, 0), rows(page, 1)
    blocks = read_csv(project / "data/tables/choose/blocks.csv")
    for block, shown in ((1, first), (2, last)):
        expected = blocks[(blocks["prompt"] == 1) & (blocks["block"] == block)]
        assert [row[0] for row in shown] == expected["text"].tolist()
        for row, share, effect in zip(
            shown, expected["predicting_row"], expected["knock_out"], strict=True
        ):
            assert float(row[1].rstrip("%")) == pytest.approx(100 * share, abs=0.06)
            assert float(row[2].replace("−", "-")) == pytest.approx(effect, abs=6e-4)
    words = page.locator(".explorer").first.locator(".words button")
    words.nth(4).hover()
    assert len(rows(page, 0)) == 4
    assert words.nth(4).get_attribute("aria-pressed") == "true"
    assert words.nth(10).get_attribute("aria-pressed") == "false"
    assert "“mouse”" in page.locator(".explorer .note").first.inner_text()
    words.nth(3).focus()
    assert len(rows(page, 1)) == 3, "by keyboard too"


def test_any_block_head_and_row_can_be_looked_at(page: Page) -> None:
    explorer = page.locator(".explorer").first
    before = rows(page, 0)
    explorer.locator(".head").first.select_option("1")
    one_head = rows(page, 0)
    assert one_head != before
    assert sum(float(row[1].rstrip("%")) for row in one_head) == pytest.approx(100, abs=0.5)
    explorer.locator(".head").first.select_option("mean")
    assert rows(page, 0) == before
    explorer.locator(".block").first.select_option("1")
    assert rows(page, 0) == rows(page, 1), "the same block in both panels"
    explorer.locator(".mode").select_option("own")
    own = rows(page, 0)
    assert len(own) == 11, "a word attends to itself too"
    assert {row[2] for row in own} == {"–"}


def test_the_sentence_appears_step_by_step(page: Page, project: Path) -> None:
    stepper = page.locator(".stepper")
    table = read_csv(project / "data/tables/invert/appearance.csv")
    parallel = table[table["reading"] == "parallel"]
    slider = stepper.locator("input")
    assert "step 0:" in stepper.locator("output").inner_text()
    slider.focus()
    page.keyboard.press("End")
    last = parallel[parallel["step"] == parallel["step"].max()]
    assert f"step {last['step'].iloc[0]}:" in stepper.locator("output").inner_text()
    shown = stepper.locator(".line span").all_inner_texts()
    assert "".join(shown).replace("␣", " ") == "".join(last["said"]).replace("\n", "↵")
    assert stepper.locator(".right").count() == int(last["right"].sum())
    stepper.locator("select").select_option("1")
    assert "step 0:" in stepper.locator("output").inner_text()
    stepper.locator("button").click()
    stepper.get_by_text("Play").wait_for()  # it stops by itself, at the end
    assert slider.input_value() == slider.get_attribute("max")


def test_a_words_surprisal_is_told(page: Page, project: Path) -> None:
    words = read_csv(project / "data/tables/logprob/words.csv")
    ranked = read_csv(project / "data/tables/logprob/sentences.csv")
    in_order = pd.concat(words[words["sentence"] == name] for name in ranked["sentence"])
    spans, note = page.locator(".surprisals .heat"), page.locator(".surprisals .note")
    assert spans.count() == len(words)
    for act in ("hover", "focus"):
        getattr(spans.nth(1), act)()
        assert f"{in_order['corrected'].iloc[1]:.2f} nats" in note.inner_text()
        spans.nth(0).focus()


def test_copied_runs_are_marked_from_the_length_asked_for(page: Page, project: Path) -> None:
    table = read_csv(project / "data/tables/logprob/verbatim.csv")
    copies = page.locator(".copies")
    for presses, least in ((0, 5), (2, 7)):
        for _ in range(presses):
            copies.locator("input").press("ArrowRight")
        assert copies.locator(".copied").count() == int((table["run"] >= least).sum())
        assert f"runs of {least} tokens or more" in copies.locator("output").inner_text()


def test_the_contents_lead_to_every_part(page: Page) -> None:
    parts = page.locator("nav ol > li > a")
    assert parts.count() == page.locator("section h2").count() == 8
    for link in page.locator("nav a, .answers a, a.term").all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert all(image.get_attribute("alt") for image in page.locator("img").all())


def test_all_six_answers_are_on_the_first_screen(page: Page) -> None:
    box = page.locator(".answers").bounding_box()
    assert box
    assert page.locator(".answers li").count() == 6
    assert box["y"] + box["height"] <= 900


def test_tables_and_figures_have_room_enough(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    wider = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate(f"{wider}.map(e => e.innerText.slice(0, 60))") == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "with all of it open"
    page.wait_for_function(f"{wider}.length > 20 && {wider}.every(e => e.tabIndex === 0)")


def test_the_contents_stay_and_tell_where_the_reader_is(page: Page) -> None:
    nav, last = page.locator("nav"), page.locator("#logprob")
    assert nav.locator("[aria-current]").count() == 0
    last.evaluate("e => e.scrollIntoView()")
    nav.locator("a[href='#logprob'][aria-current]").wait_for()
    assert nav.bounding_box()["y"] == 0  # type: ignore[index]
    assert nav.get_by_text("Beside other sentences").is_visible()
    assert not nav.get_by_text("What was reached").is_visible()


def test_on_a_phone_the_contents_open_when_asked(browser: Browser, address: str) -> None:
    page, faults = visit(browser, address, viewport={"width": 390, "height": 844})
    nav, link = page.locator("nav"), page.locator("nav a[href='#last']")
    assert not link.is_visible()
    nav.locator("summary").click()
    link.click()
    nav.locator(".here", has_text="Attention in the last block").wait_for()
    assert not link.is_visible()
    top = page.locator("#last").bounding_box()["y"]  # type: ignore[index]
    assert nav.bounding_box()["height"] <= top < 120, "under the bar"  # type: ignore[index]
    page.close()
    assert faults == []


def test_a_word_is_told_to_whoever_points_at_it_or_comes_by_keyboard(page: Page) -> None:
    term, tip = page.locator("#training ~ p a.term").first, page.locator(".tip")
    told = page.locator(f"#{term.get_attribute('aria-describedby')}").inner_text()
    assert not tip.is_visible()
    term.hover()
    assert told in tip.inner_text()
    tip.hover()
    assert tip.is_visible(), "what is told can be pointed at too"
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.mouse.move(0, 0)
    term.focus()
    assert told in tip.inner_text()
    page.keyboard.press("Enter")
    assert page.url.endswith(str(term.get_attribute("href")))
    assert not tip.is_visible()


def test_a_word_is_told_to_whoever_taps_it(browser: Browser, address: str) -> None:
    view = {"width": 390, "height": 844}
    page, faults = visit(browser, address, viewport=view, has_touch=True)
    term, tip = page.locator("#training ~ p a.term").first, page.locator(".tip")
    term.tap()
    box = tip.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert "#" not in page.url, "the reader stays where they are"
    page.locator("h1").tap()
    assert not tip.is_visible()
    page.close()
    assert faults == []


def test_on_paper_and_without_scripts_nothing_is_missed(browser: Browser, address: str) -> None:
    page, faults = visit(browser, address, java_script_enabled=False)
    assert page.locator(".explorer .words button").first.is_visible()
    assert not page.locator(".explorer .panels").first.is_visible()
    assert page.locator("figure img").first.is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator(".live").first.is_visible()
    assert page.locator("figure img").first.is_visible()
    assert page.locator("nav").evaluate("e => getComputedStyle(e).position") == "static"
    assert page.locator("dl.glossary dd").last.is_visible()
    page.close()
    assert faults == []


def test_markup_shows_as_text_everywhere(
    browser: Browser, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(project, tmp_path / "p", symlinks=True)
    changed = 0
    for path in (root / "data/tables").rglob("*.csv"):
        table = read_csv(path)
        for column in ("text", "said", "removed", "top_word", "next", "context"):
            if column in table:
                table[column] = pd.Series([MARKUP] * len(table))
                changed += 1
        write_csv(path, table)
    assert changed > 20
    edit(
        root,
        download__book__local__path=f"books/{MARKUP[:-5]}.txt",
        download__book__url__url=f"https://{MARKUP[:-5]}",
        invert__sentence=MARKUP,
        logprob__prompt=MARKUP,
    )
    monkeypatch.chdir(root)
    monkeypatch.setattr(run, "paint", lambda _figure, _dpi: NOTHING)
    report.main()
    page, faults = visit(browser, f"file://{root}/reports/report.html")
    for place in (
        ".explorer .words button",
        ".explorer tbody th",
        ".line span",
        ".heat",
        "[data-run]",
    ):
        assert MARKUP in page.locator(place).last.text_content()  # type: ignore[operator]
    for key in ("download.book.local.path", "download.book.url.url", "invert.sentence"):
        row = page.locator(f"#run ~ details tr:has(code:text-is('{key}')) td").last
        assert MARKUP[:-5] in row.text_content()  # type: ignore[operator]
    assert page.locator("main").locator("script, style, svg, img:not([src^='data:'])").count() == 0
    assert page.locator("[href^='javascript']").count() == 0
    assert page.locator("script").count() == 2, "the data, and the page's own"
    page.close()
    assert faults == []


def test_what_came_into_the_page_all_the_same_does_nothing(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    html = Path(address.removeprefix("file://")).read_text("utf-8")
    assert len(POLICY.findall(html)) == 1
    assert html.index("Content-Security-Policy") < html.index("<style")
    html = html.replace("</h1>", "</h1>" + INJECTED)
    for name, text, did, refused in (
        ("guarded", html, "", 6),
        ("open", POLICY.sub("", html), "ABCD", 0),
    ):
        (tmp_path / name).with_suffix(".html").write_text(text, "utf-8")
        page, faults = visit(browser, f"file://{tmp_path}/{name}.html")
        page.wait_for_load_state()
        title = page.title()
        assert "".join(sorted(title[title.index("inside") + len("inside") :])) == did
        for thing in ("h1", "#own"):
            place = page.locator(thing).evaluate("e => getComputedStyle(e).position")
            assert (place == "fixed") == bool(did)
        assert sum("Content Security Policy" in fault for fault in faults) == refused
        page.close()
