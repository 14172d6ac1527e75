"""What a resend would do, found out before anything is sent: which letters, which not and why, how fast, and to where."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from doka.app.container import Container
from doka.app.letters.reading import FoundLetter, Letters, look_at, read_letters
from doka.app.replay.plan import DEFAULT_SHARE, NotPlannedError
from doka.app.stream_facts import stream_of
from doka.domain.errors import UsageError
from doka.domain.events import StreamDescribed
from doka.domain.letters.letter import Choice
from doka.domain.letters.resent import Resent, TooManyLeftError
from doka.domain.letters.share import Planned, Share
from doka.domain.limits import NS_PER_MS, SHARD_RECORDS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.routes.preview import Previews
from doka.domain.rules import OnGap, OnPoison, OnUnreadable, RouteRules, Rules

COMMIT_EVERY_NS: Final = 250 * NS_PER_MS
AHEAD_RECORDS: Final = 100
"""How many letters of a partition may have landed above what is committed: no more than these land again after a kill, or
where the group takes no commits while it is given another member. Half of them make the next commit hurry."""
TO_TOPIC_PER_SECOND: Final = 1_000.0
"""The pace at which records go to a topic, where none is given: what one shard takes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for."""

    choice: Choice
    route: str | None
    rate: int | None
    resends_max: int
    """A letter that came back so often is left where it is."""
    to_topic: str | None = None


@dataclass(slots=True)
class Plan:
    """A resend that may begin, or go on."""

    letters: Letters
    planned: Mapping[TopicPartition, Planned]
    route: RouteRules | None
    """The route by which they go; None where there are none, or they go to a topic."""
    stream: StreamDescribed | None
    shards: int | None
    records_per_second: float
    records: int
    payload_bytes: int
    codes: Counter[str]
    """Why those that would be sent are letters."""
    against: Counter[str]
    """How many of what was asked for stay where they are, by the reason, a clause."""

    @property
    def resumed(self) -> bool:
        """Whether letters were resent before."""
        return bool(self.letters.resent)

    @property
    def share(self) -> float | None:
        """Which share of the stream's records a second it takes; None where its shards are not known."""
        return None if not self.shards else self.records_per_second / (self.shards * SHARD_RECORDS_PER_SECOND)

    def left(self, resent: Mapping[TopicPartition, Resent]) -> int:
        """Count what would be sent and is not done, where so much has been resent."""
        return sum(
            not (partition in resent and resent[partition].is_done(offset))
            for partition, letters in self.planned.items()
            for offset in letters.chosen
        )


@dataclass(slots=True)
class _Sorted:
    """What was read, letter by letter."""

    chosen: defaultdict[TopicPartition, list[int]] = field(default_factory=lambda: defaultdict(list))
    others: defaultdict[TopicPartition, list[int]] = field(default_factory=lambda: defaultdict(list))
    routes: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    against: Counter[str] = field(default_factory=Counter)
    records: int = 0
    payload_bytes: int = 0


class _Judge:
    """Says what speaks against sending a letter today."""

    def __init__(self, container: Container, asked: Asked) -> None:
        self._container = container
        self._asked = asked
        rules = container.rules()
        self._rules = {each.name: each for each in rules.routes}
        self._routes_for = rules.routes_for
        self.streams: dict[str, tuple[StreamDescribed | None, str | None]] = {}
        self._previews: dict[str, Previews] = {}

    def against(self, found: FoundLetter) -> str | None:
        """Give what speaks against it, as a clause; None where nothing does."""
        topic, back = found.letter.source.topic, found.letter.resent
        if back >= self._asked.resends_max:
            return f"came back {back} times: --max-resends {back + 1} sends them all the same"
        if self._asked.to_topic is not None:
            return None
        if found.route is None:
            none = (
                f"names none of the routes that read topic {topic}"
                if self._routes_for(topic)
                else f"no route reads topic {topic}"
            )
            return f"{none}: --to-topic sends them to a topic"
        if found.route not in self._previews:
            rules = self._rules[found.route]
            told = stream_of(rules, self._container.authority(), self._container.describer())
            self.streams[found.route] = told
            self._previews[found.route] = Previews(rules, told[0])
        (preview,) = self._previews[found.route].of(found.chunk)
        if preview.filtered is not None:
            return (
                f"is left out by today's settings of its route ({preview.filtered}): --to-topic sends it all the same"
            )
        return None if preview.code is None else f"can never land by today's mapping and limit: {preview.code}"


def plan(container: Container, asked: Asked) -> Plan:
    """Find out what a resend would do, from where the one before it has come to.

    Raises:
        NotPlannedError: it cannot be.
        NotToldError: Kafka does not say.
        UsageError: there is no topic of letters, or letters of several routes are asked for.
    """
    letters = look_at(container)
    # Below the commit nothing is left.
    letters.ranges = [
        replace(each, first=min(max(each.first, _begins(letters, each.partition)), each.end)) for each in letters.ranges
    ]
    judge, met = _Judge(container, asked), _Sorted()

    def take(found: FoundLetter, chosen: bool) -> None:  # noqa: FBT001 - the reader's own signature
        chosen = chosen and asked.route in {None, found.route}
        if found.done:
            return
        against = judge.against(found) if chosen else None
        if not chosen or against is not None:
            met.others[found.partition].append(found.offset)
            met.against.update([against] if against else [])
            return
        met.chosen[found.partition].append(found.offset)
        met.routes.update([found.route] if found.route else [])
        met.codes[found.letter.code] += 1
        met.records += 1
        met.payload_bytes += found.size

    read_letters(container, letters, asked.choice, take)
    for partition, first, far in letters.unreadable:
        met.others[partition] = sorted({*met.others[partition], *range(first, far)})
    return _planned(container, asked, letters, judge, met)


def _begins(letters: Letters, partition: TopicPartition) -> int:
    resent = letters.resent.get(partition)
    return 0 if resent is None else resent.offset


def _planned(container: Container, asked: Asked, letters: Letters, judge: _Judge, met: _Sorted) -> Plan:
    route, stream, shards, rate = None, None, None, float(asked.rate or TO_TOPIC_PER_SECOND)
    if asked.to_topic is None and met.routes:
        if len(met.routes) > 1:
            names = ", ".join(sorted(met.routes))
            raise UsageError(f"these are letters of {len(met.routes)} routes; add --route with one of {names}")
        (name,) = met.routes
        (route,) = (rules for rules in container.rules().routes if rules.name == name)
        stream, why = judge.streams[name]
        shards = None if stream is None else stream.open_shards or len(stream.shards) or None
        if asked.rate is None and shards is None:
            raise NotPlannedError(f"how much the stream takes is not known ({why}); mend that, or give --rate")
        rate = float(asked.rate or (shards or 1) * SHARD_RECORDS_PER_SECOND * DEFAULT_SHARE)
    planned = {
        each.partition: Planned(met.chosen[each.partition], met.others[each.partition], each.end)
        for each in letters.ranges
    }
    for partition, of_partition in planned.items():
        share = Share(letters.resent.get(partition, Resent(0)), of_partition)
        try:
            share.after(share.up_to).note()
        except TooManyLeftError:
            raise NotPlannedError(
                f"too many letters of {partition} would be left out between those that are sent, and could not be noted: "
                "ask for more of them, or for a shorter time"
            ) from None
    return Plan(
        letters,
        planned,
        route,
        stream=stream,
        shards=shards,
        records_per_second=rate,
        records=met.records,
        payload_bytes=met.payload_bytes,
        codes=met.codes,
        against=met.against,
    )


def rules_of(rules: Rules, route: RouteRules, topic: str) -> Rules:
    """Give the rules of a resend: the route reads letters, and what cannot land becomes one again."""
    letters = replace(route, topics=frozenset((topic,)), on_poison=OnPoison.DEAD_LETTER, receipts=True)
    return replace(
        rules,
        routes=(letters,),
        roles=tuple(role for role in rules.roles if role.name == route.role),
        limits=replace(rules.limits, commit_every=COMMIT_EVERY_NS, ahead_records=AHEAD_RECORDS),
        on_gap=OnGap.CONTINUE,
        on_unreadable=OnUnreadable.CONTINUE,
    )
