"""The order of keys (I4), also where the records of a key share a request: what may break it, and that each break is told.

With `ordering: key` nothing breaks it. With `key_in_request` a record may be overtaken inside its request alone, and then
the service must tell of it: as what it was (refused, reordered) where the answers leave no doubt, else as unknown.
All of it is worked out here anew, from what landed in the world and from the answers that the process has read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from doka.adapters.simulated.kinesis import INVALID, Put
from doka.adapters.simulated.plan import Plan
from doka.domain.commands import SendPut
from doka.domain.events import Event, PutAmbiguous, PutAnswered
from doka.domain.facts import OrderBroken
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison, Ordering
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership, PartitionTruth

LANDED, REFUSED, UNKNOWN, NEVER = "landed", "refused", "unknown", "never"
REORDERED = "reordered"
NOT_TOLD = "a record was overtaken, and nothing told of it"

Carried = Sequence[tuple[Ownership, int]]


class Order(Evidence):
    """Where a record of a key may stand in a request, and what it means when it landed behind a later one."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.shares = plan.ordering is Ordering.KEY_IN_REQUEST and plan.aggregation is None
        self.keeps = plan.ordering is not Ordering.NONE or plan.aggregation is not None
        self._carried: dict[SendPut, Carried] = {}
        self._order_of: dict[SendPut, list[int]] = {}  # the entries of a put as they landed
        self._overtaken: dict[SendPut, set[tuple[PartitionTruth, int]]] = {}
        self._breaks_due: Counter[str] = Counter()
        self._breaks_told: Counter[str] = Counter()

    def end_life(self) -> None:
        super().end_life()
        self._breaks_due.clear()
        self._breaks_told.clear()

    # --- sent ----------------------------------------------------------------------------------------------------

    def may_follow(self, ownership: Ownership, offset: int, together: set[tuple[TopicPartition, int]]) -> None:
        """Judge what is sent: all earlier records of its key have settled, or stand before it in the same request."""
        truth = ownership.truth
        for before in truth.earlier(offset) if self.keeps else ():
            if before < ownership.start:
                return
            if not (before in ownership.settled or before in truth.dropped or (truth.tp, before) in together):
                why = f"{truth.tp} offset {offset} was sent while {before} of the same key had not settled"
                raise ViolationError("I4", why)
            if not self.shares:
                return  # that one was judged alike

    def carried(self, command: SendPut, entries: Carried) -> None:
        """Note what a request carries, entry by entry."""
        if not self.shares:
            return
        self._carried[command] = entries
        keys = Counter((ownership, ownership.truth.lanes[offset]) for ownership, offset in entries)
        if max(keys.values()) > 1:
            self.reached["several records of a key in one put"] += 1
        ownership, last = entries[-1]
        key = ownership.truth.lanes[last]
        cut = any(ownership.truth.lanes[o] == key for o in ownership.unsettled if o > last)
        if cut and keys[ownership, key] > 1 and len(entries) == self.plan.limits.request_records:
            self.reached["the end of a put cut off records of its last key"] += 1

    # --- landed --------------------------------------------------------------------------------------------------

    def lands(self, put: Put | None, entry: int, truth: PartitionTruth, offset: int) -> None:
        """Judge a first landing: no earlier record of its key is open, but for those before it in the same request."""
        for before in truth.earlier(offset) if self.keeps else ():
            dropped = before in truth.poison and self.plan.on_poison is OnPoison.DROP
            if not truth.done(before) and not dropped:
                if not self._in_the_same(put, entry, truth, before):
                    raise ViolationError("I4", f"{truth.tp} offset {offset} landed before {before} of the same key")
                assert put is not None
                self._overtaken.setdefault(put.command, set()).add((truth, before))
            if not self.shares:
                return
        if self.shares:
            truth.landed_in[offset] = None if put is None else self._carried[put.command][entry][0]

    def _in_the_same(self, put: Put | None, entry: int, truth: PartitionTruth, before: int) -> bool:
        carried = () if put is None else self._carried.get(put.command, ())
        return any(ownership.truth is truth and offset == before for ownership, offset in carried[:entry])

    def landed_entry(self, put: Put | None, entry: int) -> None:
        """Note in which order the entries of a request landed."""
        if self.shares and put is not None:
            self._order_of.setdefault(put.command, []).append(entry)

    # --- answered ------------------------------------------------------------------------------------------------

    def told_break(self, fact: OrderBroken) -> None:
        """Note what the service says of its order."""
        self.require(self.shares, "I4", "a break of an order was told that cannot break")
        self._breaks_told[fact.cause] += fact.records

    def judge_breaks_told(self) -> None:
        """Judge the counts: each break was told, by its cause, and nothing else."""
        told, due = dict(self._breaks_told), dict(self._breaks_due)
        self.require(told == due, "I4", f"breaks of order that were told are {told}, and there were {due}")

    def answer_of(self, command: SendPut, event: Event) -> None:
        """Work out what an answer says of the order of each key, and what it leaves in doubt."""
        if not self.shares or not isinstance(event, PutAnswered | PutAmbiguous):
            return
        carried = self._carried[command]
        fates = [_fate(event, entry) for entry in range(len(carried))]
        landed = self._order_of.get(command, [])
        for entry, (ownership, offset) in enumerate(carried):
            truth = ownership.truth
            key = truth.lanes[offset]
            later = [
                i
                for i, (other, its) in enumerate(carried[entry + 1 :], entry + 1)
                if key is not None and other is ownership and truth.lanes[its] == key
            ]
            behind = {i for i in later if fates[i] == LANDED}
            if fates[entry] == LANDED:
                behind &= set(landed[: landed.index(entry)])
            unsure = any(fates[i] == UNKNOWN for i in later)
            self._may_be_overtaken(ownership, offset, fates[entry], behind=bool(behind), unsure=unsure)
        for truth, offset in self._overtaken.get(command, ()):
            told = any(own.truth is truth and own.doubts.get(offset) for own, o in carried if o == offset)
            self.require(told or offset in truth.poison, "I4", f"{truth.tp} offset {offset}: {NOT_TOLD}")

    def _may_be_overtaken(self, ownership: Ownership, offset: int, fate: str, *, behind: bool, unsure: bool) -> None:
        cause: str | None = None
        if fate == NEVER:
            return
        if behind and fate != UNKNOWN:
            cause = REORDERED if fate == LANDED else REFUSED
        elif behind or unsure:
            cause = UNKNOWN
        doubt = ownership.doubts.get(offset)
        if cause is None or doubt:
            if fate == UNKNOWN and doubt is None:
                ownership.doubts[offset] = False
            return
        if doubt is False or self.owned.get(ownership.truth.tp) is not ownership:
            cause = UNKNOWN
        self._breaks_due[cause] += 1
        ownership.doubts[offset] = True
        self.reached[f"the order of a key was broken: {cause}"] += 1
        truth = ownership.truth
        if cause == REFUSED:
            here = truth.landed_in.get(offset) is ownership
            self.require(not here, "I4", f"{truth.tp} offset {offset} was not overtaken: it had landed")


def _fate(event: PutAnswered | PutAmbiguous, entry: int) -> str:
    if isinstance(event, PutAmbiguous):
        return UNKNOWN
    code = event.failed.get(entry)
    return {None: LANDED, "InternalFailure": UNKNOWN, INVALID: NEVER}.get(code, REFUSED)
