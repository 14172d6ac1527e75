"""When a person is told that the consumer group is lost, and that it is back.

The pages judge by the same figures each second; a line is told once, since whoever reads the log afterwards wants to know
from when until when. What is over within `GROUP_LOST_NS`, as a coordinator's move or a start is, is no line.
"""

from __future__ import annotations

from doka.domain.facts import GroupBack, GroupLost
from doka.domain.status import GROUP_LOST_NS, GroupStatus
from doka.domain.turn import Turn


class GroupWatch:
    """Tells each loss once, and each end of one."""

    def __init__(self) -> None:
        self._lost_since: int | None = None  # of the loss that was told and is not over

    def look(self, group: GroupStatus, now: int, turn: Turn) -> None:
        """Take what is known of the group at `now`; looked at about once a second."""
        since = group.lost_since
        if since is None:
            if self._lost_since is not None and group.joined:
                turn.commands.append(GroupBack(now - self._lost_since))
                self._lost_since = None
        elif self._lost_since is None and now - since >= GROUP_LOST_NS:
            self._lost_since = since
            turn.commands.append(GroupLost(now - since, group.why))
