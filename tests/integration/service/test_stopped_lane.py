"""A lane that cannot go on: it is told where a person looks, nothing else stops, and a cure needs no restart."""

from __future__ import annotations

import pytest

from tests.checking import judge
from tests.containers.feeding import Keys, committed
from tests.dead_letters import read_topic
from tests.failure_modes import Sees
from tests.fake_aws import FailEntries
from tests.integration.kafka.raw_headers import produce_raw_headers
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, MakeWorld, World
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

RECORDS = 400
LETTERS = "orders-dead"
NO_TOPIC = ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC")
"""A broker's word, and the client's own where it remembers that word: which of them a try meets is chance."""


def _stopped_for(world: World, reason: str, *sentences: str) -> None:
    """Wait until partition 0, and nothing else, is told to wait for one of these."""
    expected = [[f"partition {TOPIC}[0] waits: {sentence}"] for sentence in sentences]
    eventually(lambda: world.doka.readiness()[1] in expected, within=30, what=f"one of {expected}", every=0.1)
    assert 1 == world.doka.metric("doka_partition_stuck", topic=TOPIC, partition="0", reason=reason)
    assert 1 == world.doka.metric("doka_partition_stuck")


@pytest.mark.failure_mode("the dead-letter topic is not there, full, or refuses a letter")
def test_a_letter_that_is_not_stored_is_told_until_it_is(make_world: MakeWorld, sees: Sees) -> None:
    """Its topic is missing; the record has a header whose name is no text, too, which must survive all tries."""
    world = make_world({"dead_letters": {"topic": LETTERS}})
    with world.doka as doka:
        produce_raw_headers(world.servers, [(b"\xff", b"1")], key=b"k" * 257)
        world.feeder.feed(RECORDS, Keys(10))
        sentence = "the dead letter of the record at offset 0 is not stored ({}) and its key waits; it is tried again until it is"
        _stopped_for(world, "letter_failed", *map(sentence.format, NO_TOPIC))
        sees.until(doka.look)
        eventually(lambda: RECORDS <= world.aws.landed_count(STREAM), within=30, what="the good records")
        tries = sum(doka.metric("doka_dead_letters_total", outcome="failed", code=code) for code in NO_TOPIC)
        world.cluster.create_topic(LETTERS, 1)
        doka.wait_until_ready(within=60)
        assert tries >= 1
        assert 0 == doka.stop()
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=RECORDS)
    assert RECORDS + 1 == sum(committed(world.servers, GROUP, {TOPIC: PARTITIONS}).values())
    (letter,) = read_topic(world.servers, LETTERS, 1)
    assert ("doka-header-name-not-utf8", b"1") == letter.headers[0]
    assert "PartitionKeyTooLong" == letter.ours["doka-error-code"]


def test_an_entry_code_that_nobody_knows_stops_one_lane(make_world: MakeWorld) -> None:
    """The other keys land; when the service takes the entry at last, all is as if nothing had been."""
    world = make_world({})
    refusal = world.aws.inject(FailEntries("NewError", keys=["0-k0"]), times=None)
    with world.doka:
        world.feeder.feed(RECORDS, Keys(10))
        sentence = "the record at offset 0 is refused, and nobody knows why (NewError), and its key waits; "
        _stopped_for(world, "unknown_code", f"{sentence}it is tried again")
        others = RECORDS - RECORDS // PARTITIONS // 10
        eventually(lambda: others <= world.aws.landed_count(STREAM), within=30, what="the other keys")
        world.aws.withdraw(refusal)
        world.doka.wait_until_ready(within=90)
        world.wait_for_all()
        assert 0 == world.doka.stop()
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=RECORDS)
