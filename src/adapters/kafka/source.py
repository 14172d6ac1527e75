"""Kafka as one consumer-group member, behind `domain.ports.Source`.

Theory of operation. `fetch` lets librdkafka work (its callbacks run in there, see membership.py), takes what it brought,
and gives it as events. The next offset of each owned partition is advanced only where events that hold its records are
about to be returned; so whenever anything goes wrong before that, going back to the next offsets loses nothing and
feeds nothing twice. Whatever does not fit (a partition not owned, an offset already delivered, a partition that moved
while the call ran) is dropped, and fetched again where it is still ours.

It must never skip an offset in silence, never commit by itself anything but a starting position, and never wait for the
group's coordinator.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from select import select
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException

from doka.adapters.kafka.chores import Chores
from doka.adapters.kafka.client import ClientLog, ClientUnusableError, new_consumer
from doka.adapters.kafka.client_errors import MISSING_TOPIC, REFUSED_FOR_NS, UNREADABLE, ClientErrors, is_fatal
from doka.adapters.kafka.client_settings import Oauth, connection_settings, consumer_settings
from doka.adapters.kafka.columns import AnyMessage, chunks, split_errors
from doka.adapters.kafka.commits import SentCommits
from doka.adapters.kafka.discovery import NOT_TOLD, Discovery, find_topics
from doka.adapters.kafka.far_side import far_side
from doka.adapters.kafka.headers import AtOnce
from doka.adapters.kafka.inquirer import Inquirer
from doka.adapters.kafka.log_ends import LogEnds
from doka.adapters.kafka.login import Login, cure_of_login, has_no_token
from doka.adapters.kafka.membership import Membership
from doka.adapters.kafka.overview import Overview
from doka.adapters.kafka.question import Question
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_orders import standing_orders
from doka.adapters.kafka.starting import Starting, StartUnknownError
from doka.adapters.kafka.topic_ids import topic_ids
from doka.domain.commands import CommitOffsets
from doka.domain.errors import InvariantError, invariant
from doka.domain.events import Event, PartitionEnded, RecordsFetched, SourceFailed
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.ports import Clock, RebalanceListener
from doka.domain.records import Chunk, TopicPartition
from doka.domain.status import GroupStatus, SourceStatus

_log = logging.getLogger("doka.kafka")
LOOK_FIRST_NS: Final = NS_PER_MS
LOOK_EVERY_NS: Final = 5 * NS_PER_MS
SET_BACK_NS: Final = NS_PER_SECOND  # of the wall clock; less the client bears


class KafkaSource:
    """A member of the group from `open` to `close`; not for more than one thread."""

    def __init__(
        self, settings: MemberSettings, clock: Clock, oauth: Oauth | None = None, *, orders_for: str | None = None
    ) -> None:
        """Take what is to be read; `orders_for`: the group whose orders to skip count, where it is not the own one."""
        self._settings = settings
        self._clock = clock
        self._connection = connection_settings(settings, oauth)
        self._keys = consumer_settings(settings, oauth)
        self._one_topic = len(settings.topics) == 1 and not settings.routes  # patterns bring others
        self._discovery = Discovery(
            settings.topics,
            settings.routes,
            Question(partial(find_topics, self._connection, clock), NOT_TOLD),
            int(settings.discovery_seconds * NS_PER_SECOND),
            begun_by=None if settings.start_from is LogEdge.EARLIEST else settings.group_id,
        )
        self._subscribed: frozenset[str] = frozenset()
        self._whole: frozenset[str] = settings.topics_with_originals
        self._at_once = AtOnce()
        self._commits = SentCommits(self._note)
        self._orders = partial(standing_orders, self._connection, clock, orders_for or settings.group_id)
        self._chores = Chores(
            settings.topics,
            Inquirer(self._connection, clock),
            Question(partial(far_side, self._connection, clock), None),
            Question(partial(topic_ids, self._connection, clock), {}),
            Question(self._orders, {}),
        )
        self._oauth = oauth
        self._client_errors = ClientErrors(partial(cure_of_login, oauth=oauth))
        self._log_ends = LogEnds(self._connection, clock)
        self._overview = Overview(
            self._log_ends, self._client_errors, clock, tells_empty=settings.group_protocol == "classic"
        )
        self._login = Login(settings.security, oauth, self._connection, self._log_ends.keys)
        self._consumer: Consumer | None = None
        self._members: Membership | None = None
        self._opened_at = 0
        self._join_again_at = 0
        self._closed = False
        self._failed: str | None = None
        self._failure_told = False
        self._wall_ahead = 0  # ns from the steady clock to the wall clock
        self._due: list[Event] = []  # found, and not yet given

    def open(self, listener: RebalanceListener) -> None:
        """Join the group and subscribe; a login by tokens waits for the first token (1 to 10 s).

        Where none comes, `fetch` tries again for as long as a login may be refused: credentials may be late.
        """
        starting = Starting(
            self._settings.group_id,
            self._settings.start_from,
            self._connection,
            self._clock,
            asked_to_stop=listener.asked_to_stop,
            orders=self._orders,
            sight=lambda topic: self._discovery.sight(topic, self._chores.seen_missing.__contains__),
        )
        self._members = Membership(listener, starting, self._commits)
        self._opened_at = self._clock.now()
        self._join(self._members)

    def _join(self, members: Membership) -> None:
        try:
            self._consumer = new_consumer(
                {
                    **self._keys,
                    **self._overview.keys(),
                    "on_commit": self._commits.answered,
                    "error_cb": self._note,
                    "logger": ClientLog(self._clock, self._client_errors.fatal),
                },
            )
        except ClientUnusableError as error:
            now = self._clock.now()
            if "oauth_cb" not in self._keys or now - self._opened_at >= REFUSED_FOR_NS:
                self._failed = str(error)
            else:
                _log.warning("%s; trying again", error)
                self._join_again_at = now + NS_PER_SECOND
            return
        if self._discovery.open:
            self._take_part(self._consumer, members)

    def _take_part(self, consumer: Consumer, members: Membership) -> None:
        """Ask for partitions of what there is to read; they come to `members`.

        What is subscribed already and stays goes on without a stop: the client leaves only what is not asked for any more.
        """
        topics = self._discovery.topics
        self._whole = self._settings.topics_with_originals.union(self._discovery.whole)
        if topics == self._subscribed:
            return
        self._subscribed = topics
        self._chores.subscribed(topics)
        if topics:
            consumer.subscribe(
                sorted(topics),
                on_assign=members.assigned,
                on_revoke=members.revoked,
                on_lost=members.lost,
            )
        else:
            consumer.unsubscribe()

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived: at most `limit` records, waiting at most `wait` ns (100 ms) for the first.

        Raises what a listener raised in a callback, when every position is safe again; the records of that call are
        fetched again by the next.
        """
        if self._failed is not None:
            return self._tell_failure()
        if self._consumer is None and self._members is not None and not self._closed:
            return self._try_to_join(self._members, min(wait, SERVE_CALLBACKS_NS))
        consumer, members = self._joined()
        invariant(not members.inside, "fetch was called inside a rebalance callback, where the client would abort")
        now = self._clock.now()
        try:
            # Before the records: going back to an offset must not meet later records that are in our hand already.
            self._due += self._chores.do(consumer, members, self._commits, now)
            self._discover(consumer, members, now)
            members.moved.clear()
            self._mind_the_wall_clock(consumer, now)
            messages = _consume(consumer, min(limit, self._at_once.messages), min(wait, SERVE_CALLBACKS_NS))
            if members.moved:
                self._chores.moved(members.moved)
            events = self._read(messages, consumer, members) if messages and members.error is None else []
        except KafkaException as error:
            return self._after_the_client_failed(consumer, members, error)
        except BaseException:
            self._go_back(consumer, members)
            raise
        if members.error is not None:
            return self._after_a_callback_failed(consumer, members)
        self._login.renew(consumer, self._log_ends.client)
        if members.answered:
            members.answered = False
            self._client_errors.healthy()
        self._failed = self._client_errors.end(now)
        if self._failed is not None:
            return self._tell_failure()
        due, self._due = self._due, []
        return [*members.take_ordered(), *due, *self._commits.take_answers(), *events]

    def _discover(self, consumer: Consumer, members: Membership, now: int) -> None:
        """Look for topics that patterns match, and subscribe to what has changed."""
        found = self._discovery.look(now)
        if found is not None:
            self._due.append(found)
            self._take_part(consumer, members)

    def _try_to_join(self, members: Membership, wait: int) -> Sequence[Event]:
        """Try again to make the client when it is time to; holds the loop for up to 10 s, as the first try did."""
        if self._clock.now() >= self._join_again_at:
            self._join(members)
        elif wait > 0:
            select([], [], [], wait / NS_PER_SECOND)
        return [] if self._failed is None else self._tell_failure()

    def commit(self, command: CommitOffsets) -> None:
        """Send offsets to the group without waiting; the answer comes by `fetch`, whoever refuses them."""
        consumer, _ = self._joined()
        self._commits.send(consumer, command)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery; records that were prefetched are fetched again after `resume`."""
        consumer, members = self._joined()
        with self._fatal_waits():
            members.pause(consumer, partitions)

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver again, from the next offset that was not delivered."""
        consumer, members = self._joined()
        with self._fatal_waits():
            members.resume(consumer, partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading an owned partition at `offset`; one that is not owned any more is left alone."""
        consumer, members = self._joined()
        self._chores.moved([partition])
        self._commits.topic_ids.pop(partition, None)  # whatever stands there now is read from here on
        with self._fatal_waits():
            members.seek(consumer, partition, offset)

    def status(self) -> SourceStatus:
        """Say what is known of the group and the logs; what is due is asked beside the loop."""
        if self._consumer is None or self._members is None:
            return SourceStatus(GroupStatus(joined=False, why=self._failed or ""))
        if self._discovery.open and not self._discovery.topics:
            return SourceStatus(GroupStatus(joined=False, why="there is no topic to subscribe to"))
        return self._overview.status(self._consumer, self._members, self._chores.topic_partitions)

    def close(self) -> None:
        """Leave the group; the listener is told of the revoke in here. May hang: call it under a watchdog.

        Raises what the listener raised.
        """
        self._closed = True
        if self._consumer is None or self._members is None:
            return
        self._log_ends.close()
        self._members.leaving = True
        self._consumer.close()
        self._consumer = None
        if self._members.error is not None:
            raise self._members.error

    # --- what was brought ------------------------------------------------------------------------------------------

    def _read(self, messages: list[AnyMessage], consumer: Consumer, members: Membership) -> list[Event]:
        """Turn what `consume` brought into events, and advance the next offsets by exactly what they hold."""
        records, others = split_errors(messages)
        ends = self._read_errors(others, members) if others else {}
        reached: dict[TopicPartition, int] = {}
        events: list[Event] = []
        runs = list(chunks(records, one_topic=self._one_topic, whole=self._whole))
        self._at_once.seen(runs)
        for run in runs:
            chunk = self._fitting(run, members, reached)
            if chunk is not None:
                reached[chunk.partition] = chunk.end
                events.append(RecordsFetched(chunk))
                self._chores.delivered(chunk.partition)
        for partition, offset in ends.items():
            if offset >= reached.get(partition, members.next_offsets[partition]):
                reached[partition] = offset
                events.append(PartitionEnded(partition, offset))
                self._chores.delivered(partition)
        if members.moved:
            self._go_back_to(consumer, members, members.moved)
        self._overview.brought(reached)
        members.next_offsets.update(reached)
        if events:
            self._client_errors.healthy()
        return events

    def _fitting(
        self,
        chunk: Chunk,
        members: Membership,
        reached: Mapping[TopicPartition, int],
    ) -> Chunk | None:
        """Give what may be fed of a run: all of it, nearly always."""
        partition = chunk.partition
        expected = members.next_offsets.get(partition)
        if expected is None or partition in members.moved:
            return None
        expected = reached.get(partition, expected)
        unreadable = self._chores.unreadable.get(partition)
        if chunk.offsets[0] >= expected and unreadable is None:
            return chunk
        first = bisect_left(chunk.offsets, expected)
        last = chunk.count if unreadable is None else bisect_left(chunk.offsets, unreadable)
        return chunk.part(first, last) if first < last else None

    def _read_errors(self, messages: Iterable[AnyMessage], members: Membership) -> dict[TopicPartition, int]:
        """Note each error where it belongs, and give the ends of logs that were reached."""
        ends: dict[TopicPartition, int] = {}
        now = self._clock.now()
        for message in messages:
            error, topic, number = cast("KafkaError", message.error()), message.topic(), message.partition()
            partition = TopicPartition(topic or "", -1 if number is None else number)
            code, offset = error.code(), message.offset()  # no offset where it is no error of fetching
            fits = partition in members.next_offsets and partition not in members.moved
            if code == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name of this code
                if fits and offset is not None and partition not in self._chores.unreadable:
                    ends[partition] = offset
                continue
            if code == KafkaError._AUTO_OFFSET_RESET and fits:  # noqa: SLF001
                if partition in self._chores.unreadable:
                    continue  # the client asked at a made-up place behind what it could not read
                self._chores.out_of_log(partition)
            elif code in UNREADABLE and fits:
                expected = members.next_offsets[partition]
                if not self._chores.cannot_read(
                    partition, expected if offset is None else offset, expected, error.str()
                ):
                    continue  # it was told, and is no news each time that it is tried again
            elif code in MISSING_TOPIC and topic in self._discovery.topics:
                refused = code == KafkaError.TOPIC_AUTHORIZATION_FAILED and offset is not None
                (self._chores.refused if refused else self._chores.absent)(topic)
            self._client_errors.note(error, now, topic or "")
        return ends

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def _after_a_callback_failed(self, consumer: Consumer, members: Membership) -> Sequence[Event]:
        error, members.error = members.error, None
        self._go_back(consumer, members)
        if isinstance(error, StartUnknownError | ClientUnusableError | KafkaException):
            # The group counts these partitions as ours and nobody reads them: only a new member can mend that.
            self._note_raised(error)
            self._failed = self._client_errors.end(self._clock.now()) or f"partitions could not be taken over: {error}"
            return self._tell_failure()
        raise cast("BaseException", error)

    def _after_the_client_failed(
        self,
        consumer: Consumer,
        members: Membership,
        error: KafkaException,
    ) -> Sequence[Event]:
        self._note_raised(error)
        self._go_back(consumer, members)
        self._failed = self._client_errors.end(self._clock.now()) or self._failed
        return [] if self._failed is None else self._tell_failure()

    def _mind_the_wall_clock(self, consumer: Consumer, now: int) -> None:
        """Wake the client where the wall clock was set back: its own threads wait by it, heartbeats too."""
        ahead = int(self._clock.wall() * NS_PER_SECOND) - now
        if ahead < self._wall_ahead - SET_BACK_NS:
            consumer.memberid()  # any question to its main thread does
        self._wall_ahead = ahead

    def _note_raised(self, error: BaseException) -> None:
        if error.args and isinstance(error.args[0], KafkaError):
            self._note(error.args[0])

    @contextmanager
    def _fatal_waits(self) -> Iterator[None]:
        """Let the next fetch tell what a call met that only a client without a future refuses."""
        try:
            yield
        except KafkaException as error:
            if not is_fatal(error.args[0]):
                raise
            self._note_raised(error)

    def _go_back(self, consumer: Consumer, members: Membership) -> None:
        """Make every position safe after records may have been lost between the client and us."""
        self._chores.moved(tuple(members.next_offsets))  # what comes again may hold the same error
        try:
            self._go_back_to(consumer, members, members.next_offsets)
        except KafkaException as error:
            self._failed = f"the Kafka client lost records and could not go back to them: {error}"

    @staticmethod
    def _go_back_to(consumer: Consumer, members: Membership, partitions: Iterable[TopicPartition]) -> None:
        for partition in sorted(partitions):
            if partition in members.next_offsets:
                members.seek(consumer, partition, members.next_offsets[partition])

    def _tell_failure(self) -> Sequence[Event]:
        """Tell once that the end has come; afterwards there is nothing more to tell."""
        if self._failure_told or self._failed is None:
            return []
        self._failure_told = True
        return [SourceFailed(self._failed)]

    def _note(self, error: KafkaError) -> None:
        """Take an error of the client as a whole; librdkafka calls this inside consume, so it must not raise."""
        if self._oauth is not None and has_no_token(error):
            self._client_errors.no_token(self._oauth.last_error or error.str(), self._clock.now())
        else:
            self._client_errors.note(error, self._clock.now())
        self._login.note(error)

    def _joined(self) -> tuple[Consumer, Membership]:
        if self._consumer is None or self._members is None:
            raise InvariantError("the Kafka source is not open")
        return self._consumer, self._members


def _consume(consumer: Consumer, limit: int, wait: int) -> list[AnyMessage]:
    """Take what is there; else look again and again until something is, for at most `wait` ns.

    The client never waits itself: its waits end by the wall clock, and where that is set back by ten minutes they last ten
    minutes longer, in which no signal is served. A look costs 2 us, and one each 5 ms a hundredth of a core.
    """
    messages = consumer.consume(limit, 0)
    step = LOOK_FIRST_NS
    while not messages and wait > 0:
        select([], [], [], min(step, wait) / NS_PER_SECOND)  # by the steady clock, and lets signals in
        wait -= step
        step = min(2 * step, LOOK_EVERY_NS)
        messages = consumer.consume(limit, 0)
    return messages
