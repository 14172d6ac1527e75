"""Writes an audit file, and goes on with one: rows of both sides and how far each was read, always in one transaction.

A process that is killed at any moment leaves a file that says exactly what is in it, so that the next one reads on from there.
Rows are gathered and stored by the hundred thousand: DuckDB takes columns quickly, and single rows a thousand times slower.
They go by a file of comma-separated values beside it, which costs less than any other way that needs no further library.

Meanwhile the next ones are gathered: a thread of its own stores, and nothing else is asked of the database until it has.
What could not be stored is never passed over: after that the file takes nothing any more.

It holds digests, offsets and times, and never a key or a value. For one thread, the storing apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import count, repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import duckdb

from doka.adapters.audit.carrying import carry
from doka.adapters.audit.judging import judge
from doka.adapters.audit.schema import FORMAT, TABLES
from doka.domain.audit.fates import Fate, Judgement, OffsetRange, Plan, PlannedPartition, Terms
from doka.domain.audit.identity import Expected, Match
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.errors import UsageError, invariant
from doka.domain.records import TopicPartition

ROWS_AT_ONCE: Final = 122_880
"""Of one side that are stored together: a row group of DuckDB, which it writes straight into its place."""
MEMORY_MIB: Final = 256
"""What DuckDB may hold; the process takes some 130 MiB beside it."""
_THREADS: Final = 2
_PLAN: Final = "plan"

_EXPECTED: Final = {
    "partition_no": "INTEGER",
    "offset": "BIGINT",
    "timestamp_ms": "BIGINT",
    "lane": "BIGINT",
    "identity": "UUID",
    "code": "VARCHAR",
}
_LANDED: Final = {
    "shard_no": "INTEGER",
    "position": "BIGINT",
    "sequence_number": "VARCHAR",
    "arrived_ms": "BIGINT",
    "identity": "UUID",
}


@dataclass(slots=True, eq=False)
class _Shard:
    """How far one shard has been read, what is gathered of it included."""

    number: int
    landings: int
    sequence_number: str | None
    arrived_ms: int | None
    """Of the record of that number."""
    reached_ms: int | None


@dataclass(slots=True, eq=False)
class _Gathered:
    """Rows of both sides that are stored together, as text, and how many there are."""

    expected: list[str] = field(default_factory=list)
    landed: list[str] = field(default_factory=list)
    records: int = 0
    landings: int = 0


class AuditFile:
    """One audit, in one file; made by `create` or `open`, and closed by whoever made it."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self._path = path
        self._connection = connection
        self._gathered = _Gathered()
        self._writer = ThreadPoolExecutor(1, "doka-audit-file")
        self._writing: Future[None] | None = None
        self._broken = False  # rows are missing that were said to be there
        self._numbers: dict[TopicPartition, int] = {}
        self._next_offsets: dict[TopicPartition, int] = {}
        self._shards: dict[str, _Shard] = {}
        with _in_words(path):
            self._read_progress()

    @classmethod
    def create(
        cls,
        path: Path,
        terms: Terms,
        plan: Plan,
        memory_mib: int = MEMORY_MIB,
        notes: Mapping[str, object] = MappingProxyType({}),
    ) -> Self:
        """Make the file of a new audit; `notes` are what `noted` gives.

        Raises:
            UsageError: there is one already, or it cannot be made there.
        """
        if path.exists():
            raise UsageError(f"{path} exists already: name another file, or remove it")
        try:
            with _in_words(path), _connect(path, memory_mib) as connection:
                _fill(connection, terms, plan, notes)
        except UsageError:
            path.unlink(missing_ok=True)  # nothing half-written is left
            raise
        return cls.open(path, terms, memory_mib)

    @classmethod
    def open(cls, path: Path, terms: Terms | None = None, memory_mib: int = MEMORY_MIB) -> Self:
        """Open the file of an audit that was begun before; with `terms`, only if it was begun under the same.

        Raises:
            UsageError: it is none, it is another one's, or it cannot be opened.
        """
        if not path.exists():
            raise UsageError(f"{path} does not exist: name the file that doka audit wrote")
        with _in_words(path):
            connection = _connect(path, memory_mib)
        try:
            with _in_words(path):
                _look_at_format(path, connection)
                if terms is not None:
                    _compare(path, _read_terms(connection), terms)
            return cls(path, connection)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def follow(
        cls,
        path: Path,
        terms: Terms,
        plan: Plan,
        memory_mib: int = MEMORY_MIB,
        notes: Mapping[str, object] = MappingProxyType({}),
    ) -> Self:
        """Put the file of the next window in the place of a judged one that is closed; what that left open goes on in it.

        Killed at any moment it leaves the one or the other.

        Raises:
            UsageError: it cannot be made there.
        """
        beside = path.with_name(f"{path.name}.next")
        with _in_words(path):
            for left in (beside, beside.with_name(f"{beside.name}.wal")):
                left.unlink(missing_ok=True)
            with _connect(beside, memory_mib) as connection:
                _fill(connection, terms, plan, notes)
                carry(connection, path, plan.stream_from_ms)
            beside.replace(path)
        return cls.open(path, terms, memory_mib)

    @property
    def terms(self) -> Terms:
        """What is compared with what."""
        with _in_words(self._path):
            return _read_terms(self._database)

    @property
    def plan(self) -> Plan:
        """What is read of both sides."""
        with _in_words(self._path):
            return _read_plan(self._database)

    def note(self, name: str, value: object) -> None:
        """Keep a fact of whoever audits beside the file's own, as JSON."""
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [name, json.dumps(value)])

    def noted(self, name: str) -> Any:
        """Give such a fact; None where nobody has noted it."""
        with _in_words(self._path):
            return _facts(self._database).get(name)

    # --- how far both sides have been read ---------------------------------------------------------------------------

    @property
    def next_offsets(self) -> Mapping[TopicPartition, int]:
        """Where Kafka is read on, by partition."""
        return dict(self._next_offsets)

    @property
    def behind(self) -> Mapping[str, str]:
        """The sequence number behind which each shard is read on; none of shards of which nothing was read."""
        return {
            name: shard.sequence_number for name, shard in self._shards.items() if shard.sequence_number is not None
        }

    @property
    def reached_ms(self) -> Mapping[str, int]:
        """Up to when each shard has been read, in ms since the epoch; none of shards of which nothing was read."""
        return {name: shard.reached_ms for name, shard in self._shards.items() if shard.reached_ms is not None}

    @property
    def lost(self) -> int:
        """How many records were lost by its last judgement; before that, by those of earlier windows."""
        with _in_words(self._path):
            found = self._database.execute(_LOST).fetchone()
        invariant(found is not None, "a count gave no row")
        return int(found[0])  # type: ignore[index]  # not None

    @property
    def records(self) -> int:
        """How many records of Kafka it holds."""
        return self._count("expected") + self._gathered.records

    @property
    def landings(self) -> int:
        """How many records of the stream it holds."""
        return self._count("landed") + self._gathered.landings

    # --- what was read -----------------------------------------------------------------------------------------------

    def add_expected(self, expected: Expected) -> None:
        """Take what a chunk should have become; a partition's chunks come in their order."""
        partition = expected.partition
        invariant(partition in self._numbers, f"{partition} is not in the plan of this audit")
        first, next_offset = expected.offsets[0], self._next_offsets[partition]
        invariant(first >= next_offset, f"{partition} was read twice: {first} comes, and {next_offset} is next")
        lanes = ["" if lane is None else lane for lane in expected.lanes]
        digests = ["" if identity is None else identity.hex() for identity in expected.identities]
        codes: Iterable[str] = (
            map(expected.codes.get, range(expected.count), repeat("")) if expected.codes else repeat("")
        )
        row = f"{self._numbers[partition]},%d,%d,%s,%s,%s"
        columns = zip(expected.offsets, expected.timestamps_ms, lanes, digests, codes, strict=False)
        self._gathered.expected.append("\n".join(map(row.__mod__, columns)))
        self._gathered.records += expected.count
        self._next_offsets[partition] = expected.offsets[-1] + 1
        self._store_if_many()

    def add_landed(self, landed: Landed, identities: Sequence[bytes]) -> None:
        """Take what landed in a shard, in the shard's order."""
        shard = self._shard(landed.shard)
        before, first = shard.sequence_number, landed.sequence_numbers[0]
        invariant(
            before is None or int(first) > int(before), f"{landed.shard} was read twice: {first} is not behind {before}"
        )
        row = f"{shard.number},%d,%s,%d,%s"
        columns = zip(
            count(shard.landings), landed.sequence_numbers, landed.arrived_ms, map(bytes.hex, identities), strict=False
        )
        self._gathered.landed.append("\n".join(map(row.__mod__, columns)))
        self._gathered.landings += landed.count
        shard.landings += landed.count
        shard.sequence_number, shard.arrived_ms = landed.sequence_numbers[-1], landed.arrived_ms[-1]
        self._store_if_many()

    def reached_partition(self, partition: TopicPartition, next_offset: int) -> None:
        """Note that a partition was read up to an offset, though no record may stand below it."""
        self._next_offsets[partition] = max(next_offset, self._next_offsets[partition])

    def reached_shard(self, reached: ShardReached) -> None:
        """Note how far a shard has been read."""
        self._shard(reached.shard).reached_ms = reached.arrived_ms

    def stream_was_read(self, parents: Mapping[str, Sequence[str]]) -> None:
        """Note that the reading of the stream came to its end, with the parents of all shards that it met."""
        for shard in parents:
            self._shard(shard)
        self.store()
        with self._transaction():
            for shard, of in parents.items():
                if of:
                    self._connection.execute("UPDATE shards SET parents = ? WHERE shard = ?", [list(of), shard])
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('stream_was_read', 'true')")

    def pass_over(self, fate: Fate, places: Iterable[OffsetRange]) -> None:
        """Say which records are dead letters, or were skipped, instead of what was said before."""
        rows = [(self._numbers[p.partition], p.first, p.last) for p in places if p.partition in self._numbers]
        with self._transaction():
            self._connection.execute("DELETE FROM passed WHERE fate = ?", [fate.value])
            self._connection.execute(
                "INSERT INTO passed SELECT unnest(?::INTEGER[]), unnest(?::BIGINT[]), unnest(?::BIGINT[]), ?",
                [*_columns(rows, 3), fate.value],
            )

    def store(self) -> None:
        """Store what was gathered, and how far it goes."""
        self._hand_over()
        self._wait()

    # --- what follows ------------------------------------------------------------------------------------------------

    def judge(self) -> Judgement:
        """Say what became of each record that was read so far, and write it into the file."""
        self.store()
        with _in_words(self._path):
            database = self._database
            return judge(database, self._beside("judging"), _read_terms(database), _read_plan(database))

    def ranges(self, fate: Fate) -> Iterator[OffsetRange]:
        """Give the records of a fate as ranges of offsets, by partition and in order; of IN_STREAM there are none."""
        with _in_words(self._path):
            found = self._database.cursor().execute(_RANGES, [fate.value])
            while rows := found.fetchmany(_ROWS_OF_A_QUESTION):
                for topic, partition, first, last in rows:
                    yield OffsetRange(TopicPartition(topic, partition), first, last)

    def keys_overtaken(self, places: Iterable[OffsetRange]) -> int:
        """Count the keys of partitions of which a lost record stands in these places, and a later one is in the stream."""
        rows = sorted((self._numbers[p.partition], p.first, p.last) for p in places if p.partition in self._numbers)
        with _in_words(self._path):
            found = self._database.execute(_KEYS_OVERTAKEN, _columns(rows, 3)).fetchone()
        invariant(found is not None, "a count gave no row")
        return int(found[0])  # type: ignore[index]  # not None

    def close(self) -> None:
        """Store what was gathered, and let the file go."""
        try:
            if not self._broken:
                self.store()
        finally:
            self._writer.shutdown()
            self._connection.close()
            self._beside("rows").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    @property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """The database, when nothing is being stored any more."""
        self._wait()
        return self._connection

    def _beside(self, what: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{what}")

    def _count(self, table: str) -> int:
        with _in_words(self._path):
            found = self._database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        invariant(found is not None, "a count gave no row")
        return int(found[0])  # type: ignore[index]  # not None

    def _shard(self, name: str) -> _Shard:
        if name not in self._shards:
            self._shards[name] = _Shard(len(self._shards), 0, None, None, None)
        return self._shards[name]

    def _store_if_many(self) -> None:
        if max(self._gathered.records, self._gathered.landings) >= ROWS_AT_ONCE:
            self._hand_over()

    def _hand_over(self) -> None:
        """Let the other thread store what was gathered, with how far it goes at this moment."""
        self._wait()
        if self._broken:
            raise UsageError(
                f"the audit file {self._path} takes nothing any more, since storing failed: type the same again, and it goes on"
            )
        gathered, self._gathered = self._gathered, _Gathered()
        offsets = [(self._numbers[place], offset) for place, offset in self._next_offsets.items()]
        shards = [
            (each.number, name, each.landings, each.sequence_number, each.arrived_ms, each.reached_ms)
            for name, each in self._shards.items()
        ]
        self._writing = self._writer.submit(self._write, gathered, _columns(offsets, 2), _columns(shards, 6))

    def _wait(self) -> None:
        """Wait for what is being stored; one that is interrupted waits on the next time."""
        if self._writing is None:
            return
        wait((self._writing,))
        error = self._writing.exception()
        self._writing = None
        if error is not None:
            self._broken = True
            raise error

    def _write(self, gathered: _Gathered, offsets: list[list[object]], shards: list[list[object]]) -> None:
        """Store rows and how far they go; on the other thread, while nobody else uses the database."""
        with self._committing(self._connection):
            self._load("expected", gathered.expected, _EXPECTED)
            self._load("landed", gathered.landed, _LANDED)
            self._connection.execute(_STORE_OFFSETS, offsets)
            self._connection.execute(_STORE_SHARDS, shards)

    def _load(self, table: str, rows: Sequence[str], columns: dict[str, str]) -> None:
        if not rows:
            return
        spool_path = self._beside("rows")
        with spool_path.open("w", encoding="ascii") as spool:
            for some in rows:
                spool.write(some)
                spool.write("\n")
        self._connection.execute(
            f"INSERT INTO {table} SELECT * FROM read_csv(?, auto_detect = false, header = false, delim = ',', quote = '', "  # noqa: S608
            f"escape = '', columns = {columns})",  # a dict is shown as DuckDB writes one
            [str(spool_path)],
        )

    def _read_progress(self) -> None:
        for number, topic, partition, next_offset in self._connection.execute(
            'SELECT partition_no, topic, "partition", next_offset FROM partitions'
        ).fetchall():
            place = TopicPartition(topic, partition)
            self._numbers[place], self._next_offsets[place] = number, next_offset
        for name, *rest in self._connection.execute(
            "SELECT shard, shard_no, landings, last_sequence_number, last_arrived_ms, reached_ms FROM shards"
        ).fetchall():
            self._shards[name] = _Shard(*rest)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._committing(self._database):
            yield

    @contextmanager
    def _committing(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        with _in_words(self._path):
            connection.begin()
            try:
                yield
                connection.commit()
            except BaseException:
                with suppress(duckdb.Error):  # it may be over by itself
                    connection.rollback()
                raise


_ROWS_OF_A_QUESTION: Final = 1_000

# Lists instead of rows: a statement takes a millisecond, whatever it writes.
_STORE_OFFSETS: Final = """
UPDATE partitions SET next_offset = new.next_offset
FROM (SELECT unnest(?::INTEGER[]) AS partition_no, unnest(?::BIGINT[]) AS next_offset) AS new
WHERE partitions.partition_no = new.partition_no
"""
_STORE_SHARDS: Final = """
INSERT INTO shards (shard_no, shard, parents, landings, last_sequence_number, last_arrived_ms, reached_ms)
SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), [], unnest(?::BIGINT[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[]),
    unnest(?::BIGINT[])
ON CONFLICT (shard_no) DO UPDATE SET landings = excluded.landings, last_sequence_number = excluded.last_sequence_number,
    last_arrived_ms = excluded.last_arrived_ms, reached_ms = excluded.reached_ms
"""
_INSERT_PARTITIONS: Final = """
INSERT INTO partitions
SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::INTEGER[]), unnest(?::BIGINT[]) AS first_offset, unnest(?::BIGINT[]),
    unnest(?::BIGINT[]), first_offset
"""

_LOST: Final = """
SELECT if(EXISTS (FROM facts WHERE name = 'judged'), (SELECT count(*) FROM fates WHERE fate = 'lost'),
    (SELECT count(*) FROM passed WHERE fate = 'lost'))
"""
_RANGES: Final = """
SELECT topic, "partition", min("offset"), max("offset")
FROM (
    SELECT partition_no, "offset", "offset" - row_number() OVER (PARTITION BY partition_no ORDER BY "offset") AS run
    FROM fates WHERE fate = ?
) JOIN partitions USING (partition_no)
GROUP BY topic, "partition", run ORDER BY topic, "partition", run
"""

# Places are as many as losses: each loss is looked up in the one that begins last at or before it.
_KEYS_OVERTAKEN: Final = """
WITH places AS (
    SELECT unnest(?::INTEGER[]) AS partition_no, unnest(?::BIGINT[]) AS "offset", unnest(?::BIGINT[]) AS last_offset
), lost AS (
    SELECT partition_no, "offset", lane FROM fates JOIN expected USING (partition_no, "offset")
    WHERE fate = 'lost' AND lane IS NOT NULL
), firsts AS (
    SELECT partition_no, lane, min("offset") AS first_offset FROM lost ASOF JOIN places USING (partition_no, "offset")
    WHERE "offset" <= last_offset GROUP BY ALL
)
SELECT count(DISTINCT (partition_no, lane)) FROM (
    FROM expected ANTI JOIN (FROM fates WHERE fate NOT IN ('repeated', 'overtaken')) USING (partition_no, "offset")
) JOIN firsts USING (partition_no, lane) WHERE "offset" > first_offset
"""


def _connect(path: Path, memory_mib: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        str(path),
        config={
            "threads": _THREADS,
            "memory_limit": f"{memory_mib}MiB",
            "temp_directory": f"{path}.tmp",
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",  # an audit fetches no code
            "autoload_known_extensions": "false",
        },
    )


def _fill(connection: duckdb.DuckDBPyConnection, terms: Terms, plan: Plan, notes: Mapping[str, object]) -> None:
    """Write all that is known before anything was read; all of it, or nothing."""
    facts: dict[str, Any] = {"format": FORMAT, **asdict(terms), "match": terms.match.value, _PLAN: _times_of(plan)}
    facts |= notes
    connection.begin()
    connection.execute(TABLES)
    connection.execute(
        "INSERT INTO facts SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
        [list(facts), list(map(json.dumps, facts.values()))],
    )
    partitions = [
        (number, *each.partition, each.first, each.end, each.committed) for number, each in enumerate(plan.partitions)
    ]
    connection.execute(_INSERT_PARTITIONS, _columns(partitions, 6))
    for number, (shard, parents) in enumerate(plan.parents.items()):
        connection.execute("INSERT INTO shards VALUES (?, ?, ?, 0, NULL, NULL, NULL)", [number, shard, list(parents)])
    connection.commit()


def _columns(rows: Sequence[tuple[object, ...]], number: int) -> list[list[object]]:
    """Turn rows into so many columns."""
    return [[row[place] for row in rows] for place in range(number)]


def _times_of(plan: Plan) -> dict[str, int]:
    names = ("committed_at_ms", "stream_from_ms", "stream_until_ms", "looked_at_ms")
    return {name: getattr(plan, name) for name in names}


def _facts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM facts").fetchall()}


def _look_at_format(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    try:
        found = _facts(connection)["format"]
    except (duckdb.CatalogException, KeyError) as error:
        raise UsageError(f"{path} is no audit file: name the file that doka audit wrote") from error
    if found != FORMAT:
        raise UsageError(f"{path} was written by another version of doka (format {found}, not {FORMAT}): audit anew")


def _read_terms(connection: duckdb.DuckDBPyConnection) -> Terms:
    facts = _facts(connection)
    told = {each.name: facts[each.name] for each in fields(Terms)}
    return Terms(**told | {"match": Match(told["match"])})


def _read_plan(connection: duckdb.DuckDBPyConnection) -> Plan:
    partitions = connection.execute(
        'SELECT topic, "partition", first_offset, end_offset, committed FROM partitions ORDER BY partition_no'
    ).fetchall()
    shards = connection.execute("SELECT shard, parents FROM shards ORDER BY shard_no").fetchall()
    return Plan(
        tuple(PlannedPartition(TopicPartition(topic, number), *rest) for topic, number, *rest in partitions),
        parents={shard: tuple(parents) for shard, parents in shards},
        **_facts(connection)[_PLAN],
    )


def _compare(path: Path, stored: Terms, asked: Terms) -> None:
    asked = replace(asked, record_bytes_max=stored.record_bytes_max)  # which somebody may change between two windows
    different = [each.name for each in fields(Terms) if getattr(stored, each.name) != getattr(asked, each.name)]
    if different:
        name = different[0]
        raise UsageError(
            f"{path} is of another audit: its {name.removesuffix('_ms').replace('_', ' ')} is "
            f"{_shown(getattr(stored, name))}, not {_shown(getattr(asked, name))}; name another file, or put this one aside: "
            f"mv {path} {path}.before"
        )


def _shown(value: object) -> str:
    return value.value if isinstance(value, Match) else str(value)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Let what the database cannot do end as a sentence."""
    try:
        yield
    except (
        duckdb.IOException,
        duckdb.OutOfMemoryException,
        duckdb.TransactionException,  # a commit that a full disk refuses
        duckdb.FatalException,
        OSError,
    ) as error:
        raise UsageError(f"the audit file {path} cannot be used: {_first_line(error)}") from error
    except (duckdb.SerializationException, duckdb.InvalidInputException) as error:
        raise UsageError(f"{path} is no audit file that can be read: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
