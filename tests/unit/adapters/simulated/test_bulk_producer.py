from __future__ import annotations

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_log import BulkLog
from doka.adapters.simulated.bulk_producer import BulkProducer
from doka.adapters.simulated.plan import Plan, Work
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.witness import Witness
from doka.adapters.simulated.world import World

SECOND = 1_000_000_000


class Ended(Witness):
    """Notes the end of the writing."""

    def __init__(self) -> None:
        self.all_written = 0

    def production_ended(self) -> None:
        self.all_written += 1


def written(rate: float, seconds: int, every: int = 10, partitions: int = 3) -> tuple[list[int], BulkLandings, Ended]:
    """Write for some seconds; give the ends of the logs."""
    witness = Ended()
    world = World(Plan(1, Work(partitions=partitions)), witness)
    logs = [BulkLog(tp, i, keys=3, value_bytes=30) for i, tp in enumerate(world.logs)]
    landings = BulkLandings(logs)
    ends_at = START_NS + seconds * SECOND
    BulkProducer(world, logs, landings, rate=lambda at: rate, every=every * SECOND, ends_at=ends_at).start()
    world.timeline.pass_to(ends_at + 100 * SECOND)
    return [log.end for log in logs], landings, witness


def test_it_writes_what_the_rate_asks_for_to_the_record() -> None:
    """A rate that makes no whole burst still comes to its sum, and every partition has its share."""
    ends, landings, witness = written(0.73, 1_000)
    assert (730, 730) == (sum(ends), landings.produced)
    assert max(ends) - min(ends) <= 1
    assert 1 == witness.all_written


def test_the_last_burst_is_at_the_end() -> None:
    """Time that is no whole burst is written too, at the end."""
    ends, _, witness = written(1, 25)
    assert 25 == sum(ends)
    assert 1 == witness.all_written
