"""What the outside of one forwarder knows of it: who owns what, and what it has asked for and was not answered."""

from __future__ import annotations

from collections import Counter

from doka.domain.commands import CommitOffsets, DescribeStream
from doka.domain.forwarder import Forwarder
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.aggregates import Aggregates
from tests.property.setup import TPS, Setup
from tests.property.truth import Flight, Log, Ownership, Record


def _require(holds: object, rule: str, text: str) -> None:
    assert holds, f"{rule}: {text}"


class State:
    """Everything that the judges of commands and the drivers of events share."""

    def __init__(self, setup: Setup, make: type[Forwarder] = Forwarder) -> None:
        self.setup = setup
        self.rules = setup.rules()
        self.limits = self.rules.limits
        self.forwarder = make(self.rules, lambda: 0.0)
        self.now = 1_000 * NS_PER_SECOND
        self.logs = {tp: Log(tp) for tp in TPS}
        self.owned: dict[TopicPartition, Ownership] = {}
        self.farewell: dict[TopicPartition, Ownership] = {}
        """What was given back since the last decision: its last commit may still come."""
        self.flights: dict[int, Flight] = {}
        self.late: list[tuple[Flight, list[int]]] = []
        """Entries of requests without an answer that land one day."""
        self.aggregates = {route.name: Aggregates(route.aggregation, _require) for route in self.rules.routes}
        self.commits: dict[int, tuple[CommitOffsets, int, dict[TopicPartition, Ownership], bool]] = {}
        """Command, when it was given, whose partitions they were, and whether it was the last one of theirs."""
        self.letters: dict[int, tuple[Record, Ownership]] = {}
        self.lease_wanted: set[str] = set()
        self.leases: dict[str, Lease] = {}
        self.rejected: set[int] = set()
        self.serial = 0
        self.describing: dict[str, DescribeStream] = {}
        self.assumed: set[str] = set()
        """Routes of which the machine does not know how large a record may be."""
        self.ownerships: list[Ownership] = []
        """All that there ever were."""
        self.breaks: Counter[str] = Counter()
        """Records that were told as overtaken, by cause."""
        self.landings = 1
        """The next sequence number."""
        self.stopped = False
        self.met: Counter[str] = Counter()
        """Which situations there were, and how often."""
        self.halves: dict[str, frozenset[Record]] = {}
        """What the next request of a route carries, where a search has just seen an aggregate refused."""
        self.trace: list[str] = []
