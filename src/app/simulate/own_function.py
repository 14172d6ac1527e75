"""Runs what a route of a real configuration makes of records (`only`, `transform`) in the simulated world, on records of a file.

Theory of operation. The world's records carry their names as values, by which it knows each again when it lands; those of a
user would not. So the world keeps its own, and the route is given a transform that makes up a batch of the user's records for
each batch of the world's, in turn from the file, lets the user's function at that, and does to the world's record what was
done to the user's: left out, refused, given a partition key. What it raises goes through, so halving, poison and a blocked
route are the service's own work.

It is also the world's witness of what the function did: whom it left out is not missing, and must never be sent; and where it
does something else to a record the second time, after a crash, that is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.clock import SimulatedClock
from doka.adapters.simulated.timeline import Timeline
from doka.adapters.simulated.world import Shape
from doka.app.rehearsal.record_file import GivenRecord
from doka.app.transforms import load_transform
from doka.domain.batch import Batch, Transform
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.shaping import Shaping
from doka.domain.rules import Only, RouteRules

_LEFT_OUT, _REFUSED = "left out", "refused"


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """What is to be run, so that it can be handed to another process."""

    route: str
    records: tuple[GivenRecord, ...]
    """What comes, again and again in this order."""
    only: Only | None = None
    file: Path | None = None
    function: str = ""
    drops_poison: bool = False
    """Whether poison of this route is dropped, so that it is not missing either."""


class OwnFunctionPlayed:
    """One function in one world."""

    def __init__(self, own: OwnFunction) -> None:
        """Load it. Raises NotLoadedError: it cannot be."""
        self._own = own
        self._filter = Shaping(RouteRules(own.route, frozenset(), "", only=own.only))
        clock = SimulatedClock(Timeline())
        self._transform = None if own.file is None else load_transform(str(own.file), own.function, clock)
        self._landings: BulkLandings | None = None
        self._made: dict[tuple[TopicPartition, int], int] = {}
        """What was made of a record the first time, as a hash."""
        self.left_out: dict[TopicPartition, set[int]] = {}
        self.unsteady: set[tuple[TopicPartition, int]] = set()
        """The records of which it made something else the second time."""

    def as_transform(self) -> Transform:
        """Give it as a route takes one; time stands still while it runs."""
        return Transform(self._own.route, "simulated", self._play, now=lambda: 0)

    def attach(self, landings: BulkLandings) -> None:
        """Tell from now on which records are not missing."""
        self._landings = landings

    def shape(self, partition: TopicPartition, offset: int) -> Shape:
        """Say what it makes of one record, for the other member of the group, which has the same settings."""
        batch = Batch(*partition, [offset], [None], [None])
        try:
            self._play(batch)
        except Exception:  # noqa: BLE001 - a stranger's code
            return Shape(poison=True)
        return Shape(bool(batch.dropped), bool(batch.refused), batch.partition_keys[0])

    def _play(self, batch: Batch) -> None:
        try:
            self._make(batch)
        except Exception:
            if len(batch) == 1 and self._own.drops_poison:
                self._not_missing(TopicPartition(batch.topic, batch.partition), batch.offsets[0])
            raise

    def _make(self, batch: Batch) -> None:
        given = self._own.records
        chosen = [given[offset % len(given)] for offset in batch.offsets]
        chunk = Chunk(
            TopicPartition(batch.topic, batch.partition),
            batch.offsets,
            [record.key_bytes for record in chosen],
            [record.value_bytes for record in chosen],
            originals=chosen,
        )
        shaped = self._filter.of(chunk)
        for place in shaped.filtered:
            batch.drop(place)
        left = [place for place in range(chunk.count) if place not in shaped.filtered]
        values: dict[int, bytes | None] = {}
        if shaped.chunk is not None:
            for place in shaped.poison:
                batch.refuse(left[place])
            sound = [place for index, place in enumerate(left) if index not in shaped.poison]
            values = self._transformed(chunk, sound, batch)
        self._note(chunk.partition, batch, values)

    def _transformed(self, chunk: Chunk, places: Sequence[int], batch: Batch) -> dict[int, bytes | None]:
        """Let the user's function at these records; give what it made of their values."""
        transform = self._transform
        if transform is None or not places:
            return {}
        wanted = set(places)
        part = chunk.picked([place in wanted for place in range(chunk.count)])
        own = Batch(
            *part.partition,
            part.offsets,
            part.keys,
            part.values,
            headers=[each.headers() or () for each in part.originals] if transform.headers else None,
            timestamps_ms=[each.timestamp()[1] if each.timestamp()[0] else None for each in part.originals]
            if transform.timestamps
            else None,
        )
        transform.function(own)
        own.check()
        for index in own.dropped:
            batch.drop(places[index])
        for index in own.refused:
            batch.refuse(places[index])
        for place, key in zip(places, own.partition_keys, strict=True):
            batch.partition_keys[place] = key
        return dict(zip(places, own.values, strict=True))

    def _note(self, partition: TopicPartition, batch: Batch, values: dict[int, bytes | None]) -> None:
        """Be the witness of what was done."""
        dropped, refused = batch.dropped, batch.refused
        for place, offset in enumerate(batch.offsets):
            fate = _LEFT_OUT if place in dropped else _REFUSED if place in refused else ""
            made = hash((fate, batch.partition_keys[place], values.get(place)))
            if self._made.setdefault((partition, offset), made) != made:
                self.unsteady.add((partition, offset))
            if fate == _LEFT_OUT:
                self.left_out.setdefault(partition, set()).add(offset)
            if fate == _LEFT_OUT or (fate == _REFUSED and self._own.drops_poison):
                self._not_missing(partition, offset)

    def _not_missing(self, partition: TopicPartition, offset: int) -> None:
        if self._landings is not None:
            self._landings.partitions[partition].otherwise.add(offset)
