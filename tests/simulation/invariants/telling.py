"""What the service says of itself: true figures (I14), waits with jitter (I10), no secret and no payload (I17)."""

from __future__ import annotations

import re

from doka.domain.facts import (
    Fact,
    GapSeen,
    IntakeClosed,
    IntakeOpened,
    LeaseRejected,
    LeaseRenewalFailed,
    OrderBroken,
    RecordFreed,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RecordsSkipped,
    RouteBlocked,
    RouteOpened,
    StreamChanged,
    StreamFactsAssumed,
)
from doka.domain.limits import BACKOFF_FIRST_NS, BACKOFF_LAST_NS
from doka.domain.rules import OnGap
from doka.domain.status import Status
from tests.simulation.invariants.delivery import Delivery
from tests.simulation.invariants.leases import Leases
from tests.simulation.invariants.letters import Letters
from tests.simulation.invariants.liveness import Liveness
from tests.simulation.invariants.order import Order
from tests.simulation.invariants.silence import Silence
from tests.simulation.invariants.violation import ViolationError

CEILINGS = frozenset(min(BACKOFF_FIRST_NS << i, BACKOFF_LAST_NS) for i in range(16))
WAITS_IN_STEP_MAX = 3  # in a row that end where the backoff's ceiling is: a fleet would come back all at once
NOT_TO_BE_SHOWN = re.compile(r"secret-\d|token-\d|\bt\d+/\d+/\d+")
"""Secrets as the authority gives them, and values and keys as the producer writes them."""


def look_for_payload(text: str) -> None:
    """Judge a text that people will read: I17."""
    shown = NOT_TO_BE_SHOWN.search(text)
    if shown is not None:
        raise ViolationError("I17", f"a text for people shows {shown[0]!r}")


class Telling(Delivery, Liveness, Order, Silence, Leases, Letters):
    """Facts and figures are those of the world (I14), and name no secret and no payload (I17)."""

    def told(self, fact: Fact) -> None:
        """Judge a fact that the service told."""
        self.judge_fact(fact)
        if isinstance(fact, RecordsSettled):
            self._settled_told += fact.records
        elif isinstance(fact, RecordsFailed):
            self._ambiguous_told += fact.records if fact.ambiguous else 0
        elif isinstance(fact, OrderBroken):
            self.told_break(fact)
        elif isinstance(fact, GapSeen):
            self._gaps_untold.discard(fact.partition)
            self._told_forgotten(fact)
        elif isinstance(fact, LeaseRejected):
            self.told_rejected(fact)
        elif isinstance(fact, LeaseRenewalFailed):
            look_for_payload(fact.message)
            self.told_refused(fact)
            self._waits_in_step = self._waits_in_step + 1 if fact.retry_in in CEILINGS else 0
            self.require(self._waits_in_step <= WAITS_IN_STEP_MAX, "I10", "the waits for a lease have no jitter")
        elif isinstance(fact, RecordsPoisoned):
            self.told_poison(fact)
        elif isinstance(fact, RecordFreed):
            self.told_freed(fact)
        elif isinstance(fact, StreamChanged):
            self.told_changed(fact)
        elif isinstance(fact, RecordsSkipped):
            self.told_skipped(fact)
        elif isinstance(fact, StreamFactsAssumed):
            self.facts_assumed = True
        elif isinstance(fact, RouteOpened):
            self._blocked_told.discard(fact.route)
        elif isinstance(fact, IntakeClosed | IntakeOpened):
            self.told_intake(fact)
            look_for_payload(repr(fact))
            self.turned_at[fact.route] = self.world.timeline.now
        elif isinstance(fact, RouteBlocked):
            self._blocked_told.add(fact.route)
            look_for_payload(fact.message)
            self.reached[f"a route was blocked: {fact.reason.partition(':')[0]}"] += 1

    def _told_forgotten(self, gap: GapSeen) -> None:
        """Judge the count of what is given up of a former log: I14. Answers of this turn may have settled some since."""
        ownership = self.owned.get(gap.partition)
        if ownership is None or gap.policy != OnGap.CONTINUE.value or gap.log_start >= ownership.expected:
            self.require(not gap.forgotten, "I14", f"{gap.forgotten} records were told as given up, and were not")
            return
        have = len(ownership.unsettled)
        self.require(gap.forgotten >= have, "I14", f"{have} records are given up, and {gap.forgotten} were told")

    def published(self, status: Status) -> None:
        """Judge a status that the service published: I7 (what it holds) and I14."""
        self.last_status = status
        if status.halted is not None:
            return  # it stopped in the middle of something, and says so
        over = status.held_bytes - status.held_bytes_max
        last = (
            self._fetched_bytes + self.decoded_bytes() + self.made_later()
        )  # it was asked for while there was room, in records: its bytes nobody knew
        if not (over <= 0 or over < last):
            raise ViolationError("I7", f"{over} bytes are held above limits.held_mib, {last} of one fetch")
        if over > 0:
            self.reached["the last fetch reached above the limit of held bytes"] += 1
        self.require(
            self._settled_told == self._settled_here, "I14", "the settled records that were told and that were"
        )
        self.require(
            self._ambiguous_told >= self._ambiguous_here, "I14", "ambiguous records were told as if nothing had landed"
        )
        self.judge_facts(status)
        self.judge_figures(status)
        self.judge_breaks_told()
        told = self._blocked_told | self.intake_closed.keys()
        silent = [name for name in told if status.routes[name].blocked is None]
        if silent:
            raise ViolationError("I14", f"{silent} send again, and nothing told of it")
        self.judge_blocks(status)
        self.judge_silence(status)
        self.judge_streams(status)
        for tp, shown in status.partitions.items():
            ownership = self.owned.get(tp)
            if ownership is None or ownership.draining or status.draining:
                continue
            have = len(ownership.unsettled)
            begins_again = ownership.ordered and shown.unsettled < have  # and has forgotten what was not sent
            unwanted = ownership.truth.unwanted  # which counts while it waits to come in
            more = sum([shown.watermark <= offset < ownership.expected for offset in unwanted]) if unwanted else 0
            if not have <= shown.unsettled <= have + more and not begins_again:
                raise ViolationError("I14", f"{tp} shows {shown.unsettled} unsettled records of {have}")
        if self.is_healed:
            self.stop_when_done()
