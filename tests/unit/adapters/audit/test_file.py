from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from doka.adapters.audit import file as audit_file
from doka.adapters.audit.file import AuditFile
from doka.domain.audit.fates import Fate, Judgement, OffsetRange, Plan, PlannedPartition, Terms
from doka.domain.audit.identity import Identities, Match
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.errors import InvariantError, UsageError
from doka.domain.records import TopicPartition
from doka.domain.rules import Only
from tests.unit.domain.builders import ORDERS, Extras, chunk, route_rules

T = 1_700_000_000_000
TERMS = Terms("orders", "arn:orders", "doka", Match.KEY_AND_DATA, "plain", T - 1_000, T + 1_000)
PLAN = Plan(
    (PlannedPartition(ORDERS, 2, 9, 9), PlannedPartition(TopicPartition("orders", 1), 0, 0, None)),
    committed_at_ms=T + 5_000,
    stream_from_ms=T - 100_000,
    stream_until_ms=T + 5_000,
    looked_at_ms=T + 5_000,
    parents={"s0": (), "s1": ("s0",)},
)
IDENTITIES = Identities(route_rules(), 1024 * 1024)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a place for an audit file."""
    return tmp_path / "monday.audit"


def add_records(file: AuditFile, first: int, far: int) -> None:
    """Add records of Kafka at these offsets."""
    file.add_expected(
        IDENTITIES.expected(chunk(["a"] * (far - first), start=first, originals=[Extras()] * (far - first)))
    )


def add_landings(file: AuditFile, first: int, far: int, shard: str = "s0") -> None:
    """Let the records at these offsets have landed."""
    offsets = range(first, far)
    landed = Landed(
        shard,
        ["a"] * len(offsets),
        [b"%d" % each for each in offsets],
        [str(100 + each) for each in offsets],
        [T] * len(offsets),
    )
    file.add_landed(landed, IDENTITIES.landed(landed))


def judged(file: AuditFile) -> Judgement:
    """Say that everything was read, and judge."""
    file.reached_partition(ORDERS, 9)
    for shard in PLAN.parents:
        file.reached_shard(ShardReached(shard, T + 5_000, None, ended=True))
    file.stream_was_read(PLAN.parents)
    return file.judge()


def test_a_file_that_was_closed_is_gone_on_with(path: Path) -> None:
    """What was added is there, and both readings go on behind it."""
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_records(file, 2, 5)
        add_landings(file, 2, 4)
    with AuditFile.open(path, TERMS) as file:
        assert (3, 2) == (file.records, file.landings)
        assert ({ORDERS: 5, TopicPartition("orders", 1): 0}, {"s0": "103"}) == (file.next_offsets, file.behind)
        assert (TERMS, PLAN) == (file.terms, file.plan)
        add_records(file, 5, 9)
        add_landings(file, 4, 8)
        assert (7, 6) == (file.records, file.landings)
        assert {Fate.IN_STREAM: 6, Fate.LOST: 1} == {fate: n for fate, n in judged(file).counts.items() if n}
        assert [OffsetRange(ORDERS, 8, 8)] == list(file.ranges(Fate.LOST))
    assert [path] == list(path.parent.iterdir())


def test_a_killed_process_leaves_rows_and_progress_that_agree(path: Path) -> None:
    """What was not stored is in neither, so that it is read again and nothing stands there twice."""
    file = AuditFile.create(path, TERMS, PLAN)
    add_records(file, 2, 5)
    add_landings(file, 2, 3)
    file.store()
    add_records(file, 5, 9)
    add_landings(file, 3, 9)
    file._connection.close()  # as a kill does
    with AuditFile.open(path, TERMS) as again:
        assert (3, 1, 5, {"s0": "102"}) == (again.records, again.landings, again.next_offsets[ORDERS], again.behind)


def test_much_is_stored_without_being_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gathered stays within a bound."""
    monkeypatch.setattr(audit_file, "ROWS_AT_ONCE", 3)
    file = AuditFile.create(path, TERMS, PLAN)
    add_records(file, 2, 4)
    add_records(file, 4, 5)
    add_records(file, 5, 6)
    assert 4 == file.records  # which waits for what is being stored
    file._connection.close()
    with AuditFile.open(path) as again:
        assert (3, 5) == (again.records, again.next_offsets[ORDERS])


def test_what_could_not_be_stored_is_never_passed_over(path: Path) -> None:
    """Where a row could not be stored, the file says so, takes nothing more, and is read on from where it was."""
    file = AuditFile.create(path, TERMS, PLAN)
    add_records(file, 2, 3)
    file.store()
    add_records(file, 3, 5)
    spool = path.with_name("monday.audit.rows")
    spool.unlink()
    spool.mkdir()  # so nothing can be written there
    with pytest.raises(UsageError, match=r"cannot be used: .*Is a directory"):
        file.store()
    spool.rmdir()
    with pytest.raises(UsageError, match="takes nothing any more"):
        file.store()
    file.close()
    with AuditFile.open(path) as again:
        assert (1, 3) == (again.records, again.next_offsets[ORDERS])


def test_judging_again_changes_nothing(path: Path) -> None:
    """A second judgement of the same rows is the same, and takes the place of the first in the file."""
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_records(file, 2, 9)
        add_landings(file, 3, 9)
        first = judged(file)
        ranges = list(file.ranges(Fate.LOST))
        assert (first, ranges) == (file.judge(), list(file.ranges(Fate.LOST)))


@pytest.mark.parametrize("what", ["monday.audit", "monday.audit.judging"])
def test_the_log_of_a_database_that_is_gone_is_not_believed(path: Path, what: str) -> None:
    """What a killed process left beside a database has no say in a new one of the same name, and goes with it."""
    place = path.with_name(what)
    with duckdb.connect(str(place)) as left:
        left.execute("PRAGMA disable_checkpoint_on_shutdown")
        left.execute("CREATE TABLE equals (identity UUID); CREATE TABLE facts (name VARCHAR)")
    log = place.with_name(f"{what}.wal")
    assert log.exists()
    place.unlink()
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_records(file, 2, 9)
        assert 7 == judged(file).counts[Fate.LOST]
    assert [path] == list(path.parent.iterdir())


def test_ranges_name_exactly_the_records(path: Path) -> None:
    """A hole in the offsets parts a range, for nothing is said of what is no record."""
    with AuditFile.create(path, TERMS, PLAN) as file:
        offsets = [2, 3, 5, 8]
        file.add_expected(IDENTITIES.expected(chunk(["a"] * 4, offsets=offsets, originals=[Extras()] * 4)))
        judged(file)
        expected = [OffsetRange(ORDERS, 2, 3), OffsetRange(ORDERS, 5, 5), OffsetRange(ORDERS, 8, 8)]
        assert expected == list(file.ranges(Fate.LOST))


@pytest.mark.parametrize(
    ("places", "keys"),
    [([(2, 8)], 2), ([(2, 3), (5, 8)], 2), ([(3, 8)], 1), ([(4, 8)], 0), ([], 0)],
    ids=str,
)
def test_keys_whose_order_is_gone_are_counted(path: Path, places: list[tuple[int, int]], keys: int) -> None:
    """Those of which something later than what is sent again landed: a at 5, b at 6; of c and d nothing later than a loss did."""
    of, lost = "abdabcab", {2, 3, 4, 7, 8, 9}
    plan = replace(PLAN, partitions=(PlannedPartition(ORDERS, 2, 10, 10),))
    with AuditFile.create(path, TERMS, plan) as file:
        file.add_expected(IDENTITIES.expected(chunk(list(of), start=2, originals=[Extras()] * len(of))))
        there = [offset for offset in range(2, 10) if offset not in lost]
        keys_there, data = [of[offset - 2] for offset in there], [b"%d" % offset for offset in there]
        landed = Landed("s0", keys_there, data, [str(100 + each) for each in there], [T] * len(there))
        file.add_landed(landed, IDENTITIES.landed(landed))
        file.reached_partition(ORDERS, 10)
        judged(file)
        assert lost == {n for each in file.ranges(Fate.LOST) for n in range(each.first, each.last + 1)}
        assert keys == file.keys_overtaken(OffsetRange(ORDERS, first, last) for first, last in places)


def test_what_is_passed_over_is_said_anew(path: Path) -> None:
    """The last list of dead letters counts, whatever was said before."""
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_records(file, 2, 9)
        file.pass_over(Fate.DEAD_LETTER, [OffsetRange(ORDERS, 2, 8)])
        file.pass_over(Fate.DEAD_LETTER, [OffsetRange(ORDERS, 3, 3), OffsetRange(TopicPartition("other", 0), 1, 1)])
        judged(file)
        assert [OffsetRange(ORDERS, 3, 3)] == list(file.ranges(Fate.DEAD_LETTER))


@pytest.mark.parametrize("side", ["kafka", "stream"])
def test_nothing_is_added_twice(path: Path, side: str) -> None:
    """A reading that gives what is there already is stopped: it would be taken for a record that landed twice."""
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_records(file, 2, 5)
        add_landings(file, 2, 5)
        with pytest.raises(InvariantError, match="was read twice"):
            (add_records if side == "kafka" else add_landings)(file, 4, 6)


class TestRefusals:
    """What cannot be used ends as one line."""

    def test_an_existing_file_is_not_written_over(self, path: Path) -> None:
        """A new audit takes no file that is there."""
        path.write_text("mine")
        with pytest.raises(UsageError, match="exists already: name another file, or remove it"):
            AuditFile.create(path, TERMS, PLAN)
        assert "mine" == path.read_text()

    def test_a_file_that_is_not_there(self, path: Path) -> None:
        """There is nothing to go on with, and nothing is made."""
        with pytest.raises(UsageError, match="does not exist"):
            AuditFile.open(path)
        assert not path.exists()

    def test_a_folder_that_is_not_there(self, path: Path) -> None:
        """The database's words are one line with the file's name."""
        with pytest.raises(UsageError, match=r"the audit file \S+ cannot be used: [^\n]+$"):
            AuditFile.create(path / "deeper", TERMS, PLAN)

    def test_a_file_of_something_else(self, path: Path) -> None:
        """Neither a text nor another database is taken for an audit file, and both stay as they are."""
        path.write_text("not a database" * 1_000)
        with pytest.raises(UsageError, match="cannot be used"):
            AuditFile.open(path)
        other = path.with_name("other")
        duckdb.connect(str(other)).close()
        with pytest.raises(UsageError, match="is no audit file"):
            AuditFile.open(other)

    def test_a_file_of_another_version(self, path: Path) -> None:
        """An older or newer form is not guessed at."""
        AuditFile.create(path, TERMS, PLAN).close()
        with duckdb.connect(str(path)) as connection:
            connection.execute("UPDATE facts SET value = '99' WHERE name = 'format'")
        with pytest.raises(UsageError, match=r"another version of doka \(format 99, not 2\)"):
            AuditFile.open(path)

    def test_a_record_limit_that_was_changed_is_no_other_audit(self, path: Path) -> None:
        """The terms stay those with which the file was made."""
        AuditFile.create(path, replace(TERMS, record_bytes_max=1_048_576), PLAN).close()
        with AuditFile.open(path, replace(TERMS, record_bytes_max=2_097_152)) as file:
            assert ("plain", 1_048_576) == (file.terms.mapping, file.terms.record_bytes_max)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"stream": "arn:others"}, "its stream is arn:orders, not arn:others"),
            ({"match": Match.DATA}, "its match is key_and_data, not data"),
            ({"until_ms": T}, f"its until is {T + 1_000}, not {T}"),
        ],
    )
    def test_a_file_of_another_audit(self, path: Path, changes: dict[str, object], words: str) -> None:
        """It says what differs, in both values."""
        AuditFile.create(path, TERMS, PLAN).close()
        with pytest.raises(UsageError, match=f"is of another audit: {words}; name another file"):
            AuditFile.open(path, replace(TERMS, **changes))  # type: ignore[arg-type]  # the case names fields


def test_what_the_route_leaves_out_has_a_fate_of_its_own(path: Path) -> None:
    """It is not lost below the commit, nor not yet above it; poison beside it keeps its code, and what is wanted is judged."""
    only = Only("pointer:/type", frozenset("a"))
    wanted, other = b'{"type":"a"}', b'{"type":"b"}'
    values = [other, wanted, b"no json", other, wanted]
    with AuditFile.create(path, TERMS, PLAN) as file:
        expected = chunk("abcde", start=2, values=values, originals=[Extras()] * len(values))
        file.add_expected(Identities(route_rules(only=only), 1024 * 1024).expected(expected))
        file.add_landed(
            Landed("s0", ["b"], [wanted], ["100"], [T]), IDENTITIES.landed(Landed("s0", ["b"], [wanted], ["100"], [T]))
        )
        judgement = judged(file)
        places = {
            fate: [(each.first, each.last) for each in file.ranges(fate)]
            for fate in (Fate.FILTERED, Fate.POISON, Fate.LOST)
        }
    assert {Fate.FILTERED: [(2, 2), (5, 5)], Fate.POISON: [(4, 4)], Fate.LOST: [(6, 6)]} == places
    assert (2, {"ValueNotJson": 1}) == (judgement.counts[Fate.FILTERED], judgement.poison_codes)
