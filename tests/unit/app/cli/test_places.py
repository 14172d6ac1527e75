"""Records as a person names them to a command."""

from __future__ import annotations

import pytest

from doka.app.cli.places import place_of
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition
from doka.domain.skip import place_shown


@pytest.mark.parametrize("text", ["orders:3:200", "orders:3:200-229", "a.b_c-d:0:0"])
def test_a_place_is_read_as_it_is_shown(text: str) -> None:
    """By the log, by `/readyz`, by every command."""
    assert text == place_shown(*place_of(text))


def test_a_range_has_a_first_and_a_last() -> None:
    """The last one is in it."""
    assert (TopicPartition("orders", 3), 200, 230) == place_of("orders:3:200-229")


@pytest.mark.parametrize("text", ["", "orders", "orders:3", "orders:3:", "orders:x:1", "orders:3:1-", "orders:3:-1"])
def test_what_names_no_record_is_refused(text: str) -> None:
    """In one line that says how to name one."""
    with pytest.raises(UsageError, match=r"names no record: TOPIC:PARTITION:OFFSET, or TOPIC:PARTITION:FIRST-LAST"):
        place_of(text)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    """Rather than turned round."""
    with pytest.raises(UsageError, match="'orders:3:2-1' ends before it begins"):
        place_of("orders:3:2-1")
