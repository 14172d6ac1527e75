from __future__ import annotations

import io

from rich.console import Console

from doka.app.audit.reading import Progress
from doka.app.audit.screen import kafka_share, progress_on
from tests.manual_clock import ManualClock


def test_where_there_is_no_terminal_a_line_a_minute_tells() -> None:
    """Shares, records, rates of this reading alone, and the time that is left at its pace."""
    out, clock = io.StringIO(), ManualClock()
    read = Progress(offsets=1_000, offsets_read=100, records=100, landings=100, stream_share=0.1)
    with progress_on(Console(file=out, width=200), clock) as tell:
        tell(read)
        clock.pass_seconds(59)
        tell(read)
        assert "" == out.getvalue()
        clock.pass_seconds(1)
        read.offsets_read = read.records = 700
        read.landings, read.stream_share = 400, 0.4
        tell(read)
    assert (
        "doka: Kafka 70% (700 records, 10 a second), stream 40% (400 records, 5 a second), 2 min left\n"
        == out.getvalue()
    )


def test_a_terminal_sees_bars() -> None:
    """Both sides, each with its share."""
    out, clock = io.StringIO(), ManualClock()
    with progress_on(Console(file=out, width=120, force_terminal=True), clock) as tell:
        clock.pass_seconds(1)
        tell(Progress(offsets=1_000, offsets_read=500, records=500, landings=250, stream_share=0.25))
    assert "Kafka" in out.getvalue()
    assert "stream" in out.getvalue()


def test_an_empty_window_of_kafka_is_read() -> None:
    """Of nothing all is read."""
    assert 1.0 == kafka_share(Progress())
