"""Audits a history as the command does: reads both sides into a file, perhaps in two processes, and judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doka.adapters.audit.file import AuditFile
from doka.domain.audit.fates import Fate, Judgement, Terms
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.records import Chunk, TopicPartition
from tests.unit.adapters.audit.histories import CLOCKS_APART_MS, PARENTS, History, chunks_of, runs_of

MIB = 1024 * 1024


@dataclass
class Audited:
    """What an audit says."""

    judgement: Judgement
    fates: dict[tuple[TopicPartition, int], set[Fate]]
    """Of each record that is told by its place."""


def audit(history: History, path: Path) -> Audited:
    """Audit a history, in a file that is gone afterwards."""
    identities = Identities(history.rules, MIB, by_data=history.by_data)
    terms = Terms(
        "orders", "arn:stream", "group", identities.match, "as it is", history.since_ms, history.until_ms,
        CLOCKS_APART_MS,
    )  # fmt: skip
    path.unlink(missing_ok=True)  # what a bug may have left
    file = AuditFile.create(path, terms, history.plan)
    if history.interrupted:
        _add_all(file, identities, history, until=history.batches.random(), store_at=history.batches.random())
        file._connection.close()  # killed: what was not stored is gone
        file = AuditFile.open(path, terms)
    try:
        _add_all(file, identities, history)
        for fate, places in history.passed.items():
            file.pass_over(fate, places)
        for each in history.plan.partitions:
            file.reached_partition(each.partition, each.end)
        for shard, reached_ms in history.reached_ms.items():
            file.reached_shard(ShardReached(shard, reached_ms, None, ended=True))
        file.stream_was_read(PARENTS)
        judgement = file.judge()
        fates: dict[tuple[TopicPartition, int], set[Fate]] = {}
        for fate in Fate:
            for found in file.ranges(fate):
                for offset in range(found.first, found.last + 1):
                    fates.setdefault((found.partition, offset), set()).add(fate)
        return Audited(judgement, fates)
    finally:
        file.close()
        path.unlink()


def _add_all(
    file: AuditFile, identities: Identities, history: History, *, until: float = 1.0, store_at: float = 2.0
) -> None:
    """Add what the file does not have yet, up to a share of it; store at another share."""
    steps: list[Chunk | Landed] = [*chunks_of(history, file.next_offsets), *runs_of(history, file.behind)]
    for number, step in enumerate(steps):
        if number >= until * len(steps):
            break
        if number - 1 < store_at * len(steps) <= number:
            file.store()
        if isinstance(step, Chunk):
            file.add_expected(identities.expected(step))
        else:
            file.add_landed(step, identities.landed(step))
