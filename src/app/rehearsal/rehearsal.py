"""What a route would make of records, and whether its function makes the same of each again: nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator

from doka.domain.events import StreamDescribed
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.fields import UNREADABLE_HEADERS
from doka.domain.routes.preview import Preview, Previews
from doka.domain.rules import RouteRules


class Rehearsal(Previews):
    """Previews whose records go through the route a second time, each by itself.

    A transform must give the same for the same record, since after a crash it is given records again, in other batches.
    """

    def __init__(self, rules: RouteRules, stream: StreamDescribed | None) -> None:
        """Take the route, and what is known of its stream; None: the usual limits are assumed."""
        super().__init__(rules, stream)
        self.unsteady: list[tuple[TopicPartition, int]] = []
        """The records of which something else was made the second time."""
        self.batches: list[int] = []
        """How many records were in each batch."""
        self._alone = None if rules.transform is None else Previews(rules, stream)

    def of(self, chunk: Chunk) -> Iterator[Preview]:
        """Give the preview of each record of a chunk, in their order, as all of them together have it."""
        self.batches.append(chunk.count)
        found = list(super().of(chunk))
        if self._alone is not None:
            for place, first in enumerate(found):
                if first.code == UNREADABLE_HEADERS:  # whose headers must not be asked for twice
                    continue
                (second,) = self._alone.of(chunk.part(place, place + 1))
                if second != first:
                    self.unsteady.append((chunk.partition, first.offset))
        return iter(found)
