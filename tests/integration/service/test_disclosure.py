"""What the service writes and serves holds no secret and nothing of a record, at debug and through every fault."""

from __future__ import annotations

from typing import Any

from pybase64 import b64encode

from tests.checking import judge
from tests.containers.feeding import Keys
from tests.fake_aws import SOURCE_KEYS, FailEntries, Garble, Refuse, Reset
from tests.integration.service.conftest import STREAM, MakeWorld
from tests.waiting import eventually

MARKER = "Kd8mQz-marker"  # in every key, and by that in every payload


def test_no_output_holds_a_secret_or_a_record(make_world: MakeWorld) -> None:
    """Through refusals, revocations, torn and garbled answers, no line, page or metric tells what must not be told."""
    talkative: dict[str, dict[str, Any]] = {
        "log": {"level": "debug"},
        # That the queue is full is told a thousand times a second otherwise, and on a busy machine nothing else is done.
        "kafka": {"client": {"debug": "all", "fetch.queue.backoff.ms": 100}},
        "limits": {"request_records": 100},
    }
    world = make_world(talkative)
    aws, doka = world.aws, world.doka
    rules = [
        aws.inject(Refuse("AccessDenied", "User is not authorized", 403), on="AssumeRole"),
        aws.inject(FailEntries(fraction=0.2), times=3),
        aws.inject(FailEntries("InternalFailure", fraction=0.2), times=2),
        aws.inject(Refuse("InternalFailure", status=500), times=1, skip=3),
        aws.inject(Reset("after"), times=1, skip=5),
        aws.inject(Garble("cut"), times=1, skip=7),
        aws.inject(Garble("not_json"), times=1, skip=9),
        aws.inject(Refuse("ValidationException", f"bad value {MARKER[:4]}"), times=1, skip=11),
    ]
    with doka:
        world.feeder.feed(4_000, Keys(500, MARKER))
        world.wait_for_all(60)
        assert [1] == [serial for serial in aws.revoke() if serial == 1]
        world.feeder.feed(1_000, Keys(500, MARKER))
        world.wait_for_all(60)
        pages = "".join(doka.page(path)[1] for path in ("/metrics", "/readyz", "/healthz"))
        assert 0 == doka.stop()

    told = doka.said() + pages
    assert [] == [rule for rule in rules if not aws.fired(rule)], "a fault did not happen: this proves less"
    assert len(aws.issues()) >= 2
    assert any(line["level"] == "debug" for line in doka.lines()), "nothing was said at debug: this proves nothing"
    secrets = [SOURCE_KEYS.access_key, SOURCE_KEYS.secret_key]
    for issue in aws.issues():
        secrets += [issue.access_key, issue.secret_key, issue.token or issue.secret_key]
    forbidden = [*secrets, MARKER, *(b64encode(f"{lead}{MARKER}".encode()).decode()[4:-4] for lead in ("", "a", "ab"))]
    assert [] == [word for word in forbidden if word in told]
    verdict = judge(world.feeder.production, aws.payloads(STREAM))
    verdict.assert_kept(at_least=5_000, duplicates_max=1_000)


def test_the_search_would_find_what_it_looks_for(make_world: MakeWorld) -> None:
    """The words that are looked for are really those that the service works with: they travel to the stand-in."""
    world = make_world({})
    with world.doka:
        world.feeder.feed(10, Keys(5, MARKER))
        world.wait_for_all()
        assert 0 == world.doka.stop()
    (issue,) = world.aws.issues()
    assert {issue.serial} == {landed.serial for landed in world.aws.landed(STREAM)}
    assert all(MARKER.encode() in payload for payload in world.aws.payloads(STREAM))
    eventually(lambda: not world.doka.runs, what="the end")
