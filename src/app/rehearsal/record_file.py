"""Reads records for `doka test` and for simulations out of a file: one JSON object a line, named as an envelope names them.

So what consumers keep of `envelope: json` is such a file as it stands. Whatever is wrong with a line is said with its number.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NoReturn

from doka.app.rehearsal.expectation import ANY, Expectation
from doka.domain.errors import UsageError
from doka.domain.patterns import is_pattern, matches
from doka.domain.records import Chunk, TopicPartition

BATCH_RECORDS_MAX: Final = 4_096
"""So many records are one batch at most; the service gives its routes up to a few thousand."""
_OF_A_RECORD: Final = frozenset(
    {"topic", "partition", "offset", "timestamp", "key", "headers", "value", "json", "expect", "replayed"}
)
_OF_AN_EXPECTATION: Final = frozenset({"value", "json", "partition_key", "filtered", "poison"})


@dataclass(frozen=True, slots=True)
class GivenRecord:
    """A record of the file (`domain.records.Original`)."""

    line: int
    """Where it stands in the file, from 1 on."""
    partition: TopicPartition
    offset: int
    key_bytes: bytes | None
    value_bytes: bytes | None
    timestamp_ms: int | None
    header_pairs: tuple[tuple[str, bytes | None], ...]
    expected: Expectation | None
    """What shall become of it; None: nobody says."""

    def key(self) -> bytes | None:
        """Give the record's key."""
        return self.key_bytes

    def value(self) -> bytes | None:
        """Give the record's value."""
        return self.value_bytes

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give the record's headers, or None when it has none."""
        return list(self.header_pairs) or None

    def timestamp(self) -> tuple[int, int]:
        """Give (1, ms since the epoch), or 0 where the line names none."""
        return (0, -1) if self.timestamp_ms is None else (1, self.timestamp_ms)


def read_records(file: Path, topics: Collection[str], option: str = "--records") -> list[GivenRecord]:
    """Give the records of a file, for a route of these topics and patterns; a line that names none is of the first topic.

    Raises:
        UsageError: the file cannot be read, or a line is no record; `option` names what the file was given by.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"{option}: {file} cannot be read: {error.strerror}; check the path") from None
    ends: dict[TopicPartition, int] = {}
    records: list[GivenRecord] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            record = _Line(f"{option}: {file}, line {number}", number, topics).record(line, ends)
            ends[record.partition] = record.offset + 1
            records.append(record)
    if not records:
        raise UsageError(f"{option}: {file} holds no record; write one JSON object a line")
    return records


def batches_of(records: Sequence[GivenRecord]) -> Iterator[Chunk]:
    """Give the records as chunks, as they come from Kafka: neighbours of one partition together, in their order."""
    for partition, run in groupby(records, key=lambda record: record.partition):
        whole = list(run)
        for first in range(0, len(whole), BATCH_RECORDS_MAX):
            part = whole[first : first + BATCH_RECORDS_MAX]
            stamp = part[0].timestamp_ms
            yield Chunk(
                partition,
                [record.offset for record in part],
                [record.key_bytes for record in part],
                [record.value_bytes for record in part],
                -1 if stamp is None else stamp,
                originals=part,
            )


class _Line:
    """One line of the file; `where` names it."""

    def __init__(self, where: str, number: int, topics: Collection[str]) -> None:
        self._where = where
        self._number = number
        self._topics = sorted(topics)
        self._named = [topic for topic in self._topics if not is_pattern(topic)]

    def record(self, line: bytes, ends: Mapping[TopicPartition, int]) -> GivenRecord:
        """Read it; where it names no offset, it stands behind the one before it, of which `ends` tells."""
        data = self._object(line)
        self._known(data, _OF_A_RECORD, "a record")
        if "topic" not in data and not self._named:
            self._wrong(f"the record has no topic, and the route names none; add one that matches {self._topics[0]}")
        topic = data["topic"] if "topic" in data else self._named[0]
        if topic not in self._named and not (isinstance(topic, str) and matches(self._topics, topic)):
            self._wrong(f"topic {topic!r} is none of the route, which reads {', '.join(self._topics)}")
        partition = TopicPartition(topic, self._number_at(data, "partition", 0))
        end = ends.get(partition, 0)
        offset = self._number_at(data, "offset", end)
        if offset < end:
            self._wrong(f"offset {offset} stands behind {end - 1} of {partition}; offsets ascend")
        if "value" in data and "json" in data:
            self._wrong("has a value and json; keep one")
        expect = data.get("expect")
        return GivenRecord(
            line=self._number,
            partition=partition,
            offset=offset,
            key_bytes=self._bytes(data.get("key"), "key"),
            value_bytes=self._value(data),
            timestamp_ms=None if data.get("timestamp") is None else self._number_at(data, "timestamp", 0),
            header_pairs=self._headers(data.get("headers")),
            expected=None if expect is None else self._expectation(expect),
        )

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            self._wrong("is no JSON; write one object a line")
        if not isinstance(data, dict):
            self._wrong("is no JSON object")
        return data

    def _expectation(self, data: Any) -> Expectation:
        if not isinstance(data, dict):
            self._wrong('expect is no object; write what shall become of the record, like {"filtered": true}')
        self._known(data, _OF_AN_EXPECTATION, "expect")
        told = [name for name in ("filtered", "poison") if name in data]
        for name in told:
            if data[name] is not True and not (isinstance(data[name], str) and data[name]):
                self._wrong(f"expect.{name} is true, or the text of why")
        if told and len(data) > 1:
            self._wrong(f"expect.{told[0]} stands alone: such a record has no value and no partition key")
        if "value" in data and "json" in data:
            self._wrong("expect has a value and json; keep one")
        key = data.get("partition_key", ANY)
        if key is not ANY and not isinstance(key, str):
            self._wrong("expect.partition_key is a text")
        return Expectation(
            value=self._bytes(data["value"], "expect.value") if "value" in data else ANY,
            json=data.get("json", ANY),
            partition_key=key,
            filtered=data.get("filtered"),
            poison=data.get("poison"),
        )

    def _known(self, data: Mapping[str, Any], names: Collection[str], of: str) -> None:
        for name in data:
            if name not in names:
                self._wrong(f"{of} has no {name!r}; it has {', '.join(sorted(names))}")

    def _number_at(self, data: Mapping[str, Any], name: str, usual: int) -> int:
        number = data.get(name, usual)
        if type(number) is not int or number < 0:
            self._wrong(f"{name} is a whole number from 0 on")
        return number

    def _value(self, data: Mapping[str, Any]) -> bytes | None:
        if "json" in data:
            return json.dumps(data["json"], ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
        return self._bytes(data.get("value"), "value")

    def _bytes(self, content: Any, name: str) -> bytes | None:
        """Read bytes as an envelope has them: a text, or base64 and said so."""
        if content is None:
            return None
        if isinstance(content, str):
            return content.encode(errors="surrogatepass")
        if not (isinstance(content, dict) and content.keys() == {"base64"} and isinstance(content["base64"], str)):
            hint = "; write an object under json" if name.endswith("value") else ""
            self._wrong(f'{name} is a text, null, or {{"base64": "..."}}{hint}')
        try:
            return b64decode(content["base64"], validate=True)
        except ValueError:
            self._wrong(f"{name}.base64 is no base64")

    def _headers(self, headers: Any) -> tuple[tuple[str, bytes | None], ...]:
        if headers is None:
            return ()
        pairs = list(headers.items()) if isinstance(headers, dict) else headers
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)  # noqa: PLR2004 - a pair
            for pair in pairs
        ):
            self._wrong("headers are an object, or a list of pairs of a name and a content")
        return tuple((name, self._bytes(content, "a header's content")) for name, content in pairs)

    def _wrong(self, told: str) -> NoReturn:
        raise UsageError(f"{self._where}: {told}")
