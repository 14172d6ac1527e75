"""Two routes of one topic, as an operator sees them: one stream is refused, the other gets what there is room for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.containers.feeding import committed, log_ends
from tests.dead_letters import read_topic
from tests.fake_aws.script import Refuse
from tests.integration.kafka.raw_headers import produce_raw_headers
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, MakeWorld, World
from tests.waiting import eventually

ARCHIVE = "orders-archive"
LETTERS = "orders-dead"
AHEAD = 40
DENIED = "AccessDeniedException"
TOPICS = {TOPIC: PARTITIONS}


def teed(make_world: MakeWorld, folder: Path) -> World:
    """Make a world whose topic goes to a second stream as well."""
    world = make_world({"limits": {"ahead_records": AHEAD, "request_timeout_seconds": 2}})
    add_a_route(world, folder)
    return world


def add_a_route(world: World, folder: Path, **both: str) -> None:
    """Let a second stream have the topic as well; `both` routes get these settings."""
    world.aws.create_stream(ARCHIVE, shards=1)
    file = folder / "doka.yaml"
    given: dict[str, Any] = yaml.safe_load(file.read_text())
    (route,) = given["routes"]
    route |= both
    given["routes"].append({**route, "name": ARCHIVE, "stream": {**route["stream"], "name": ARCHIVE}})
    file.write_text(json.dumps(given))


def test_two_routes_that_read_headers_bear_a_record_whose_headers_cannot_be_read(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    """The client refuses such a name once, and ends the process of whoever asks again: each route has its letter instead."""
    world = make_world({"dead_letters": {"topic": LETTERS}})
    add_a_route(world, tmp_path, envelope="json", on_poison="dead_letter")
    world.cluster.create_topic(LETTERS, 1)
    with world.doka as doka:
        produce_raw_headers(world.servers, [(b"\xff", b"1")])
        world.feeder.feed(40)
        eventually(
            lambda: all(world.aws.landed_count(name) == 40 for name in (STREAM, ARCHIVE)), within=30, what="both"
        )
        letters = read_topic(world.servers, LETTERS, 2)
        assert 0 == doka.stop()
    assert {STREAM, ARCHIVE} == {letter.ours["doka-route"] for letter in letters}
    assert [("doka-header-name-not-utf8", b"1")] * 2 == [letter.headers[0] for letter in letters]
    assert {"UnreadableHeaders"} == {letter.ours["doka-error-code"] for letter in letters}
    assert 41 == sum(committed(world.servers, GROUP, TOPICS).values())


def shown(world: World, word: str) -> Callable[[], bool]:
    """Say whether a reason of /readyz holds these words."""
    return lambda: any(word in reason for reason in world.doka.readiness()[1])


def test_a_stream_that_is_refused_holds_its_sibling_after_a_while(make_world: MakeWorld, tmp_path: Path) -> None:
    """It is said who waits for whom; with the cause gone all lands once in both, is committed, and the stop is a good one."""
    world = teed(make_world, tmp_path)
    with world.doka:
        world.doka.wait_until_ready()
        world.feeder.feed(PARTITIONS * 10)
        both = (STREAM, ARCHIVE)
        eventually(lambda: all(world.aws.landed_count(name) == 40 for name in both), within=30, what="both streams")
        refusal = world.aws.inject(Refuse(DENIED, status=400), times=None, stream=ARCHIVE)
        world.feeder.feed(PARTITIONS * 100)
        most = PARTITIONS * (10 + AHEAD)
        eventually(lambda: world.aws.landed_count(STREAM) == most, within=30, what="all that there is room for")
        assert 40 == world.aws.landed_count(ARCHIVE)
        eventually(shown(world, f"route {ARCHIVE} is blocked: {DENIED}"), within=10, what="a reason")
        eventually(shown(world, f"waits for route {ARCHIVE}"), within=40, what="who waits for whom")
        assert most == world.aws.landed_count(STREAM)
        lags = {name: world.doka.metric("doka_lag_records", route=name, topic=TOPIC) for name in both}
        assert lags[STREAM] < lags[ARCHIVE], lags

        world.aws.withdraw(refusal)

        ends = log_ends(world.servers, TOPICS)
        eventually(lambda: ends == committed(world.servers, GROUP, TOPICS), within=60, what="all commits", every=0.1)
        assert 0 == world.doka.stop()
    assert [Counter(world.aws.payloads(name)) for name in both] == [Counter(world.aws.payloads(STREAM))] * 2
    assert [len(world.feeder.production)] * 2 == [world.aws.landed_count(name) for name in both]
