"""What is served for a person is small, kept to itself, and not there for who does not want it."""

from __future__ import annotations

import pytest

from doka.adapters.telemetry.health import Health
from tests.unit.adapters.telemetry.given import hand_clock
from tests.unit.adapters.telemetry.page.test_data import Shown


@pytest.mark.parametrize("path", ["/", "/status.js", "/status.css"])
def test_the_page_is_small_and_kept_to_itself(path: str) -> None:
    """No browser runs or asks anything that does not come from here, and no name of another can read it."""
    answer = Shown().health.answer(path)
    assert answer is not None
    assert answer.for_known_hosts
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert b"innerHTML" not in answer.body


def test_all_of_it_is_under_30_kb() -> None:
    """It comes in three requests, once."""
    answers = [Shown().health.answer(path) for path in ("/", "/status.js", "/status.css")]
    assert 30_000 > sum(len(answer.body) for answer in answers if answer is not None)


def test_who_wants_no_page_has_none() -> None:
    """`http.page: false` leaves what machines ask."""
    health = Health(hand_clock(), lambda: (b"", "text/plain"))
    assert [None] * 4 == [health.answer(path) for path in ("/", "/status.js", "/status.css", "/status.json")]
