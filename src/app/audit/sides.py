"""The two sides of an audit, Kafka and the stream, as one route has them.

Nothing is asked by being put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from doka.adapters.aws.held_lease import HeldLease, pause_for
from doka.adapters.aws.kinesis.asking import Asking
from doka.adapters.aws.kinesis.reader import KinesisReader
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.group_lag import first_times
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.not_told import in_words
from doka.adapters.kafka.range_source import Range, RangeSource
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_orders import skips_group, standing_orders
from doka.adapters.kafka.topic_ids import topic_ids
from doka.app.container import Container
from doka.app.settings.mapping import to_reader_rules
from doka.app.settings.routes import RouteSettings
from doka.domain.commands import DescribeStream
from doka.domain.events import Event, StreamDescribed
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.partitions.start_positions import Committed
from doka.domain.ports import Clock, Describer, StreamReader
from doka.domain.records import TopicPartition
from doka.domain.rules import LimitRules, RouteRules
from doka.domain.skip import Skip


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What of a stream decides how records are compared with it."""

    name: str
    """Its ARN; its name where nobody tells the ARN."""
    record_bytes_max: int


class KafkaSide:
    """The topics of one route, asked and read without a group."""

    def __init__(self, member: MemberSettings, topics: Iterable[str], clock: Clock, oauth: Oauth | None) -> None:
        self.topics = frozenset(topics)
        # Whole records: their timestamps are compared.
        self._member = replace(member, topics=self.topics, topics_with_originals=self.topics)
        self._clock = clock
        self._oauth = oauth

    def window(self, since_ms: int, until_ms: int | None) -> tuple[LogRange, ...]:
        """Give the offsets of the window. Raises NotToldError."""
        return LogRanges(self._member, self._clock, self._oauth).of_window(self.topics, since_ms, until_ms)

    def whole(self) -> tuple[LogRange, ...]:
        """Give all that the logs hold now. Raises NotToldError."""
        return LogRanges(self._member, self._clock, self._oauth).whole(self.topics)

    def times(self, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, int | str]:
        """Give the time of the first record at or above each offset, in ms since the epoch, or why there is none. Raises NotToldError."""
        if not places:
            return {}
        with in_words():
            return first_times(connection_settings(self._member, self._oauth), self._clock, places)

    def ids(self) -> dict[str, str]:
        """Give the ids of the topics, as far as the cluster tells."""
        return topic_ids(connection_settings(self._member, self._oauth), self._clock, tuple(sorted(self.topics)))

    def committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """Give what a group has committed. Raises NotToldError."""
        return committed_by(group, partitions, self._member, self._clock, self._oauth)

    def skips(self, group: str, partitions: Sequence[TopicPartition]) -> list[tuple[TopicPartition, Skip]]:
        """Give what somebody has ordered a group to pass. Raises NotToldError."""
        connection = connection_settings(self._member, self._oauth)
        with in_words(f"group {skips_group(group)}"):
            orders = standing_orders(connection, self._clock, group, partitions)
            topics = tuple(sorted({each.topic for each in orders}))
            ids = topic_ids(connection, self._clock, topics) if topics else {}
        return [(place, skip) for place, found in orders.items() for skip in found.of_topic(ids.get(place.topic))]

    def reading(self, ranges: Iterable[Range]) -> RangeSource:
        """Give what reads these ranges."""
        return RangeSource(self._member, ranges, self._clock, self._oauth)


class StreamSide:
    """The stream of one route, asked and read by the role that audits use."""

    def __init__(self, reader: StreamReader, leases: HeldLease, describer: Describer, route: RouteSettings) -> None:
        self.reader = reader
        self._leases = leases
        self._describer = describer
        self._route = route

    def facts(self) -> StreamFacts:
        """Give the stream's facts, and those that are usual where they are not told. Raises StreamUnreadableError."""
        found: Event = self._describer.describe(DescribeStream(self._route.name, self._leases.get()))
        if isinstance(found, StreamDescribed):
            return StreamFacts(found.arn or self._route.stream.called, found.record_bytes_max)
        return StreamFacts(self._route.stream.arn or self._route.stream.called, RECORD_BYTES_DEFAULT)


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of one route, and by which rules its records become Kinesis records."""

    route: RouteSettings
    rules: RouteRules
    limits: LimitRules
    clock: Clock
    kafka: KafkaSide
    letters: KafkaSide | None
    """The topic of dead letters, where the route has one."""
    stream: StreamSide
    shares_topics: bool = False
    """Whether another route reads a topic of it, so that a letter may be that one's."""


def sides_of(container: Container, route: RouteSettings, read_share: float) -> Sides:
    """Put both sides of a route together, of the parts of a service that is not started.

    Raises UsageError: a part cannot be made by these settings.
    """
    settings, clock, member, oauth = container.settings(), container.clock(), container.member(), container.oauth()
    rules, jitter = container.rules(), container.jitter()
    leases = HeldLease(
        to_reader_rules(settings, route),
        container.authority(),
        clock,
        jitter,
        pause=pause_for,
        request_timeout=rules.limits.request_timeout,
    )
    asking = Asking(
        container.targets()[route.name], leases, clock, jitter, pause=pause_for, new_session=container.sessions()
    )
    reader = KinesisReader(asking, clock, pause_for, read_share)
    letters = settings.dead_letters.topic if route.on_poison == "dead_letter" else None
    return Sides(
        route=route,
        rules=next(each for each in rules.routes if each.name == route.name),
        limits=rules.limits,
        clock=clock,
        kafka=KafkaSide(member, route.topics, clock, oauth),
        letters=None if letters is None else KafkaSide(member, [letters], clock, oauth),
        stream=StreamSide(reader, leases, container.describer(), route),
        shares_topics=any(len(rules.routes_of()[topic]) > 1 for topic in route.topics),
    )
