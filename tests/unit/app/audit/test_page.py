from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from doka.app.audit.page import render
from doka.domain.audit.fates import Fate, OffsetRange, TimeBucket
from doka.domain.records import TopicPartition
from tests.unit.app.audit.audits import TERMS, file_of, found, judged

P0 = TopicPartition("orders", 0)
MINUTE_MS = 60_000
LOSSES = judged(
    {Fate.LOST: 3, Fate.REPEATED: 2},
    buckets=(
        TimeBucket(TERMS.since_ms, 600, 600, 0, 2, 0),
        TimeBucket(TERMS.since_ms + 30 * MINUTE_MS, 400, 397, 3, 0, 0),
    ),
    bucket_ms=MINUTE_MS,
)


def data_of(page: str) -> dict[str, Any]:
    """Give what the pointer would tell."""
    told = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert told is not None
    data: dict[str, Any] = json.loads(told[1])
    return data


class Balance(HTMLParser):
    """Sees whether each element that is opened is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        del attrs
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See one that closes itself."""

    def handle_endtag(self, tag: str) -> None:
        """Close one."""
        assert tag == self.open.pop()


def test_the_page_shows_the_counts_over_time() -> None:
    """Each part of the window has what the judgement says of it, and nothing where there is none of it."""
    page = render(found(LOSSES), file_of([OffsetRange(P0, 4, 6)]))
    data = data_of(page)
    assert 61 == len(data["moments"]) == len(data["shares"])
    assert ("2026-08-01T00:00:00Z", "2026-08-01T01:00:00Z") == (data["moments"][0], data["moments"][-1])
    columns = {name: column for plot in data["plots"] for name, column in plot}
    assert ({0: 600, 30: 400}, {0: 600, 30: 397}, {30: 3}, {0: 2}, {}) == tuple(
        {place: count for place, count in enumerate(columns[name]) if count}
        for name in ("in Kafka", "in the stream", "lost", "more than once", "out of order")
    )
    assert '<p class="big">3 <small>of 1,000 lost</small></p>' in page
    assert "<h2>Lost</h2><p><code>orders:0:4-6</code></p>" in page


def test_the_page_needs_nothing_else() -> None:
    """It is whole, well formed, asks no network, and the same audit gives the same page."""
    page = render(found(LOSSES), file_of())
    assert page == render(found(LOSSES), file_of())
    assert [] == re.findall(r"https?://", page)
    assert [] == re.findall(r"\$[a-z]", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))
    balance = Balance()
    balance.feed(page)
    assert [] == balance.open


def test_names_cannot_become_markup() -> None:
    """Whatever a route, a stream or a sentence is called."""
    terms = replace(TERMS, route="<b>&", stream="</script>")
    page = render(replace(found(judged(), "<i>"), terms=terms), file_of())
    for text in ("<b>&", "Not all was read: <i>"):
        assert text not in page
    assert "&lt;b&gt;&amp;" in page


def test_a_window_shorter_than_its_parts_is_drawn() -> None:
    """One part, and its end."""
    assert 2 == len(data_of(render(found(judged(bucket_ms=24 * 60 * MINUTE_MS)), file_of()))["moments"])
