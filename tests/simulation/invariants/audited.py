"""Whether an audit of what is in the logs and the stream would say what the witness has seen (I16).

The witness counts each landing where it happens; here the same records are told apart by what `doka audit` tells them by.
How an audit judges what it has counted is played in tests/simulation/test_audit.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from doka.adapters.simulated.plan import Plan
from doka.domain.audit.aggregates import unfold
from doka.domain.audit.identity import FILTERED, Identities
from doka.domain.audit.landed import Landed
from doka.domain.records import TopicPartition
from doka.domain.rules import Ordering, RouteRules
from tests.simulation.invariants.liveness import Liveness
from tests.simulation.truth import PartitionTruth

AUDITED = 4
"""One in so many runs: to audit one costs some tenths of it."""


class Audited(Liveness):
    """An audit finds each record as often as it landed, and calls poison what can be seen to be poison."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._foreign = False  # whether there may be records of the other member, which have a form of their own

    def neighbour_began(self, partition: TopicPartition, start: int) -> None:
        super().neighbour_began(partition, start)
        self._foreign = True

    def at_the_end(self) -> None:
        super().at_the_end()
        logs = self.world.logs
        if self._foreign or self.plan.seed % AUDITED or any(log.incarnation for log in logs.values()):
            return  # of a former log nothing can be read any more
        for route in self.plan.rules().routes:
            if route.name not in self.world.routes.values():
                continue
            self._audit(
                route,
                [truth for tp, truth in self.truths.items() if tp.topic in route.topics or route.matches(tp.topic)],
            )

    def _audit(self, route: RouteRules, truths: Sequence[PartitionTruth]) -> None:
        identities = Identities(route, self.world.streams[route.name].record_bytes_max)
        stream = self.world.streams[route.name].landed
        run = Landed(
            "all", [e.key for e in stream], [e.value for e in stream], [str(e.at) for e in stream], [0] * len(stream)
        )
        whole, broken = unfold(run)
        self.require(not broken, "I16", f"{broken} aggregates of {route.name} are broken to an audit")
        there = sum(sum(truth.landed.values()) for truth in truths)
        self.require(there == whole.count, "I16", f"an audit reads {whole.count} records of {there}")
        found = Counter(identities.landed(whole))
        lanes: set[tuple[object, int | None]] = set()
        for truth in truths:
            log = self.world.logs[truth.tp]
            chunk = log.read(log.start, len(log.offsets), whole=True)
            if chunk is None:
                continue
            told = identities.expected(chunk)
            left_out = {chunk.offsets[place] for place, code in told.codes.items() if code == FILTERED}
            agree = left_out == truth.unwanted.intersection(chunk.offsets)
            self.require(agree, "I16", f"{truth.tp}: an audit calls {left_out} filtered, and {truth.unwanted} are")
            sick = {chunk.offsets[place] for place in told.codes} - left_out
            unseen = set() if self.plan.work.refused else truth.poison.intersection(chunk.offsets) - sick
            self.require(
                sick <= truth.poison and not unseen, "I16", f"{truth.tp}: an audit calls {sick} poison, not {unseen}"
            )
            for offset, identity, lane in zip(chunk.offsets, told.identities, told.lanes, strict=True):
                times = 0 if identity is None else found[identity]
                right = truth.landed.get(offset, 0)
                self.require(
                    times == right, "I16", f"{truth.tp} {offset} landed {right} times, and {times} to an audit"
                )
                if truth.lanes[offset] is not None and offset not in truth.poison | left_out:
                    lanes.add((truth.lanes[offset], lane))
        apart = len({lane for _, lane in lanes}) == len({key for key, _ in lanes}) == len(lanes)
        self.require(apart or route.ordering is Ordering.NONE, "I16", "an audit takes two keys for one, or one for two")
