"""Reading both sides into the audit file: all of it, some of it and then the rest, and what was passed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.audit.file import AuditFile
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.skip_orders import Orders, skips_group
from doka.app.audit import reading as audit_reading
from doka.app.audit.planning import identities_of, plan_of, terms_of
from doka.app.audit.reading import Progress, Reading
from doka.app.audit.sides import Sides, sides_of
from doka.app.config_options import ConfigOptions
from doka.app.service import build
from doka.app.settings.load import read_configuration
from doka.domain.audit.fates import Fate, Judgement, OffsetRange
from doka.domain.audit.identity import Match
from doka.domain.partitions.start_positions import Birth
from doka.domain.records import TopicPartition
from doka.domain.sending.aggregate import encode
from doka.domain.skip import Skip
from tests.integration.app.audit.place import GROUP, Place, running_place
from tests.integration.kafka.test_skip_writing import commit

RECORDS = 2_000
P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def sides_at(place: Place, read_share: float = 1.0) -> Sides:
    """Put both sides of the place together."""
    settings = read_configuration(ConfigOptions(place.config))
    return sides_of(build(settings, "pod-1"), settings.routes[0], read_share)


@contextmanager
def begun(place: Place, path: Path, read_share: float = 1.0) -> Iterator[tuple[Reading, AuditFile]]:
    """Begin an audit of the last hour, or go on with one."""
    sides = sides_at(place, read_share)
    facts = sides.stream.facts()
    identities = identities_of(sides, facts, None)
    now_ms = round(sides.clock.wall() * 1_000)
    terms = terms_of(sides, facts, identities.match, GROUP, since_ms=now_ms - 3_600_000, until_ms=now_ms)
    if not path.exists():
        AuditFile.create(path, terms, plan_of(sides, terms, to_the_end=True).plan).close()
    with AuditFile.open(path) as file:
        yield Reading(sides, file, identities), file


def read_whole(place: Place, path: Path) -> Judgement:
    """Read and judge."""
    with begun(place, path) as (reading, file):
        assert reading.run(lambda _: None, lambda: False)
        return file.judge()


def after(turns: int) -> Callable[[], bool]:
    """Say stop at the so-manieth look."""
    left = iter(range(turns))
    return lambda: next(left, None) is None


def test_all_of_both_sides_is_read_and_progress_is_told(place: Place, tmp_path: Path) -> None:
    """Progress ends at the whole of both sides, and never goes back."""
    place.fill(RECORDS)
    place.land(RECORDS)
    seen: list[Progress] = []
    with begun(place, tmp_path / "a.duckdb") as (reading, file):
        assert reading.run(lambda progress: seen.append(replace(progress)), lambda: False)
        judgement = file.judge()
    assert (2 * RECORDS, 2 * RECORDS, 0, True) == (
        judgement.records,
        judgement.counts[Fate.IN_STREAM],
        judgement.counts[Fate.LOST],
        judgement.whole,
    )
    last = seen[-1]
    assert (2 * RECORDS, 2 * RECORDS, 2 * RECORDS, 2 * RECORDS, 1.0) == (
        last.offsets,
        last.offsets_read,
        last.records,
        last.landings,
        last.stream_share,
    )
    for name in ("offsets_read", "records", "landings", "stream_share"):
        told = [getattr(each, name) for each in seen]
        assert sorted(told) == told


def test_it_goes_on_where_it_was_stopped(place: Place, tmp_path: Path) -> None:
    """Stopped at any moment, and again, the same is found in the end; in between no loss is told."""
    place.fill(RECORDS)
    place.land(RECORDS - 5)
    path, stopped = tmp_path / "a.duckdb", 0
    for turns in (0, 1, 2, 3, 5, 8):
        with begun(place, path) as (reading, file):
            if not reading.run(lambda _: None, after(turns)):
                stopped += 1
                assert 0 == file.judge().counts[Fate.LOST]
    assert 2 <= stopped
    judgement = read_whole(place, path)
    assert (2 * RECORDS, 10, True) == (judgement.records, judgement.counts[Fate.LOST], judgement.whole)
    with AuditFile.open(path) as file:
        lost = list(file.ranges(Fate.LOST))
    assert [OffsetRange(each, RECORDS - 5, RECORDS - 1) for each in (P0, P1)] == lost


def test_what_comes_slowly_is_stored_by_the_time(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill costs is bound by time where so little comes that it is not stored for its number."""
    place.fill(RECORDS)
    place.land(RECORDS)
    monkeypatch.setattr(audit_reading, "STORED_EVERY_NS", 0)
    with begun(place, tmp_path / "a.duckdb") as (reading, file):
        stored: list[int] = []
        monkeypatch.setattr(file, "store", lambda: stored.append(1))
        reading.run(lambda _: None, after(4))
        monkeypatch.undo()
    assert stored


def test_aggregates_are_taken_apart(place: Place, tmp_path: Path) -> None:
    """Records that travelled in aggregates are found; a broken one is one foreign record, and is counted."""
    place.fill(RECORDS)
    place.land(RECORDS, partitions=[1])
    keys = [f"0-key-{number % 7}" for number in range(RECORDS)]
    data = [b"%d" % number for number in range(RECORDS)]
    whole = [encode(keys[at : at + 100], data[at : at + 100], "1") for at in range(0, RECORDS, 100)]
    torn = whole.pop()
    place.land_pairs([("a", each) for each in whole] + [("a", torn[:-1] + b"?")])
    with begun(place, tmp_path / "a.duckdb") as (reading, file):
        reading.run(lambda _: None, lambda: False)
        judgement = file.judge()
    assert (2 * RECORDS - 100, 100, 1, 1) == (
        judgement.counts[Fate.IN_STREAM],
        judgement.counts[Fate.LOST],
        judgement.foreign + judgement.outside,
        reading.progress.broken_aggregates,
    )


def test_what_somebody_has_ordered_to_skip_is_not_lost(place: Place, tmp_path: Path) -> None:
    """Its fate is told as what it is."""
    place.fill(RECORDS)
    place.land(RECORDS - 5)
    skip = Skip(RECORDS - 5, RECORDS, "ada", "2026-11-29T20:15:00Z", "cancelled")
    commit(place.kafka, skips_group(GROUP), KafkaPartition(*P0, 1, metadata=str(Orders(None, (skip,)))))
    judgement = read_whole(place, tmp_path / "a.duckdb")
    assert (5, 5) == (judgement.counts[Fate.SKIPPED], judgement.counts[Fate.LOST])


def test_dead_letters_are_looked_up(tmp_path: Path, place: Place) -> None:
    """A record that stands in the topic for dead letters is not lost; what is no letter there says nothing."""
    del place
    folder = tmp_path / "letters"
    folder.mkdir()
    with running_place(folder, dead_letters={"topic": "letters"}) as with_letters:
        with_letters.fill(RECORDS)
        with_letters.land(RECORDS - 5)
        producer = Producer({"bootstrap.servers": with_letters.kafka.bootstrap_servers, "log_level": 0})
        headers: dict[str, str | bytes | None] = {
            "doka-source-topic": "orders",
            "doka-source-partition": "1",
            "doka-source-offset": str(RECORDS - 1),
        }
        producer.produce("letters", b"x", headers=headers)
        producer.produce("letters", b"x", headers={**headers, "doka-source-offset": "x"})
        producer.produce("letters", b"x")
        assert 0 == producer.flush(30)
        judgement = read_whole(with_letters, tmp_path / "a.duckdb")
    assert (1, 9) == (judgement.counts[Fate.DEAD_LETTER], judgement.counts[Fate.LOST])


def test_a_letter_of_another_route_says_nothing_of_this_one(tmp_path: Path, place: Place) -> None:
    """Where several routes read a topic, a record that could not land by one of them should be in the stream of the other."""
    del place
    folder = tmp_path / "letters"
    folder.mkdir()
    with running_place(folder, dead_letters={"topic": "letters"}) as with_letters:
        given = yaml.safe_load(with_letters.config.read_text())
        (route,) = given["routes"]
        given["routes"].append({**route, "name": "archive", "stream": {**route["stream"], "name": "archive"}})
        with_letters.config.write_text(yaml.safe_dump(given))
        with_letters.fill(RECORDS)
        with_letters.land(RECORDS - 3)
        producer = Producer({"bootstrap.servers": with_letters.kafka.bootstrap_servers, "log_level": 0})
        for offset, named in ((RECORDS - 1, "orders"), (RECORDS - 2, "archive"), (RECORDS - 3, None)):
            headers: dict[str, str | bytes | None] = {
                "doka-source-topic": "orders",
                "doka-source-partition": "1",
                "doka-source-offset": str(offset),
                **({} if named is None else {"doka-route": named}),
            }
            producer.produce("letters", b"x", headers=headers)
        assert 0 == producer.flush(30)
        judgement = read_whole(with_letters, tmp_path / "a.duckdb")
    assert (2, 4) == (judgement.counts[Fate.DEAD_LETTER], judgement.counts[Fate.LOST])


def test_what_is_older_than_the_group_was_never_to_be_sent(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group that began at the end of the log committed above records that it passed: nobody calls them lost."""
    place.fill(RECORDS)
    place.land_pairs([(f"0-key-{number % 7}", b"%d" % number) for number in range(1_500, RECORDS)])
    place.land(RECORDS, partitions=[1])
    born_ms = round(time.time() * 1_000)
    commit(place.kafka, GROUP, KafkaPartition(*P0, RECORDS, metadata=str(Birth(born_ms, 2))))
    whole = LogRanges.of_window

    def window(self: LogRanges, topics: Iterable[str], since_ms: int, until_ms: int | None = None) -> list[LogRange]:
        found = whole(self, topics, since_ms, until_ms)
        return [replace(each, first=1_500) for each in found] if since_ms == born_ms else list(found)

    monkeypatch.setattr(LogRanges, "of_window", window)
    sides = sides_at(place)
    facts = sides.stream.facts()
    terms = terms_of(sides, facts, Match.KEY_AND_DATA, GROUP, since_ms=born_ms - 3_600_000, until_ms=born_ms)
    planned = plan_of(sides, terms, to_the_end=True)
    assert [(P0, 1_500), (P1, 0)] == [(each.partition, each.first) for each in planned.plan.partitions]
    (told,) = planned.missing
    assert told.endswith(f"where group {GROUP} began by kafka.start_from")
    judgement = read_whole(place, tmp_path / "a.duckdb")
    assert (RECORDS + 500, 0, True) == (judgement.records, judgement.counts[Fate.LOST], judgement.whole)
