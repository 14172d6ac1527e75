"""The sink port for bulk records: the way of every put is the simulated sink's, only its landing is judged as a whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_stream import BulkStream
from doka.adapters.simulated.kinesis import Put, SimulatedSink
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.stream import THROTTLED
from doka.adapters.simulated.world import World

EVEN_CHANCE = 0.5  # that an entry reported as failed inside the service has landed


class BulkSink(SimulatedSink):
    """Whatever a put lands is in the landings, entry by entry or in runs."""

    def __init__(self, world: World, life: Life, landings: BulkLandings, *, own_keys: bool = True) -> None:
        """Land in `landings`; `own_keys` tells whether partition keys are the Kafka keys."""
        super().__init__(world, life)
        self._world = world
        self._landings = landings
        self._own_keys = own_keys

    def _land(self, put: Put) -> dict[int, str]:
        world, command = self._world, put.command
        stream = world.streams[command.route]
        assert isinstance(stream, BulkStream)
        now = world.timeline.now
        unlucky = self._unlucky(len(command.keys))
        if unlucky:
            return self._land_some(stream, put, unlucky, now)
        failed = stream.offer_all(command.keys, command.values, command.hash_keys, now)
        self._number(stream, put, range(len(command.keys)), failed)
        if len(failed) < len(command.keys):
            self._landings.land(command.keys, command.values, failed, now, own_keys=self._own_keys)
            world.progress()
        return failed

    def _unlucky(self, entries: int) -> dict[int, tuple[str, bool]]:
        """Draw which entries are refused out of the blue: their code, and whether they land all the same."""
        rates, random = self._world.rates, self._chance.random
        throttled, both = rates.entry_throttled, rates.entry_throttled + rates.entry_failed
        if not both:
            return {}
        drawn = [random() for _ in range(entries)]
        return {
            i: (THROTTLED, False) if draw < throttled else ("InternalFailure", random() < EVEN_CHANCE)
            for i, draw in enumerate(drawn)
            if draw < both
        }

    def _land_some(
        self, stream: BulkStream, put: Put, unlucky: dict[int, tuple[str, bool]], now: int
    ) -> dict[int, str]:
        """Land the others, and those that land although they are reported as failed."""
        command = put.command
        offered = [i for i in range(len(command.keys)) if i not in unlucky or unlucky[i][1]]
        keys, values = [command.keys[i] for i in offered], [command.values[i] for i in offered]
        hash_keys = None if command.hash_keys is None else [command.hash_keys[i] for i in offered]
        refused = stream.offer_all(keys, values, hash_keys, now)
        self._number(stream, put, offered, refused)
        if len(refused) < len(keys):
            self._landings.land(keys, values, refused, now, own_keys=self._own_keys)
            self._world.progress()
        failed = {i: code for i, (code, _) in unlucky.items()}
        failed.update((offered[place], code) for place, code in refused.items())
        return dict(sorted(failed.items()))

    @staticmethod
    def _number(stream: BulkStream, put: Put, offered: Sequence[int], refused: Collection[int]) -> None:
        """Note where the entries that were not refused came to lie, in order, where the answer shall say it."""
        if put.command.wants_landings:
            landed = [entry for place, entry in enumerate(offered) if place not in refused]
            first, keys = stream.taken - len(landed) + 1, put.command.keys
            put.places.update(
                (entry, (stream.shard_of(keys[entry]).number, first + n)) for n, entry in enumerate(landed)
            )
