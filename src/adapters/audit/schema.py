"""The tables of an audit file; docs/recover.md tells what stands in them, to those who query it."""

from __future__ import annotations

from typing import Final

from doka.domain.audit.fates import Fate

FORMAT: Final = 2
"""Raised with each change after which an older file cannot be read."""

_FATE_TYPE: Final = "CREATE TYPE fate AS ENUM ({});".format(", ".join(repr(fate.value) for fate in Fate))

_TABLES: Final = """
CREATE TABLE facts (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE partitions (
    partition_no INTEGER PRIMARY KEY, topic VARCHAR NOT NULL, "partition" INTEGER NOT NULL,
    first_offset BIGINT NOT NULL, end_offset BIGINT NOT NULL, committed BIGINT, next_offset BIGINT NOT NULL
);
CREATE TABLE shards (
    shard_no INTEGER PRIMARY KEY, shard VARCHAR NOT NULL UNIQUE, parents VARCHAR[] NOT NULL,
    landings BIGINT NOT NULL, last_sequence_number VARCHAR, last_arrived_ms BIGINT, reached_ms BIGINT
);
CREATE TABLE expected (
    partition_no INTEGER NOT NULL, "offset" BIGINT NOT NULL, timestamp_ms BIGINT NOT NULL,
    lane BIGINT, identity UUID, code VARCHAR
);
CREATE TABLE landed (
    shard_no INTEGER NOT NULL, position BIGINT NOT NULL, sequence_number VARCHAR NOT NULL,
    arrived_ms BIGINT NOT NULL, identity UUID NOT NULL
);
CREATE TABLE passed (partition_no INTEGER NOT NULL, first_offset BIGINT NOT NULL, last_offset BIGINT NOT NULL, fate fate NOT NULL);
CREATE TABLE fates (partition_no INTEGER NOT NULL, "offset" BIGINT NOT NULL, fate fate NOT NULL, landings BIGINT NOT NULL);
CREATE VIEW records AS
    SELECT topic, "partition", "offset", make_timestamp_ms(nullif(timestamp_ms, -1)) AS written_at, code, fate, landings
    FROM fates JOIN partitions USING (partition_no) JOIN expected USING (partition_no, "offset");
CREATE VIEW landings AS
    SELECT topic, "partition", "offset", shard, sequence_number, make_timestamp_ms(arrived_ms) AS arrived_at
    FROM landed JOIN shards USING (shard_no) LEFT JOIN expected USING (identity) LEFT JOIN partitions USING (partition_no);
"""

TABLES: Final = f"{_FATE_TYPE};\n{_TABLES}"
