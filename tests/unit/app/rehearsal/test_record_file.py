"""Records are read out of a file, or it is said which line is wrong, and how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doka.app.rehearsal import record_file
from doka.app.rehearsal.expectation import ANY, Expectation
from doka.app.rehearsal.record_file import GivenRecord, batches_of, read_records
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def read(tmp_path: Path, *lines: object) -> list[GivenRecord]:
    """Read a file of these lines: texts as they are, all else as JSON."""
    file = tmp_path / "orders.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return read_records(file, {"orders", "returns"})


def test_what_a_line_may_say(tmp_path: Path) -> None:
    """Each field as an envelope has it; what is left out is null, or comes next."""
    plain, whole, binary, made = read(
        tmp_path,
        {"value": "a"},
        {"topic": "returns", "partition": 3, "offset": 9, "timestamp": 7, "key": "k", "value": None, "headers": [["type", "x"], ["type", None]]},
        "",
        {"key": {"base64": "/w=="}, "value": {"base64": "AAE="}, "headers": {"type": "x"}},
        {"json": {"id": 1, "name": "é"}},
    )  # fmt: skip
    assert GivenRecord(1, P0, 0, None, b"a", None, (), None) == plain
    assert (None, (0, -1)) == (plain.headers(), plain.timestamp())
    assert (TopicPartition("returns", 3), 9, b"k", None) == (whole.partition, whole.offset, whole.key(), whole.value())
    assert ([("type", b"x"), ("type", None)], (1, 7)) == (whole.headers(), whole.timestamp())
    assert (4, 1, b"\xff", b"\x00\x01", (("type", b"x"),)) == (
        binary.line, binary.offset, binary.key_bytes, binary.value_bytes, binary.header_pairs,
    )  # fmt: skip
    assert ('{"id":1,"name":"é"}'.encode(), 2) == (made.value_bytes, made.offset)


def test_envelopes_that_a_consumer_kept_are_such_a_file(tmp_path: Path) -> None:
    """As `envelope: json` writes them, replayed or not."""
    (record,) = read(
        tmp_path,
        '{"topic":"orders","partition":1,"offset":5,"timestamp":7,"key":"k","headers":[["a",null]],"value":"v","replayed":true}',
    )
    assert GivenRecord(1, P1, 5, b"k", b"v", 7, (("a", None),), None) == record


def test_what_may_be_expected(tmp_path: Path) -> None:
    """A value, or the same as JSON, a key; or to be left out, or never to land, and why."""
    expected = [
        {},
        {"value": None, "partition_key": "7"},
        {"value": {"base64": "AAE="}},
        {"json": None},
        {"filtered": True},
        {"poison": "TransformRefused"},
    ]
    assert [
        Expectation(),
        Expectation(value=None, partition_key="7"),
        Expectation(value=b"\x00\x01"),
        Expectation(json=None),
        Expectation(filtered=True),
        Expectation(poison="TransformRefused"),
    ] == [record.expected for record in read(tmp_path, *({"expect": each} for each in expected))]
    assert Expectation(value=ANY) == Expectation()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("no JSON", "is no JSON; write one object a line"),
        ("[" * 100_000, "is no JSON; write one object a line"),
        ("[]", "is no JSON object"),
        ({"valeu": "a"}, "a record has no 'valeu'; it has expect, headers, json, key, "),
        ({"topic": "other"}, "topic 'other' is none of the route, which reads orders, returns"),
        ({"partition": -1}, "partition is a whole number from 0 on"),
        ({"offset": True}, "offset is a whole number from 0 on"),
        ({"timestamp": "now"}, "timestamp is a whole number from 0 on"),
        ({"value": "a", "json": 1}, "has a value and json; keep one"),
        ({"value": {"id": 1}}, 'value is a text, null, or {"base64": "..."}; write an object under json'),
        ({"key": 7}, 'key is a text, null, or {"base64": "..."}'),
        ({"key": {"base64": "?"}}, "key.base64 is no base64"),
        ({"headers": "a"}, "headers are an object, or a list of pairs of a name and a content"),
        ({"headers": [["a"]]}, "headers are an object, or a list of pairs of a name and a content"),
        ({"headers": {"a": 1}}, "a header's content is a text, null, or "),
        ({"expect": "filtered"}, "expect is no object"),
        ({"expect": {"dropped": True}}, "expect has no 'dropped'; it has filtered, json, partition_key, poison, value"),
        ({"expect": {"filtered": False}}, "expect.filtered is true, or the text of why"),
        ({"expect": {"poison": ""}}, "expect.poison is true, or the text of why"),
        ({"expect": {"poison": True, "value": "a"}}, "expect.poison stands alone"),
        ({"expect": {"value": "a", "json": 1}}, "expect has a value and json; keep one"),
        ({"expect": {"partition_key": 7}}, "expect.partition_key is a text"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_cure(tmp_path: Path, line: object, told: str) -> None:
    """In one line of text, with the number of that of the file."""
    with pytest.raises(UsageError) as raised:
        read(tmp_path, {"value": "a"}, line)
    assert f"--records: {tmp_path}/orders.jsonl, line 2: {told}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_offsets_ascend(tmp_path: Path) -> None:
    """As in Kafka, in each partition by itself."""
    assert [5, 0, 6] == [
        record.offset for record in read(tmp_path, {"offset": 5}, {"partition": 1, "offset": 0}, {"value": "a"})
    ]
    with pytest.raises(UsageError, match=r"line 2: offset 5 stands behind 5 of orders\[0\]; offsets ascend"):
        read(tmp_path, {"offset": 5}, {"offset": 5})


def test_a_file_that_is_not_there_or_empty(tmp_path: Path) -> None:
    """It is said, and nothing passes because there was nothing."""
    with pytest.raises(UsageError, match=r"none\.jsonl cannot be read: No such file or directory; check the path"):
        read_records(tmp_path / "none.jsonl", {"orders"})
    with pytest.raises(UsageError, match="holds no record"):
        read(tmp_path, "", "")


def test_batches_are_neighbours_of_one_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the file, and none larger than the bound."""
    monkeypatch.setattr(record_file, "BATCH_RECORDS_MAX", 2)
    lines = [{"partition": number, "value": "a", "timestamp": 7} for number in (0, 0, 0, 1, 0)]
    found = list(batches_of(read(tmp_path, *lines)))
    assert [(P0, [0, 1]), (P0, [2]), (P1, [0]), (P0, [3])] == [
        (chunk.partition, list(chunk.offsets)) for chunk in found
    ]
    assert ([7] * 4, [1, 2]) == (
        [chunk.timestamp_ms for chunk in found],
        [original.line for original in found[0].originals],  # type: ignore[attr-defined]  # they are the lines' records
    )


def test_a_record_may_be_of_a_topic_that_a_pattern_matches(tmp_path: Path) -> None:
    """By its name; a route of patterns alone has no topic that goes without saying."""
    file = tmp_path / "records.jsonl"
    file.write_text('{"topic": "orders.eu", "value": "a"}')
    (record,) = read_records(file, {"orders.*"})
    assert TopicPartition("orders.eu", 0) == record.partition

    for line, told in (
        ('{"value": "a"}', "the record has no topic, and the route names none; add one that matches orders"),
        ('{"topic": "returns", "value": "a"}', "topic 'returns' is none of the route, which reads orders"),
    ):
        file.write_text(line)
        with pytest.raises(UsageError, match=told):
            read_records(file, {"orders.*"})
