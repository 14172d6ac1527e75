import threading

import pytest
from botocore.exceptions import ClientError

from doka.adapters.system.clock import SystemClock
from doka.app.demo.feeder import Feeder
from doka.app.demo.original import OriginalService
from doka.app.demo.stage import GROUP, STREAM, TOPIC, Stage
from doka.domain.lease import Lease, Secrets
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("demo")


class _RefusingClient:
    """Kinesis after the token's death."""

    def put_records(self, **_request: object) -> None:
        raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, "PutRecords")


def test_the_original_swallows_refusals_and_goes_on(stage: Stage) -> None:
    """The service of the incident consumes everything, lands nothing, and calls it done."""
    service = OriginalService(lambda _lease: _RefusingClient(), stage.bootstrap_servers, TOPIC, GROUP, STREAM)
    stop = threading.Event()
    lease = Lease(1, "writer", Secrets("a", "b", "c"), 0, 1)
    thread = threading.Thread(target=service.run, args=(lease, stop))
    feeder = Feeder(stage.bootstrap_servers, TOPIC, 500, 0.2, SystemClock())
    thread.start()
    feeder.start()
    try:
        eventually(lambda: service.consumed == 500, within=30, what="all records are consumed")
    finally:
        stop.set()
        thread.join()
        feeder.close()

    assert service.swallowed == 500
    assert service.last_error is not None
    assert "ExpiredTokenException" in service.last_error
