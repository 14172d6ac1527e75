"""Whether anything says that records wait in Kafka: never silent for more than 30 s (I21).

What is judged is what a person or a rule can see: the reasons of /readyz, and the figures of the metrics page, rendered
by the code that renders them. What was written, and what has landed, only the world knows.
"""

from __future__ import annotations

from bisect import bisect_left

from prometheus_client.core import Metric

from doka.adapters.simulated.group import NEIGHBOUR
from doka.adapters.simulated.plan import Plan
from doka.adapters.telemetry import present
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import Status
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.invariants.violation import ViolationError

SILENT_AT_MOST_NS = 30 * NS_PER_SECOND
BEHIND_NS = 2 * NS_PER_SECOND  # what a lag may be below the true one: it is published once a second
BEFORE_NS = 12 * NS_PER_SECOND  # what it may be above: where a log ends is asked each ten seconds


class Silence(Evidence):
    """A record that waits longer than 30 s in Kafka shows: un-ready, stuck, or a lag as long as its wait."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._written: dict[TopicPartition, list[tuple[int, int]]] = {}  # each record's offset, and when it was written
        self._since: dict[TopicPartition, tuple[object, int]] = {}  # in which life, and since when it was not another's

        self._heard_since: dict[
            TopicPartition, tuple[object, int]
        ] = {}  # since when its log's end is told all the time
        self._judged_at = 0

    def produced(self, partition: TopicPartition, offset: int, key: bytes | None, value: bytes | None) -> None:
        super().produced(partition, offset, key, value)
        self._written.setdefault(partition, []).append((offset, self.world.timeline.now))

    def leapt(self) -> None:
        """Note that the process has rested up to now: it has heard all that there was, and had nothing to publish."""
        self._judged_at = self.world.timeline.now

    def judge_silence(self, status: Status) -> None:
        """Judge a status that was published: I21."""
        if status.draining or status.halted is not None:
            return  # which is un-ready, and says why
        now = self.world.timeline.now
        waits = {tp: wait for tp in self.truths if (wait := self._wait_of(tp, now)) is not None}
        self._judge_excess(status)
        late = {tp: wait for tp, wait in waits.items() if wait > SILENT_AT_MOST_NS}
        if not late:
            return
        lags, stuck = self._shown(status)
        reasons = status.reasons()
        for tp, wait in late.items():
            owned = self.world.group.owner[tp] is not None
            shown = lags.get(tp)
            says = stuck.get(tp) or (shown is not None and shown * NS_PER_SECOND >= wait - BEHIND_NS)
            route = self.world.routes[tp.topic]
            says = says or any(
                f"{tp} " in reason or f"route {route} " in reason or f"route {route}: " in reason for reason in reasons
            )
            says = says or any("consumer group" in reason for reason in reasons)
            self.reached["a record waited in Kafka for more than 30 s"] += 1
            self.require(
                says,
                "I21",
                f"{'' if owned else 'unowned '}{tp} has waited for {wait / NS_PER_SECOND:.0f} s, and is shown with a "
                f"lag of {shown}, stuck {stuck.get(tp)}, and {reasons}",
            )

    def _judge_excess(self, status: Status) -> None:
        """Judge that no lag is shown where nothing has waited for as long: I14. Who waits for a person is not asked."""
        now, before, self._judged_at = self.world.timeline.now, self._judged_at, self.world.timeline.now
        for tp, shown in status.partitions.items():
            log, written = self.world.logs[tp], self._written.get(tp, [])
            ownership, since = self._heard_since.get(tp, (None, now))
            heard = ownership is self.owned[tp] and now - before <= BEHIND_NS and self.world.answers(tp)
            if not heard or shown.stuck or log.incarnation:
                since = now
            self._heard_since[tp] = self.owned[tp], since
            if self.world.answers(tp) and not log.incarnation:
                right = shown.log_end is not None and shown.log_end <= log.end
                if not right:
                    raise ViolationError("I14", f"{tp} is shown to end at {shown.log_end}, and ends at {log.end}")
            place = bisect_left(written, (shown.watermark, 0))
            wait = 0 if place == len(written) else now - written[place][1]
            most = wait * 17 // 16 + BEFORE_NS  # of many ends that were told one in a while is remembered
            right = shown.waiting is None or shown.waiting <= most or now - since < wait + BEFORE_NS
            if not right:
                raise ViolationError(
                    "I14", f"{tp} is shown with a lag of {shown.waiting} ns, and nothing waits for {most}"
                )

    def _wait_of(self, tp: TopicPartition, now: int) -> int | None:
        """Give for how long its oldest record has waited that this process could know of; None where none waits."""
        life, owner = self.world.lives, self.world.group.owner[tp]
        former, since = self._since.get(tp, (None, 0))
        elsewhere = owner is not None and tp not in self.owned  # the neighbour's, or on its way to us or from us
        if life != former or owner == NEIGHBOUR:
            since = now
            self._since[tp] = life, now
        if elsewhere:
            return None
        truth, log = self.truths[tp], self.world.logs[tp]
        offset = truth.undone(log.start, log.end)
        if offset is None:
            return None
        written = self._written.get(tp, [])
        place = bisect_left(written, (offset, 0))
        if place == len(written):
            return None
        return now - max(since, written[place][1])

    def _shown(self, status: Status) -> tuple[dict[TopicPartition, float], dict[TopicPartition, bool]]:
        """Render the page's series of lag and stuck, as a scrape at this moment does."""
        clock = self.world.clock
        of_partitions = present.of_partitions(status, max(0, clock.now() - status.at), clock.wall())
        found: dict[str, Metric] = {metric.name: metric for metric in of_partitions}
        lags: dict[TopicPartition, float] = {}
        for name in ("doka_lag_seconds", "doka_waiting_seconds"):
            for sample in found[name].samples:
                tp = TopicPartition(sample.labels["topic"], int(sample.labels["partition"]))
                lags[tp] = max(sample.value, lags.get(tp, 0.0))
        stuck = {
            TopicPartition(sample.labels["topic"], int(sample.labels["partition"])): bool(sample.value)
            for sample in found["doka_partition_stuck"].samples
        }
        return lags, stuck
