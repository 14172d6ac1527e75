from __future__ import annotations

from doka.domain.audit.landed import Landed, StreamUnreadableError
from doka.domain.events import StreamRefused


def test_a_run_knows_how_many_records_it_has() -> None:
    """The count is that of the columns, and what is shown of a run holds no payload."""
    landed = Landed("shardId-0", ["a", "b"], [b"secret", b""], ["1", "2"], [1_000, 1_001])
    assert (2, "Landed(shardId-0, 2 records)") == (landed.count, repr(landed))


def test_an_unreadable_stream_says_why() -> None:
    """The refusal goes along, for the cure that the application knows."""
    refused = StreamRefused("orders", "AccessDeniedException", "not authorized", 7)
    error = StreamUnreadableError(refused)
    assert (refused, "AccessDeniedException: not authorized") == (error.refusal, str(error))
