"""A stream that is made for a trial and taken away again, with the lease that is given.

It must never name a stream that it was not made for, and never repeat a question by itself: who makes something must know
each answer, or he cannot tell what is left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from operator import methodcaller
from types import MappingProxyType

from botocore.session import Session

from doka.adapters.aws.kinesis.questions import Questions, Refusal
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.domain.lease import Lease
from doka.domain.ports import Clock


class Mode(Enum):
    """Of what kind a stream is made, as CreateStream takes it."""

    ONE_SHARD = MappingProxyType({"ShardCount": 1})
    ON_DEMAND = MappingProxyType({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}})
    AUTO = MappingProxyType({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "RecordDistributionStrategy": "AUTO"})
    """On demand, and without notice of keys."""


class TrialStream:
    """Makes and removes the stream that `target` names, one question each.

    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(self, target: StreamTarget, clock: Clock, new_session: NewSession = Session) -> None:
        self.target = target
        self._questions = Questions([target], clock, new_session)

    def create(self, lease: Lease, tags: Mapping[str, str], *, mode: Mode = Mode.ONE_SHARD) -> Refusal | None:
        """Ask for the stream; None: it is being made. Say why not."""
        asked = methodcaller("create_stream", StreamName=self.target.stream_name, Tags=dict(tags), **mode.value)
        answer = self._questions.ask(self.target, lease, asked)
        return answer if isinstance(answer, Refusal) else None

    def delete(self, lease: Lease) -> Refusal | None:
        """Ask for its end; None: it is being removed. Say why not."""
        answer = self._questions.ask(
            self.target, lease, methodcaller("delete_stream", StreamName=self.target.stream_name)
        )
        return answer if isinstance(answer, Refusal) else None
