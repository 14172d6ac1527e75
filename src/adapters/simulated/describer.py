"""The describer port over the simulated streams."""

from __future__ import annotations

from collections.abc import Callable

from doka.adapters.simulated.weather import draw_span
from doka.adapters.simulated.world import World
from doka.domain.commands import DescribeStream
from doka.domain.errors import InvariantError
from doka.domain.events import Event, ShardRange, StreamDescribed, StreamRefused


class SimulatedDescriber:
    """Asks the stream over a way that takes time in both directions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance.of("describe way")

    def describe(self, command: DescribeStream) -> Event:
        """Give `StreamDescribed` or `StreamRefused`; virtual time passes until then."""
        answers: list[Event] = []
        self.ask(command, answers.append)
        while not answers:
            if not self._world.timeline.run_next():
                raise InvariantError("a question about a stream was never answered")
        return answers[0]

    def ask(self, command: DescribeStream, then: Callable[[Event], object]) -> None:
        """Ask without waiting; `then` is called with the answer."""
        world, chance = self._world, self._chance
        there, back = (draw_span(chance, world.delays.put) for _ in range(2))

        def arrive() -> None:
            event = self._look(command)
            world.timeline.after(back, lambda: then(event))

        world.timeline.after(there, arrive)

    def _look(self, command: DescribeStream) -> Event:
        world, route, serial = self._world, command.route, command.lease.serial
        if world.rates.describe_failed and self._chance.random() < world.rates.describe_failed:
            return StreamRefused(route, "not_connected", "could not connect to Kinesis", serial)
        code = world.tokens.judge(command.lease)
        if code is not None:
            return StreamRefused(route, code, "the stream was not described", serial)
        if world.timeline.now < world.describe_denied_until:
            message = "not authorized to perform: kinesis:DescribeStreamSummary"
            return StreamRefused(route, "AccessDeniedException", message, serial)
        stream = world.streams.get(route)
        if stream is None or stream.status is None:
            return StreamRefused(route, "ResourceNotFoundException", "no such stream", serial)
        shards = tuple(ShardRange(str(shard.number), shard.first) for shard in stream.shards)
        return StreamDescribed(
            route,
            arn=stream.arn,
            status=stream.status,
            record_bytes_max=stream.record_bytes_max,
            honours_keys=stream.honours_keys,
            open_shards=len(shards),
            shards=shards,
        )
