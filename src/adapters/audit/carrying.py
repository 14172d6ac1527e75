"""Carries into the file of the next window what a judged one left open, so that the two join.

| what goes on | because |
|---|---|
| records that are lost, and that they are | they may come yet, sent once more; each counts once, however many windows it is lost in |
| landings of which there are more than records, and that arrived since the next window's stream begins | they may be of records that the group had not committed |
| how far each shard was read, and to which position | no record of the stream is read twice, and none passed over |

Nearly all landings are of one record, and are looked up by one join; only those of which there are several are numbered.
Whatever else the judged file holds is done with. The offsets at which Kafka is read on stand in the next plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from doka.domain.audit.fates import CLOCKS_APART_MS

_CARRY: Final = """
INSERT INTO expected
SELECT partitions.partition_no, "offset", timestamp_ms, lane, identity, code
FROM before.expected JOIN before.fates USING (partition_no, "offset") JOIN before.partitions AS old USING (partition_no)
JOIN partitions USING (topic, "partition") WHERE fate = 'lost';

INSERT INTO passed SELECT partition_no, "offset", "offset", 'lost' FROM expected;

UPDATE shards SET landings = old.landings, reached_ms = greatest(old.reached_ms, {from_ms}), last_arrived_ms = old.last_arrived_ms,
    last_sequence_number = CASE WHEN old.last_arrived_ms >= {held_ms} THEN old.last_sequence_number END
FROM before.shards AS old WHERE shards.shard = old.shard;

INSERT INTO landed
SELECT shards.shard_no, position, sequence_number, arrived_ms, identity
FROM before.landed ANTI JOIN before.expected USING (identity)
JOIN before.shards AS old USING (shard_no) JOIN shards USING (shard) WHERE arrived_ms >= {from_ms};

INSERT INTO landed
WITH again AS MATERIALIZED (SELECT identity FROM before.landed GROUP BY identity HAVING count(*) > 1),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY identity ORDER BY arrived_ms, shard_no, position) AS number
    FROM before.landed SEMI JOIN again USING (identity)
), wanted AS (
    SELECT identity, count(*) AS records FROM before.expected SEMI JOIN again USING (identity) GROUP BY identity
)
SELECT shards.shard_no, position, sequence_number, arrived_ms, identity FROM numbered JOIN wanted USING (identity)
JOIN before.shards AS old USING (shard_no) JOIN shards USING (shard) WHERE number > records AND arrived_ms >= {from_ms};
"""


def carry(connection: duckdb.DuckDBPyConnection, judged: Path, stream_from_ms: int) -> None:
    """Fill the file that is open, which holds its terms and its plan alone, from a judged one; all of it, or nothing.

    A shard whose last record is older than what is read again is read by the time: its sequence number may be gone.
    """
    place = str(judged).replace("'", "''")
    connection.execute(f"ATTACH '{place}' AS before")
    try:
        connection.begin()
        connection.execute(_CARRY.format(from_ms=stream_from_ms, held_ms=stream_from_ms - CLOCKS_APART_MS))
        connection.commit()
    finally:
        connection.execute("DETACH before")
