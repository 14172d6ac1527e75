"""What is kept of records that a command has read."""

from __future__ import annotations

from doka.app.cli.seen import Seen
from doka.domain.records import TopicPartition
from doka.domain.routes.preview import Preview

P0 = TopicPartition("orders", 0)


def test_the_first_or_the_newest_are_kept_by_their_times() -> None:
    """However they come; no more than were asked for, and no data where nobody wants to see it."""
    records = [
        Preview(P0, offset, time, "k", b"secret", 7, None, None, value=b"secret")
        for offset, time in ((7, 3), (8, 1), (9, None))
    ]
    first, newest = Seen(2, newest=False, payload=False), Seen(2, newest=True, payload=True)
    for record in records:
        assert not newest.enough
        first.take([record])
        newest.take([record])
    assert ([9, 8], [8, 7]) == ([r.offset for r in first.records], [r.offset for r in newest.records])
    assert ({b""}, {b"secret"}) == ({r.data for r in first.records}, {r.data for r in newest.records})
    assert first.enough
    assert ({None}, {b"secret"}) == ({r.value for r in first.records}, {r.value for r in newest.records})
