"""Words are marked where they are first used, and all else is left as it is."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from looking_glass.report.glossary import mark

NATS = '<a class="term" href="#term-nats" aria-describedby="told-nats">nats</a>'


def marked(html: str) -> str:
    return str(mark(Markup(html)))


def test_the_first_use_in_each_part_is_marked() -> None:
    html = "<section><p>3 nats, 4 nats</p><p>nats</p></section><section><p>5 nats</p></section>"
    once = html.replace("3 nats", f"3 {NATS}").replace("5 nats", f"5 {NATS}")
    assert marked(html) == once


def test_the_longest_word_is_meant_in_any_form() -> None:
    found = re.findall(
        '#term-([a-z-]+)"', marked("<p>Cross-entropy, entropy, Logits, a trigram</p>")
    )
    assert found == ["cross-entropy", "entropy", "logit", "n-gram"]


@pytest.mark.parametrize(
    "html",
    [
        "<p>natsy, phonats, x-nats</p>",
        "<p>“nats”</p>",
        "<p>“no end, nats</p>",
        "<p><code>nats</code> <a href='#x'>nats</a> <bdi lang='en'>nats</bdi></p>",
        "<h2>nats</h2><td>nats</td><blockquote lang='en' dir='auto'>nats</blockquote>",
        "<p aria-live='polite'>nats</p>",
        "<p lang='en'><br>nats</p>",
        "<p>&lt;b&gt; &#39;n&amp;ats&#39; <img src='a' alt='nats'/> <IMG alt=\"&quot;\"></p>",
        "<!-- nats -->",
    ],
)
def test_what_is_quoted_written_as_code_or_the_models_own_stays(html: str) -> None:
    assert marked(html) == html


def test_a_quotation_ends_with_its_paragraph() -> None:
    html = "<p>“no end</p><p>nats</p>"
    assert marked(html) == html.replace("nats", NATS)


def test_a_list_item_whose_end_is_left_out_hides_nothing() -> None:
    html = "<ul><li><code>x</code><li>one</ul><p>nats</p>"
    assert marked(html) == html.replace("nats", NATS)
