"""A process that stood still: leases end meanwhile, and no signature may be made with one that did."""

from __future__ import annotations

import signal
import time

import pytest

from tests.checking import judge
from tests.containers.feeding import Keys
from tests.failure_modes import Sees
from tests.integration.service.conftest import STREAM, MakeWorld
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

LEASE_SECONDS = 4.0


@pytest.mark.failure_mode("the process is suspended past the end of its lease")
def test_waking_past_the_leases_end_signs_nothing_with_it(make_world: MakeWorld, sees: Sees) -> None:
    """After a suspension that outlives its lease, the service renews first: nothing stale leaves, nothing is lost."""
    world = make_world({})
    aws, doka = world.aws, world.doka
    aws.shape_leases(told_seconds=LEASE_SECONDS, true_seconds=LEASE_SECONDS)
    with doka:
        world.feeder.feed(1_000, Keys(50))
        world.wait_for_all()
        issued, awake = len(aws.issues()), doka.look()
        doka.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        world.feeder.feed(1_000, Keys(50))
        eventually(lambda: time.monotonic() - stopped > LEASE_SECONDS + 1, within=10, what="the end of its lease")
        assert issued == len(aws.issues()), "it was not suspended: this proves nothing"
        doka.signal(signal.SIGCONT)
        world.wait_for_all()
        sees(awake, doka.look())
        assert 0 == doka.stop()
    assert len(aws.issues()) > issued
    assert [] == aws.violations()
    assert 0 == aws.counts()["PutRecords:ExpiredTokenException"]
    judge(world.feeder.production, aws.payloads(STREAM)).assert_kept(at_least=2_000)
