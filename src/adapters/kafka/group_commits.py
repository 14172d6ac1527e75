"""What a group has committed, with the metadata beside it, asked by somebody who is no member of it.

The question goes to the group's coordinator alone and changes nothing, whether the group has members or none.
"""

from __future__ import annotations

from collections.abc import Iterable

from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.commits import committed_in
from doka.adapters.kafka.not_told import in_words
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_orders import StoredCommits
from doka.domain.partitions.start_positions import Committed
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition


def committed_by(
    group: str,
    partitions: Iterable[TopicPartition],
    settings: MemberSettings,
    clock: Clock,
    oauth: Oauth | None = None,
) -> dict[TopicPartition, Committed]:
    """Give what a group has committed of partitions, and nothing for those of which it has committed nothing.

    Raises:
        NotToldError: the cluster does not say.
    """
    asked = list(partitions)
    if not asked:
        return {}  # the client library takes no question about none
    with in_words(f"group {group}"):
        stored = StoredCommits(connection_settings(settings, oauth), clock).read(group, asked)
    return committed_in(stored)
