from __future__ import annotations

import pytest

from doka.domain.facts import GroupBack, GroupLost
from doka.domain.partitions.group_watch import GroupWatch
from doka.domain.status import GROUP_LOST_NS, GroupStatus
from tests.unit.domain.builders import SECOND, told

NOW = 1_000 * SECOND
REFUSED = "b1:9092: Connection refused"
WELL = GroupStatus(joined=True)
LOST = GroupStatus(joined=True, lost_since=NOW, why=REFUSED)
NEVER_IN = GroupStatus(joined=False, lost_since=NOW, why=REFUSED)


@pytest.fixture
def watch() -> GroupWatch:
    """Watch a group of which nothing was told."""
    return GroupWatch()


@pytest.mark.parametrize("group", [LOST, NEVER_IN])
def test_a_loss_is_told_once_with_the_clients_words(watch: GroupWatch, group: GroupStatus) -> None:
    """When readiness is lost for it, and not again while it lasts; a process that never got in tells it too."""
    assert [] == told(watch.look, group, NOW + GROUP_LOST_NS - 1)
    assert [GroupLost(20 * SECOND, REFUSED)] == told(watch.look, group, NOW + GROUP_LOST_NS)
    assert [] == told(watch.look, group, NOW + 10 * GROUP_LOST_NS)


def test_its_end_is_told_once(watch: GroupWatch) -> None:
    """With the whole time that it lasted; and the next loss is one of its own."""
    told(watch.look, LOST, NOW + GROUP_LOST_NS)
    assert [GroupBack(90 * SECOND)] == told(watch.look, WELL, NOW + 90 * SECOND)
    assert [] == told(watch.look, WELL, NOW + 91 * SECOND)
    assert [GroupLost] == [type(fact) for fact in told(watch.look, LOST, NOW + 200 * SECOND)]


def test_what_is_soon_over_is_not_told(watch: GroupWatch) -> None:
    """A coordinator that moves makes no line, neither at its beginning nor at its end."""
    assert [] == told(watch.look, LOST, NOW + SECOND)
    assert [] == told(watch.look, WELL, NOW + 2 * SECOND)


def test_a_group_that_answers_and_has_not_taken_it_in_is_not_back(watch: GroupWatch) -> None:
    """Back means that there is an assignment."""
    told(watch.look, LOST, NOW + GROUP_LOST_NS)
    assert [] == told(watch.look, GroupStatus(joined=False), NOW + 30 * SECOND)
