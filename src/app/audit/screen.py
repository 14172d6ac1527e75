"""Shows how far both sides have been read: two bars at a terminal, a line a minute elsewhere; always on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from doka.adapters.telemetry.sentences import many, span
from doka.app.audit.reading import Progress as Read
from doka.app.audit.reading import Tell
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

DRAWN_EVERY_NS: Final = 100 * NS_PER_MS
TOLD_EVERY_NS: Final = 60 * NS_PER_SECOND


@contextmanager
def progress_on(console: Console, clock: Clock) -> Iterator[Tell]:
    """Give what shows a progress while it lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        kafka = bars.add_task("Kafka", total=1.0, told="")
        stream = bars.add_task("stream", total=1.0, told="")
        pace = _Pace(clock)

        def tell(read: Read) -> None:
            if not pace.is_due(DRAWN_EVERY_NS if console.is_terminal else TOLD_EVERY_NS, read):
                return
            bars.update(kafka, completed=kafka_share(read), told=pace.of_kafka(read))
            bars.update(stream, completed=read.stream_share, told=pace.of_stream(read))
            if not console.is_terminal:
                console.print(
                    f"doka: Kafka {kafka_share(read):.0%} ({pace.of_kafka(read)}), stream {read.stream_share:.0%} "
                    f"({pace.of_stream(read)}){pace.left(read)}",
                    soft_wrap=True,
                )

        yield tell


def kafka_share(read: Read) -> float:
    """Give how much of Kafka's window has been read, from 0 to 1."""
    return read.offsets_read / read.offsets if read.offsets else 1.0


class _Pace:
    """What this reading has read so far, by the time that it took."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._told_at = clock.now()
        self._first: tuple[int, int, float] | None = None
        """Records, landings and share that an earlier reading had left."""

    def is_due(self, every: int, read: Read) -> bool:
        """Say whether it is time to tell, and take note that it is told."""
        if self._first is None:
            self._first = read.records, read.landings, min(kafka_share(read), read.stream_share)
        now = self._clock.now()
        if now - self._told_at < every:
            return False
        self._told_at = now
        return True

    def of_kafka(self, read: Read) -> str:
        """Say the records of Kafka and their rate."""
        return self._rate(read.records, 0)

    def of_stream(self, read: Read) -> str:
        """Say the records of the stream and their rate."""
        return self._rate(read.landings, 1)

    def left(self, read: Read) -> str:
        """Say how much time is left, at the pace so far; nothing while nobody can say."""
        share = min(kafka_share(read), read.stream_share)
        gained = share - (self._first or (0, 0, share))[2]
        if gained <= 0:
            return ""
        return f", {span(round((self._told_at - self._began) * (1 - share) / gained))} left"

    def _rate(self, records: int, side: int) -> str:
        seconds = max((self._told_at - self._began) / NS_PER_SECOND, 0.001)
        rate = (records - (self._first or (records, records, 0.0))[side]) / seconds
        return f"{many(records, 'record')}, {rate:,.0f} a second"
