"""What an audit asks of its stream, with the lease of its role, and what follows where the stream refuses.

It must never ask on where the answer would be the same again, and never give up for what passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import methodcaller
from typing import Any

from botocore.session import Session

from doka.adapters.aws.codes import UNREADABLE
from doka.adapters.aws.held_lease import PATIENCE_NS, HeldLease, Pause
from doka.adapters.aws.kinesis.questions import SHARD_PAGES_MAX, Answer, Question, Questions, Refusal, stream_of
from doka.adapters.aws.kinesis.read_columns import COLUMNS, MS_PER_SECOND, Columns, read_columns
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.backoff import Jitter, backoff
from doka.domain.events import StreamRefused
from doka.domain.lease import Lease
from doka.domain.limits import BACKOFF_LAST_NS, THROTTLE_BACKOFF_LAST_NS
from doka.domain.ports import Clock
from doka.domain.verdicts import Verdict, of_request

PARENTS = ("ParentShardId", "AdjacentParentShardId")

_PASSES = {Verdict.RETRY, Verdict.AMBIGUOUS}
_ON_ITS_WAY = {
    UNREADABLE,
    "certificate_refused",
    "connect_timeout",
    "no_answer",
    "not_connected",
    "proxy_failed",
    "timeout",
    "tls_failed",
}
"""What befalls a question on its way, by our own names: nothing was decided, and it may be over the next time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read on: at an iterator, where one is at hand, else behind a record, else at a time."""

    shard: str
    iterator: str | None
    sequence_number: str | None
    since_ms: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one question; `at` and `service_ms` say when it was asked, by our clock and by the service's."""

    answer: Columns | Refusal
    lease: Lease
    at: int
    service_ms: int


class Asking:
    """Asks one stream; `records` from any thread, the rest from the audit's own.

    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(
        self,
        target: StreamTarget,
        leases: HeldLease,
        clock: Clock,
        jitter: Jitter,
        *,
        pause: Pause,
        new_session: NewSession = Session,
    ) -> None:
        self._target = target
        self._stream = stream_of(target)
        self._leases = leases
        self._clock = clock
        self._jitter = jitter
        self._pause = pause
        # Behind a box that repeats answers late the next question on a connection gets the answer to another (ADR 12), of
        # another shard maybe, whose records would then be read twice, and this one's never.
        self._questions = Questions([target], clock, new_session, keeps_connections=False)
        self._questions.before_parsing("GetRecords", read_columns)
        self._served_by: int | None = None
        """Serial of the last lease under which a question was answered."""

    # --- the questions ---------------------------------------------------------------------------------------------

    def shards(self, since_ms: int) -> dict[str, tuple[str, ...]]:
        """Give the shards that hold anything since then, each with its parents among them.

        A stand-in that knows no filter lists older ones too.

        Raises StreamUnreadableError.
        """
        asked = self._stream | {"ShardFilter": {"Type": "FROM_TIMESTAMP", "Timestamp": _moment(since_ms)}}
        found: dict[str, tuple[str, ...]] = {}
        for _ in range(SHARD_PAGES_MAX):
            page, token = self._list(asked)
            found |= page
            if not token:
                break
            asked = {"NextToken": token}
        return {shard: tuple(each for each in parents if each in found) for shard, parents in found.items()}

    def retention_hours(self) -> int | None:
        """Give how long the stream holds a record; None where it is not told. Raises StreamUnreadableError without a lease."""
        answer = self._ask(self._leases.get(), methodcaller("describe_stream_summary", **self._stream))
        if isinstance(answer, Refusal):
            return None
        hours = answer.get("StreamDescriptionSummary", {}).get("RetentionPeriodHours")
        return hours if isinstance(hours, int) else None

    def records(self, place: Place, limit: int) -> Asked:
        """Ask for the next records of a shard, `limit` at most. Raises StreamUnreadableError without a lease."""
        lease, at, service_ms = self._leases.get(), self._clock.now(), self.service_ms()
        return Asked(self._records(place, limit, lease), lease, at, service_ms)

    def _records(self, place: Place, limit: int, lease: Lease) -> Columns | Refusal:
        iterator: str | Refusal | None = place.iterator
        if iterator is None:
            iterator = self._iterator(place, lease)
        if isinstance(iterator, Refusal):
            return iterator
        stream = {"StreamARN": self._target.stream_arn} if self._target.stream_arn else {}
        asked: dict[str, Any] = {"ShardIterator": iterator, "Limit": limit, **stream}
        answer = self._ask(lease, methodcaller("get_records", **asked))
        if isinstance(answer, Refusal):
            return answer
        columns: Columns = answer[COLUMNS]
        if place.sequence_number is not None and not columns.are_behind(place.sequence_number):
            return Refusal(UNREADABLE, "the answer holds records that were read before")  # as a box between may have it
        return columns

    def _iterator(self, place: Place, lease: Lease) -> str | Refusal:
        asked: dict[str, Any] = {"ShardId": place.shard, **self._stream}
        if place.sequence_number is None:
            asked |= {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": _moment(place.since_ms)}
        else:
            asked |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": place.sequence_number}
        answer = self._ask(lease, methodcaller("get_shard_iterator", **asked))
        if isinstance(answer, Refusal):
            return answer
        iterator = answer.get("ShardIterator")
        return iterator if isinstance(iterator, str) else Refusal(UNREADABLE, "the answer holds no iterator")

    def service_ms(self) -> int:
        """Give the service's time in ms since the epoch: the host's own until the service has spoken."""
        return round(self._questions.service_wall(self._target) * MS_PER_SECOND)

    def _ask(self, lease: Lease, question: Question) -> Answer | Refusal:
        return self._questions.ask(self._target, lease, question)

    def _list(self, asked: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], str | None]:
        """Give a page of shards with their parents, and where the next one begins; asks again for what passes."""
        began, refusals = self._clock.now(), 0
        while True:
            lease = self._leases.get()
            answer = self._ask(lease, methodcaller("list_shards", **asked))
            if not isinstance(answer, Refusal):
                try:
                    page = {each["ShardId"]: _parents(each) for each in answer["Shards"]}
                except (KeyError, TypeError):
                    answer = Refusal(UNREADABLE, "the answer lists no shards")
                else:
                    self.served(lease)
                    return page, answer.get("NextToken")
            refusals += 1
            self._pause(self.wait_behind(answer, lease, refusals, since=began))

    # --- what follows ----------------------------------------------------------------------------------------------

    def served(self, lease: Lease) -> None:
        """Take note that a question that was signed with this lease was answered."""
        self._served_by = lease.serial
        self._leases.served(lease)

    def wait_behind(self, refusal: Refusal, lease: Lease, refusals: int, *, since: int) -> int:
        """Give how long to wait, in ns, behind so many refusals in a row of what was answered, or first asked, at `since`.

        Raises StreamUnreadableError: it would be refused again.
        """
        verdict, first = _judged(refusal.code), refusals == 1
        if verdict is Verdict.THROTTLED:  # others read there too; nothing is wrong
            return backoff(refusals, self._jitter, last=THROTTLE_BACKOFF_LAST_NS)
        patient = first or (self._served_by is not None and self._clock.now() - since < PATIENCE_NS)
        if verdict in _PASSES and patient:
            return backoff(refusals, self._jitter, last=BACKOFF_LAST_NS)
        # A session that was revoked answers like a permission that is missing, and only another lease can tell.
        revoked = verdict is Verdict.DENIED and self._served_by == lease.serial
        if (verdict is Verdict.LEASE and patient) or revoked:
            self._leases.rejected(lease, refusal.code)
            return 0
        raise self.unreadable(refusal, lease)

    def unreadable(self, refusal: Refusal, lease: Lease) -> StreamUnreadableError:
        """Give the end of a reading for this reason."""
        return StreamUnreadableError(StreamRefused(self._target.route, refusal.code, refusal.message, lease.serial))


def _parents(shard: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(shard[name] for name in PARENTS if name in shard)


def _judged(code: str) -> Verdict:
    if code in _ON_ITS_WAY or code.startswith("http_5"):
        return Verdict.AMBIGUOUS
    return of_request(code)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(max(ms, 0) / MS_PER_SECOND, UTC)
