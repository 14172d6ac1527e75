"""Bugs of the comparing side, put in one at a time: the comparison with the oracle must notice each.

What a bug replaces is there, or the bug says so: one that no longer applies proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import duckdb
import pytest

from doka.adapters.audit import file as audit_file
from doka.adapters.audit import judging
from doka.adapters.audit.file import AuditFile
from doka.domain.audit import identity
from doka.domain.audit.fates import Fate, OffsetRange, Plan
from doka.domain.audit.identity import Expected, Identities
from doka.domain.audit.landed import Landed
from doka.domain.records import Chunk
from doka.domain.routes.mapping import Mapped, RecordMapping

Plant = Callable[[pytest.MonkeyPatch], None]


def in_text(
    patch: pytest.MonkeyPatch, module: ModuleType, name: str, honest: str, planted: str, *, times: int = 1
) -> None:
    """Change a statement of a module."""
    text = getattr(module, name)
    assert text.count(honest) == times, f"{module.__name__}.{name} has {text.count(honest)} times {honest!r}"
    patch.setattr(module, name, text.replace(honest, planted))


def in_place_of(patch: pytest.MonkeyPatch, owner: type | ModuleType, name: str, planted: Callable[..., Any]) -> None:
    """Change a function that is there."""
    assert callable(vars(owner)[name])
    patch.setattr(owner, name, planted)


# --- what is read ------------------------------------------------------------------------------------------------


def compares_one_shard_twice(patch: pytest.MonkeyPatch) -> None:
    """Take what one shard gives for that of another one as well."""
    honest = AuditFile.add_landed

    def planted(self: AuditFile, landed: Landed, identities: Sequence[bytes]) -> None:
        honest(self, landed, identities)
        if landed.shard == "s0":
            again = Landed("s0 again", landed.keys, landed.data, landed.sequence_numbers, landed.arrived_ms)
            honest(self, again, identities)

    in_place_of(patch, AuditFile, "add_landed", planted)


def forgets_the_parent_shard(patch: pytest.MonkeyPatch) -> None:
    """Read what is open now, and not what was split or merged since."""
    honest = AuditFile.add_landed

    def planted(self: AuditFile, landed: Landed, identities: Sequence[bytes]) -> None:
        if landed.shard != "s0":
            honest(self, landed, identities)

    in_place_of(patch, AuditFile, "add_landed", planted)


def believes_an_aggregate_in_part(patch: pytest.MonkeyPatch) -> None:
    """Take the first record of those that share a sequence number, and drop the others."""
    honest = AuditFile.add_landed

    def planted(self: AuditFile, landed: Landed, identities: Sequence[bytes]) -> None:
        if landed.count > 1 and len(set(landed.sequence_numbers)) == 1:
            first = slice(1)
            columns = (landed.keys[first], landed.data[first], landed.sequence_numbers[first], landed.arrived_ms[first])
            landed, identities = Landed(landed.shard, *columns), identities[first]
        honest(self, landed, identities)

    in_place_of(patch, AuditFile, "add_landed", planted)


def forgets_how_far_it_was(patch: pytest.MonkeyPatch) -> None:
    """Store rows without how far they go, so that a killed audit reads them again."""
    in_text(patch, audit_file, "_STORE_OFFSETS", "WHERE partitions", "WHERE false AND partitions")


def skips_tombstones(patch: pytest.MonkeyPatch) -> None:
    """Leave records without a value out of what is expected."""
    honest = Identities.expected

    def planted(self: Identities, chunk: Chunk) -> Expected:
        found = honest(self, chunk)
        identities = [i if value else None for i, value in zip(found.identities, chunk.values, strict=True)]
        return Expected(found.partition, found.offsets, found.timestamps_ms, found.lanes, identities, found.codes)

    in_place_of(patch, Identities, "expected", planted)


# --- what is the same --------------------------------------------------------------------------------------------


def runs_keys_and_data_together(patch: pytest.MonkeyPatch) -> None:
    """Forget where data ends and a key begins."""
    honest = identity._Keys._work_out

    def planted(self: identity._Keys, key: str) -> tuple[bytes, int]:
        suffix, lane = honest(self, key)
        return suffix if suffix == identity._BY_DATA else suffix[:-2], lane

    in_place_of(patch, identity._Keys, "_work_out", planted)


def compares_keys_that_were_drawn(patch: pytest.MonkeyPatch) -> None:
    """Look for a record without a key under the key that was drawn for it today."""
    honest = Identities.__init__

    def planted(self: Identities, *given: Any, **named: Any) -> None:
        honest(self, *given, **named)
        self._keys = identity._Keys(10**6, digits_alike=False)

    in_place_of(patch, Identities, "__init__", planted)


def takes_a_missing_key_for_poison(patch: pytest.MonkeyPatch) -> None:
    """Tell each record without a key as one that can never land, whatever the route's rule for it is."""
    in_place_of(patch, Identities, "_take_drawn", lambda self, codes, data: frozenset())


def ignores_keys(patch: pytest.MonkeyPatch) -> None:
    """Compare the data alone where the key is known."""
    in_place_of(patch, Identities, "_by_key", lambda self, keys, data: [identity._digest_of(d).digest() for d in data])


def forgets_poison(patch: pytest.MonkeyPatch) -> None:
    """Call a record lost that can never land, as the mapping says."""
    honest = RecordMapping.map

    def planted(
        self: RecordMapping, chunk: Chunk, record_bytes_max: int, found: Mapping[int, str], chosen: Sequence[str | None]
    ) -> Mapped:
        keys, data, poison = honest(self, chunk, record_bytes_max, found, chosen)
        return keys, data, {place: code for place, code in poison.items() if code != "NoPartitionKey"}

    in_place_of(patch, RecordMapping, "map", planted)


# --- what can be known -------------------------------------------------------------------------------------------


def takes_the_early_edge_for_lost(patch: pytest.MonkeyPatch) -> None:
    """Forget that clocks are apart, and that a stream is held for so long only."""
    in_place_of(patch, judging, "_early_ms", lambda terms, plan: 0)


def takes_the_late_edge_for_lost(patch: pytest.MonkeyPatch) -> None:
    """Forget that a record may have landed behind the end of the reading."""
    in_text(patch, judging, "_IF_MISSING", " OR NOT {is_complete}", "")


def believes_the_quickest_shard(patch: pytest.MonkeyPatch) -> None:
    """Take the stream for read as far as the shard that was read furthest."""

    def planted(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
        found = connection.execute("SELECT max(reached_ms) FROM shards").fetchone()
        return found[0] if found and found[0] is not None else plan.stream_until_ms

    in_place_of(patch, judging, "_complete_until_ms", planted)


def loses_the_committed_offset(patch: pytest.MonkeyPatch) -> None:
    """Call the record at the committed offset lost, which is the next to be sent."""
    in_text(patch, judging, "_IF_MISSING", '"offset" >= committed', '"offset" > committed')


def takes_no_commit_for_all(patch: pytest.MonkeyPatch) -> None:
    """Call records lost of a partition of which the group has committed nothing."""
    in_text(patch, judging, "_IF_MISSING", "committed IS NULL OR", "")


def loses_dead_letters(patch: pytest.MonkeyPatch) -> None:
    """Forget the topic of dead letters."""
    honest = AuditFile.pass_over

    def planted(self: AuditFile, fate: Fate, places: Iterable[OffsetRange]) -> None:
        honest(self, fate, () if fate is Fate.DEAD_LETTER else places)

    in_place_of(patch, AuditFile, "pass_over", planted)


def believes_dead_letters_first(patch: pytest.MonkeyPatch) -> None:
    """Tell a record as a dead letter though it is in the stream."""
    in_text(
        patch, judging, "_FOUND", "CASE WHEN shard_no IS NULL THEN if_missing",
        "CASE WHEN shard_no IS NULL OR if_missing = 'dead_letter' THEN if_missing",
        times=2,
    )  # fmt: skip


# --- equal records -----------------------------------------------------------------------------------------------


def ignores_how_often(patch: pytest.MonkeyPatch) -> None:
    """Take one landing for all equal records."""
    in_text(
        patch,
        judging,
        "_FOUND",
        "LEFT JOIN scratch.numbered_landings USING (identity, number)",
        "LEFT JOIN (SELECT * EXCLUDE number FROM scratch.numbered_landings WHERE number = 1) USING (identity)",
    )


def gives_landings_to_what_cannot_be_judged(patch: pytest.MonkeyPatch) -> None:
    """Let a record be lost while its equal, of which nothing is known, takes the landing."""
    in_text(patch, judging, "_NUMBERED", "landings < records AND if_missing <> 'lost', partition_no", "partition_no")


def forgets_repeats_of_equal_records(patch: pytest.MonkeyPatch) -> None:
    """Notice repeats of records without an equal alone."""
    in_text(patch, judging, "_FOUND", "landings > records AND number = records", "records = 1 AND landings > records")


def takes_a_repeat_for_the_first_landing(patch: pytest.MonkeyPatch) -> None:
    """Judge order by the last landing of a record."""
    in_text(
        patch, judging, "_NUMBERED", "generation, shard_no, position)", "generation DESC, shard_no DESC, position DESC)"
    )


# --- order -------------------------------------------------------------------------------------------------------


def compares_order_across_partitions(patch: pytest.MonkeyPatch) -> None:
    """Expect an order between partitions of Kafka."""
    in_text(patch, judging, "_OVERTAKEN", "PARTITION BY partition_no, lane, shard_no", "PARTITION BY lane, shard_no")


def compares_order_across_keys(patch: pytest.MonkeyPatch) -> None:
    """Expect an order between keys."""
    in_text(
        patch, judging, "_OVERTAKEN", "PARTITION BY partition_no, lane, shard_no", "PARTITION BY partition_no, shard_no"
    )


def compares_order_across_shards(patch: pytest.MonkeyPatch) -> None:
    """Compare places in one shard with places in another."""
    in_text(
        patch, judging, "_OVERTAKEN", "PARTITION BY partition_no, lane, shard_no", "PARTITION BY partition_no, lane"
    )


def forgets_the_order_of_parents(patch: pytest.MonkeyPatch) -> None:
    """Compare the order within each shard alone."""
    honest = judging._write_lineage

    def planted(connection: duckdb.DuckDBPyConnection, parents: Mapping[str, Sequence[str]]) -> None:
        honest(connection, parents)
        connection.execute("DELETE FROM scratch.descendants")

    in_place_of(patch, judging, "_write_lineage", planted)


def guesses_which_equal_landed(patch: pytest.MonkeyPatch) -> None:
    """Tell an order of equal records though nobody knows which landing is whose."""
    in_text(patch, judging, "_FOUND", "one_line AND (records = 1 OR records = landings)", "true")


def takes_shards_side_by_side_for_one_line(patch: pytest.MonkeyPatch) -> None:
    """Take the first of several landings by the numbers of shards of which neither came out of the other."""
    in_text(patch, judging, "_SEVERAL", " AND identity NOT IN (FROM scratch.apart)", "")


# --- what is told ------------------------------------------------------------------------------------------------


def joins_ranges_across_holes(patch: pytest.MonkeyPatch) -> None:
    """Tell one range from the first to the last record of a fate."""
    in_text(
        patch, audit_file, "_RANGES", '"offset" - row_number() OVER (PARTITION BY partition_no ORDER BY "offset")', "0"
    )


def counts_foreign_records_as_ours(patch: pytest.MonkeyPatch) -> None:
    """Take each landing for one of the window's."""
    in_text(patch, judging, "_FOREIGN", "FROM landed ANTI JOIN expected USING (identity)", "FROM landed WHERE false")


BUGS: Mapping[Plant, int] = {
    compares_one_shard_twice: 1,
    forgets_the_parent_shard: 1,
    believes_an_aggregate_in_part: 1,
    forgets_how_far_it_was: 4,
    skips_tombstones: 1,
    runs_keys_and_data_together: 92,
    compares_keys_that_were_drawn: 2,
    takes_a_missing_key_for_poison: 1,
    ignores_keys: 2,
    forgets_poison: 0,
    takes_the_early_edge_for_lost: 0,
    takes_the_late_edge_for_lost: 11,
    believes_the_quickest_shard: 11,
    loses_the_committed_offset: 43,
    takes_no_commit_for_all: 21,
    loses_dead_letters: 1,
    believes_dead_letters_first: 1,
    ignores_how_often: 3,
    gives_landings_to_what_cannot_be_judged: 43,
    forgets_repeats_of_equal_records: 3,
    takes_a_repeat_for_the_first_landing: 3,
    compares_order_across_partitions: 13,
    compares_order_across_keys: 10,
    compares_order_across_shards: 17,
    forgets_the_order_of_parents: 9,
    guesses_which_equal_landed: 3,
    takes_shards_side_by_side_for_one_line: 201,
    joins_ranges_across_holes: 3,
    counts_foreign_records_as_ours: 1,
}
"""Each with the first seed, counted from 0, whose history shows it."""
