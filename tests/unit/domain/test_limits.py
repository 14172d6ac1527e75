from __future__ import annotations

import re

import pytest

from doka.domain import limits
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND, SESSION_NAME_PATTERN


def test_the_units_fit_each_other() -> None:
    """A second is a thousand ms, and every duration is a whole number of ns above zero."""
    durations = {name: value for name, value in vars(limits).items() if name.endswith("_NS")}

    assert NS_PER_SECOND == 1000 * NS_PER_MS
    assert durations
    assert {} == {name: value for name, value in durations.items() if not (isinstance(value, int) and value > 0)}


def test_a_put_is_as_large_as_the_service_allows() -> None:
    """PutRecords takes 500 entries and 10 MiB with their keys, a record 1 MiB of it until its stream says otherwise."""
    assert (500, 10_485_760) == (limits.PUT_RECORDS_MAX, limits.PUT_BYTES_MAX)
    assert (1_048_576, 10_485_760) == (limits.RECORD_BYTES_DEFAULT, limits.RECORD_BYTES_MAX)


def test_a_partition_key_is_counted_in_characters() -> None:
    """256 characters, of which the widest has four bytes in UTF-8."""
    widest = "\U0010ffff" * limits.PARTITION_KEY_CHARACTERS_MAX

    assert 256 == len(widest)
    assert limits.PARTITION_KEY_BYTES_MAX == len(widest.encode())


def test_a_role_lives_between_a_quarter_of_an_hour_and_half_a_day() -> None:
    """STS issues for 900 s to 12 h, on a chained hop for one hour at most."""
    quarter, hour = 15 * 60, 60 * 60

    assert (quarter, 12 * hour, hour) == (
        limits.ROLE_SECONDS_MIN,
        limits.ROLE_SECONDS_MAX,
        limits.CHAINED_ROLE_SECONDS_MAX,
    )


@pytest.mark.parametrize("name", ["do", "doka", "a" * 64, "me_1+2=3,4.5@host-6"])
def test_session_names_that_sts_takes_are_taken(name: str) -> None:
    """Two to 64 letters, digits and `_+=,.@-`."""
    assert re.fullmatch(SESSION_NAME_PATTERN, name)


@pytest.mark.parametrize("name", ["", "d", "a" * 65, "two words", "sl/ash", "zürich", "line\n"])
def test_session_names_that_sts_refuses_are_refused(name: str) -> None:
    """Anything else would be found out only when the first lease is asked for."""
    assert not re.fullmatch(SESSION_NAME_PATTERN, name)


def test_whoever_waits_shortly_waits_less_than_whoever_waits_long() -> None:
    """The ceilings of the backoffs rise from a paced shard to a blocked route."""
    ceilings = [
        limits.BACKOFF_FIRST_NS,
        limits.PACED_BACKOFF_LAST_NS,
        limits.THROTTLE_BACKOFF_LAST_NS,
        limits.RETRY_BACKOFF_LAST_NS,
        limits.BACKOFF_LAST_NS,
    ]

    assert sorted(set(ceilings)) == ceilings
