"""What stands in the log of an owned partition above its watermark, for how long, and whom it waits for.

Theory of operation. A figure about Kafka is true or it is left out: the end of a log is believed for `END_TRUSTED_NS`
after its broker told it, and then it is not known any more. What is not known counts as waiting, never as calm.

Under steady traffic the watermark never meets the end of the log, and yet nothing waits for long. So each end is kept with
the moment at which it was told, until the watermark has passed it: what was written by that moment has settled. The last
such moment is the age of the oldest record that can be waiting, whatever the timestamp in it says.

Of the records that wait while nothing of the partition is here, it says what for: the broker that cannot be reached, a
transaction that stays open, a quota; or that nobody knows, which is no reason to be silent.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Final

from doka.domain.limits import NS_PER_SECOND
from doka.domain.status import LogStatus, Stuck

END_TRUSTED_NS: Final = 25 * NS_PER_SECOND
"""How long the end of a log is believed: two questions that got no answer, and still below the 30 s that may be silent."""
TRANSACTION_NS: Final = 15 * 60 * NS_PER_SECOND
"""How long a transaction may be open: the broker's `transaction.max.timeout.ms`, after which it ends one by itself."""
THROTTLED_NS: Final = 30 * NS_PER_SECOND
"""How long a quota may let a partition stand still; one that is only slow moves on."""
NOTHING_COMES_NS: Final = 60 * NS_PER_SECOND
"""How long records may wait with no reason known: longer than a leader's move, with the client's time-outs for it."""
RESUMED_NS: Final = 60 * NS_PER_SECOND
"""How long a partition may be gone, in a rebalance, and come back with the wait that it had though others moved it on."""
MARKS_MAX: Final = 64  # of ends that were told and not passed: a wait is told too long by a thirtieth of it at most

BROKER_UNREACHABLE: Final = "broker_unreachable"
OPEN_TRANSACTION: Final = "open_transaction"
THROTTLED: Final = "throttled"
NOT_DELIVERED: Final = "not_delivered"


class LogWatch:
    """Never calm while records wait, or while nobody knows; looked at once a second."""

    __slots__ = (
        "_apart",
        "_caught_up_at",
        "_log",
        "_looked_at",
        "_marks",
        "_moved_at",
        "_since",
        "_untouched",
        "_watermark",
        "end",
    )

    def __init__(self) -> None:
        self.end: int | None = None
        """Where the log ends; None where that is not known."""
        self._marks: deque[tuple[int, int]] = deque()  # when, and where the log ended then
        self._apart = 0  # how far two of them are apart at least, in time: the longer they wait the fewer are kept
        self._since: int | None = None  # the first look of this ownership
        self._untouched = False  # it came back as it went, however long it was gone
        self._looked_at: int | None = None
        self._caught_up_at = 0  # what was written before has settled
        self._moved_at = 0
        self._watermark = -1
        self._log: LogStatus | None = None

    def look(self, now: int, watermark: int, log: LogStatus | None) -> None:
        """Take in what the source says of the log; None: nothing at all."""
        if self._since is None:
            self._since = now
            soon = self._looked_at is not None and now - self._looked_at <= RESUMED_NS
            if not soon and not self._untouched:
                self._caught_up_at = now
                self._marks.clear()
        self._looked_at = now
        if watermark != self._watermark:
            self._watermark, self._moved_at = watermark, now
        self._log = log
        self.end = None
        if log is None or log.end is None or log.told_at is None:
            return
        if now - log.told_at <= END_TRUSTED_NS:
            self.end = log.end
        self._mark(log.told_at, log.end)
        while self._marks and self._marks[0][1] <= watermark:
            self._caught_up_at = max(self._caught_up_at, self._marks.popleft()[0])

    def taken_over(self, start: int) -> LogWatch:
        """Go on in another time of ownership, from `start`.

        What waited when the partition went has waited since, if it soon comes back, or if nobody has moved it on meanwhile.
        """
        self._since = None
        self._untouched = start == self._watermark
        return self

    def waiting(self, now: int, held: int | None) -> int | None:
        """Give for how long (ns) the oldest record has waited, of those that are held here (`held`) and those in Kafka.

        None before the first look, and where the source says nothing of the log and nothing is held.
        """
        if self._since is None or (self._log is None and held is None):
            return None
        behind = 0 if self.end is not None and self.end <= self._watermark else now - self._caught_up_at
        return max(behind, held or 0)

    def stuck(self, now: int, *, brings_nothing: bool) -> Stuck | None:
        """Say what the partition waits for in Kafka; `brings_nothing`: it may be fetched, and nothing of it is here."""
        log = self._log
        if log is None or self._since is None:
            return None
        silent = now - (self._since if log.told_at is None else max(log.told_at, self._since))
        if silent > END_TRUSTED_NS:
            sentence = f"{log.broker} cannot be reached: it has told nothing of this partition for {_seconds(silent)}"
            return Stuck(BROKER_UNREACHABLE, sentence)
        end, watermark = self.end, self._watermark
        if not brings_nothing or end is None or end <= watermark:
            return None
        return self._waits_for(log, end - watermark, now)

    def _waits_for(self, log: LogStatus, offsets: int, now: int) -> Stuck | None:
        """Name what `offsets` wait for, if they have waited, with the watermark standing still, for too long."""
        watermark, still = self._watermark, now - max(self._moved_at, self._caught_up_at)
        if log.open_from is not None and log.open_from <= watermark:
            if still <= TRANSACTION_NS:
                return None
            sentence = (
                f"{offsets} offsets from {watermark} on wait for a transaction that is open for {_seconds(still)}"
            )
            return Stuck(OPEN_TRANSACTION, sentence)
        if log.throttled_until is not None and now < log.throttled_until and still > THROTTLED_NS:
            sentence = f"{log.broker} throttles this client by a quota, and nothing has come for {_seconds(still)}"
            return Stuck(THROTTLED, sentence)
        if still > NOTHING_COMES_NS:
            sentence = f"{offsets} offsets from {watermark} on are in Kafka, and none has come for {_seconds(still)}"
            return Stuck(NOT_DELIVERED, sentence)
        return None

    def _mark(self, told_at: int, end: int) -> None:
        marks = self._marks
        if marks and end < marks[-1][1]:
            marks.clear()  # another log under the same name
        if not marks:
            self._apart = 0
        else:
            (last_at, last_end), before_at = marks[-1], marks[-2][0] if len(marks) > 1 else -self._apart
            if end == last_end or told_at == last_at or last_at - before_at < self._apart:
                marks.pop()
        marks.append((told_at, end))
        if len(marks) > MARKS_MAX:
            self._apart = (marks[-1][0] - marks[0][0]) * 2 // MARKS_MAX
            kept = deque((marks.popleft(),))
            for mark, after in pairwise(marks):
                if after[0] - kept[-1][0] > self._apart:
                    kept.append(mark)
            kept.append(marks[-1])
            self._marks = kept


def _seconds(ns: int) -> str:
    return f"{ns // NS_PER_SECOND} s"
