from __future__ import annotations

import dataclasses
import logging
import re
from typing import get_args, get_type_hints

import orjson
import pytest

from doka.adapters.telemetry.outcomes import OUTCOMES
from doka.adapters.telemetry.sentences import MESSAGE_CHARACTERS_MAX, PARTITIONS_SHOWN_MAX
from doka.domain.facts import (
    Fact,
    GapSeen,
    LeaseRenewalFailed,
    LetterFailed,
    LetterStored,
    OrderBroken,
    PartitionsOwned,
    PartitionStuck,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RouteBlocked,
    RouteOpened,
    StreamChanged,
)
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import AUTO, BY_KEY
from tests.unit.adapters.telemetry.given import FACTS, ORDERS_3


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_every_fact_has_a_line(fact: Fact) -> None:
    """Each line has a stable snake-case name, a sentence that names its subject, and figures that JSON can carry."""
    line = OUTCOMES.line(fact)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", line.event)
    assert line.level in (logging.INFO, logging.WARNING, logging.ERROR)
    assert re.search(r"orders|analytics|offsets|consumer group|stopping", line.message)
    assert dict(line.fields) == orjson.loads(orjson.dumps(dict(line.fields)))


def test_a_lease_that_was_refused_says_what_helps() -> None:
    """The cure is the end of the sentence and a field of its own; without one there is neither."""
    cured = OUTCOMES.line(LeaseRenewalFailed("r", "AccessDenied", "no", NS_PER_SECOND, None, "ask them"))
    bare = OUTCOMES.line(LeaseRenewalFailed("r", "AccessDenied", "no", NS_PER_SECOND, None))
    sentence = 'role r: no new lease (AccessDenied): "no"; there is none to sign with; next try in 1 s'
    assert (f"{sentence}; ask them", "ask them") == (cured.message, cured.fields["cure"])
    assert (sentence, "") == (bare.message, bare.fields["cure"])


@pytest.mark.parametrize(
    ("what", "before", "after", "level", "sentence"),
    [
        (
            "record_limit",
            1 << 20,
            10 << 20,
            logging.INFO,
            "record limit was raised from 1.0 MiB to 10.0 MiB: what waited",
        ),
        ("record_limit", 2 << 20, 1 << 20, logging.WARNING, "record limit was lowered from 2.0 MiB to 1.0 MiB: larger"),
        (
            "distribution",
            BY_KEY,
            AUTO,
            logging.WARNING,
            "record distribution was set to AUTO: it places records without",
        ),
        ("distribution", AUTO, BY_KEY, logging.INFO, "record distribution goes by partition keys again"),
        (
            "encryption",
            None,
            "k2",
            logging.WARNING,
            "encryption was changed: to the KMS key k2, from none; the role needs",
        ),
        ("encryption", "k1", None, logging.WARNING, "encryption by the KMS key k1 was turned off"),
        ("shards", 4, 8, logging.INFO, "shards were changed: 8 open shards, before 4 open shards"),
        ("shards", 4, None, logging.INFO, "shards were changed: not told, before 4 open shards"),
    ],
)
def test_a_changed_stream_says_what_was_done_and_what_follows(
    what: str, before: int | str | None, after: int | str | None, level: int, sentence: str
) -> None:
    """Each change has its own words, and both values are fields."""
    line = OUTCOMES.line(StreamChanged("orders", what, before, after))
    assert (level, before, after) == (line.level, line.fields["before"], line.fields["after"])
    assert line.message.startswith(f"route orders: its stream's {sentence}")


def test_events_are_distinct() -> None:
    """No two kinds of fact share the name by which machines look for them."""
    events = [OUTCOMES.line(fact).event for fact in FACTS]
    assert sorted(set(events)) == sorted(events)


def test_facts_have_no_room_for_bytes() -> None:
    """No field of any fact can hold the bytes of a key or a payload."""
    kinds = {
        f"{fact.__name__}.{name}": str(kind) for fact in get_args(Fact) for name, kind in get_type_hints(fact).items()
    }
    assert {} == {name: kind for name, kind in kinds.items() if "bytes" in kind or "Secret" in kind}


@pytest.mark.parametrize(
    ("fact", "level"),
    [
        (LeaseRenewalFailed("r", "c", "", 1, 60 * NS_PER_SECOND), logging.WARNING),
        (LeaseRenewalFailed("r", "c", "", 1, None), logging.ERROR),
        (LeaseRenewalFailed("r", "c", "", 1, -1), logging.ERROR),
        (PartitionStuck(ORDERS_3, 1, stuck=True), logging.ERROR),
        (PartitionStuck(ORDERS_3, 1, stuck=False), logging.INFO),
        (PartitionsOwned("lost", frozenset({ORDERS_3}), {}), logging.WARNING),
        (PartitionsOwned("revoked", frozenset({ORDERS_3}), {}), logging.INFO),
        (RecordsPoisoned("o", ORDERS_3, 1, "c", "drop"), logging.WARNING),
        (RecordsPoisoned("o", ORDERS_3, 1, "c", "dead_letter"), logging.WARNING),
        (RecordsPoisoned("o", ORDERS_3, 1, "c", "block"), logging.ERROR),
        (LetterFailed("o", ORDERS_3, 1, "c", 1), logging.ERROR),
        (LetterStored("o", ORDERS_3, 1, "c"), logging.WARNING),
    ],
)
def test_levels_follow_the_harm(fact: Fact, level: int) -> None:
    """What stops records is an error, what may be cured by itself a warning, news are info."""
    assert level == OUTCOMES.line(fact).level


def test_sentences_for_people() -> None:
    """Sentences say what happened, how much, and what follows."""
    assert [
        "route orders: 500 records settled (12.1 KiB, slowest put 23 ms)",
        "route orders: 7 records to send again after InternalFailure (unknown whether landed, so possibly a second time)",
        "route orders may send",
        "route orders may send again, after 12 s",
        "1 partition assigned: orders[3]@40",
    ] == [
        OUTCOMES.line(fact).message
        for fact in (FACTS[0], FACTS[1], RouteOpened("orders", 0), FACTS[4], FACTS[11])
    ]  # fmt: skip


def test_a_partition_that_is_stuck_says_for_whom_it_waits() -> None:
    """A record, Kafka, or another route that reads the same topic."""
    told = [
        PartitionStuck(ORDERS_3, 41, stuck=True),
        PartitionStuck(ORDERS_3, 41, stuck=True, uncommitted=True),
        PartitionStuck(ORDERS_3, 41, stuck=True, route="orders", waits_for="archive"),
    ]
    reached = "and limits.ahead_records is reached"
    assert [
        f"orders[3] waits: the record at 41 does not settle {reached}",
        f"orders[3] waits: Kafka does not take the offset 41 {reached}",
        "orders[3] waits: route orders is as far ahead as it may be, and waits for route archive",
    ] == [OUTCOMES.line(fact).message for fact in told]


def test_a_broken_order_says_how_it_broke() -> None:
    """What has happened and what may have are told apart, and what keeps the order is named."""
    behind, cure = "behind a later one of the same key in the stream", "; ordering: key keeps the order, more slowly"
    assert [
        f"route o: 1 record refused while a later one of the same key landed, and so behind it in the stream{cure}",
        f"route o: 2 records {behind}: the service reordered their request{cure}",
        f"route o: 2 records possibly {behind}: nobody knows what landed of their request{cure}",
    ] == [OUTCOMES.line(OrderBroken("o", *what)).message for what in (("refused", 1), ("reordered", 2), ("unknown", 2))]


def test_a_gap_says_which_of_two_it_is() -> None:
    """Records that left the log, and a log that is another one, are told apart; what is given up is counted."""
    left = "orders[3]: offsets 40 to 89 left the log before they were read"
    anew = "orders[3]: offset 90 should be read next and the log ends below it, so it is another one or was cut"
    asks = "reading it from its start, as kafka.on_gap: continue asks"
    assert [
        f"{left}; the partition waits; to step over the gap set kafka.on_gap: continue",
        f"{left}; going on behind it, as kafka.on_gap: continue asks",
        f"{anew}; the partition waits; to read it from its start set kafka.on_gap: continue",
        f"{anew}; {asks}",
        f"orders[3]: offset 90 should be read next and the topic was deleted and made again; {asks}",
        f"{anew}; {asks}; 1 record of before had not settled and will not be sent again",
    ] == [
        OUTCOMES.line(GapSeen(ORDERS_3, *where)).message
        for where in (
            (40, 90, "block"),
            (40, 90, "continue"),
            (90, 0, "block"),
            (90, 0, "continue"),
            (90, 0, "continue", 0, True),
            (90, 0, "continue", 1),
        )
    ]


def test_long_texts_and_many_partitions_are_cut() -> None:
    """A line stays readable whatever a service says and however many partitions move."""
    assert len(OUTCOMES.line(RouteBlocked("orders", "x", "y" * 10_000)).message) < MESSAGE_CHARACTERS_MAX + 200
    partitions = frozenset(TopicPartition("orders", n) for n in range(1_000))
    line = OUTCOMES.line(PartitionsOwned("assigned", partitions, {}))
    shown = line.fields["partitions"]
    assert isinstance(shown, list)
    assert (1_000, PARTITIONS_SHOWN_MAX) == (line.fields["count"], len(shown))
    assert line.message.endswith("and 980 more")


def test_merging_adds_counts_and_keeps_the_longest() -> None:
    """Two outcomes of a kind are told as one: counts added, the slowest put kept, else the later stands."""
    assert RecordsSettled("o", 5, 70, 9) == OUTCOMES.merged(
        RecordsSettled("o", 2, 30, 9), RecordsSettled("o", 3, 40, 4)
    )
    assert RecordsFailed("o", "c", 5, ambiguous=True) == OUTCOMES.merged(
        RecordsFailed("o", "c", 2, ambiguous=True), RecordsFailed("o", "c", 3, ambiguous=True)
    )
    assert OrderBroken("o", "refused", 5) == OUTCOMES.merged(
        OrderBroken("o", "refused", 2), OrderBroken("o", "refused", 3)
    )
    assert RouteBlocked("o", "r", "b") == OUTCOMES.merged(RouteBlocked("o", "r", "a"), RouteBlocked("o", "r", "b"))


def test_keys_tell_apart_what_people_must_see_apart() -> None:
    """Each change of ownership, of topics or of a stream, each new lease and each word of a stop has its own line; others share by route, code or partition."""
    own = {"LeaseRenewed", "PartitionsOwned", "StopBegan", "StopWaits", "StreamChanged", "TopicsChanged"}
    assert own == {type(f).__name__ for f in FACTS if OUTCOMES.key(f) is None}
    assert OUTCOMES.key(RecordsFailed("a", "x", 1, ambiguous=True)) != OUTCOMES.key(
        RecordsFailed("a", "y", 1, ambiguous=True)
    )
    assert OUTCOMES.key(RecordsFailed("a", "x", 1, ambiguous=True)) == OUTCOMES.key(
        RecordsFailed("a", "x", 2, ambiguous=True)
    )
    assert {f.name for f in dataclasses.fields(RecordsFailed)} == {"route", "code", "records", "ambiguous"}


def test_every_kind_of_fact_has_an_entry() -> None:
    """Whoever adds a kind of fact and forgets to tell it hears so when telemetry is imported, not when it happens."""
    assert set(get_args(Fact)) == OUTCOMES.kinds
