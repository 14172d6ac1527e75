from __future__ import annotations

from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.embedded.streams import create_stream, read_stream
from tests.fake_aws import kinesis_client
from tests.integration.embedded.clients import WRITER, assume, keys_of, put


def test_a_stream_belongs_to_the_account_of_the_role(moto: EmbeddedMoto) -> None:
    """Its ARN names that account, and another account has no such stream."""
    arn = create_stream(moto.url, WRITER, "belongs", 3)
    other = kinesis_client(moto.url, keys_of(assume(moto.url, "arn:aws:iam::111122223333:role/middle")))
    assert arn == "arn:aws:kinesis:eu-west-1:210987654321:stream/belongs"
    assert put(other, arn, "a") == "ResourceNotFoundException"


def test_everything_is_read_in_the_order_of_each_shard(moto: EmbeddedMoto) -> None:
    """Key, data, sequence number and shard of every record, in the order in which they landed."""
    arn = create_stream(moto.url, WRITER, "ordered", 4)
    client = kinesis_client(moto.url, keys_of(assume(moto.url)))
    keys = [f"key {number}" for number in range(40)]
    for _ in range(3):
        assert None is put(client, arn, *keys)
    records = read_stream(moto.url, WRITER, "ordered")
    assert sorted(keys * 3) == sorted(record.partition_key for record in records)
    assert [record.partition_key.encode() for record in records] == [record.data for record in records]
    assert 4 == len({record.shard_id for record in records})
    for shard in {record.shard_id for record in records}:
        numbers = [int(record.sequence_number) for record in records if record.shard_id == shard]
        assert sorted(set(numbers)) == numbers


def test_an_empty_stream_is_read_as_nothing(moto: EmbeddedMoto) -> None:
    """No record, no error."""
    create_stream(moto.url, WRITER, "empty", 2)
    assert [] == read_stream(moto.url, WRITER, "empty")
