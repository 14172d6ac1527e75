"""The sink port for bulk records: the way of every put is the simulated sink's, only its landing is judged as a whole."""

from __future__ import annotations

from adapters.simulated.bulk_landings import Landings
from adapters.simulated.bulk_stream import BulkStream
from adapters.simulated.kinesis import Put, SimulatedSink
from adapters.simulated.life import Life
from adapters.simulated.world import World


class BulkSink(SimulatedSink):
    """Whatever a put lands is in the landings, entry by entry or in runs."""

    def __init__(self, world: World, life: Life, landings: Landings, *, own_keys: bool = True) -> None:
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
        failed = stream.offer_all(command.keys, command.values, command.hash_keys, now)
        if len(failed) < len(command.keys):
            self._landings.land(command.keys, command.values, failed, now, own_keys=self._own_keys)
            world.progress()
        return failed
