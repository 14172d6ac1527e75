"""One page, the same each time, that asks nobody for anything."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from doka.app.simulate.report import render
from doka.app.simulate.report.page import HERE
from tests.unit.app.simulate.report.made_up import STEPS, incident


class Tags(HTMLParser):
    """Sees that every tag that must be closed is, in order, and keeps every attribute that names something outside."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "data", "action"}]
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note nothing: it is closed."""

    def handle_endtag(self, tag: str) -> None:
        """See that it closes the one that was opened last."""
        assert tag == self.open.pop(), f"</{tag}> closes another"


def test_the_same_history_is_the_same_page() -> None:
    """Byte for byte."""
    assert render(incident(), "doka simulate") == render(incident(), "doka simulate")


def test_it_is_whole_and_needs_no_network() -> None:
    """Tags are closed in order, nothing is loaded, and the page forbids it as well."""
    page, tags = render(incident()), Tags()
    tags.feed(page)
    assert ([], ["data:,"]) == (tags.open, tags.links)
    assert "default-src 'none'" in page
    assert not re.findall(r"@import|url\(|https?://", page)


def test_what_is_told_cannot_end_the_data() -> None:
    """`</script>` in a sentence stays a sentence."""
    page = render(incident())
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    told = json.loads(data[1])
    assert (STEPS, STEPS, 10) == (len(told["moments"]), len(told["shares"]), len(told["plots"]))
    assert page.count('class="area-box"') == len(told["plots"])


def test_it_says_how_to_make_it_again() -> None:
    """A report that nobody can repeat proves nothing."""
    assert "<code>doka simulate run --scenario a&amp;b.yaml</code>" in render(
        incident(), "doka simulate run --scenario a&b.yaml"
    )
    assert "Made by" not in render(incident())


def test_the_published_report_is_a_page_of_today() -> None:
    """docs/incident.html has today's style and script, so whoever changes them makes it again by the command it names."""
    published = Path("docs/incident.html").read_text(encoding="utf-8")
    for name in ("page.css", "page.js"):
        assert (HERE / name).read_text(encoding="utf-8") in published
    assert "Made by <code>doka simulate incident" in published
