"""Forwarders with something wrong, so that it can be seen that a simulation sees it."""

from __future__ import annotations

from dataclasses import replace

from doka.domain.commands import SendPut
from doka.domain.errors import InvariantError
from doka.domain.events import Event, PutAnswered
from doka.domain.forwarder import Forwarder
from doka.domain.turn import Decision


class LosesOne(Forwarder):
    """Leaves the third record of its first put out, and takes it for settled."""

    _left_out = False

    def decide(self, now: int) -> Decision:
        decided = super().decide(now)
        decided.commands = [self._shorten(c) if isinstance(c, SendPut) else c for c in decided.commands]
        return decided

    def _shorten(self, command: SendPut) -> SendPut:
        if self._left_out or len(command.keys) < 5:
            return command
        self._left_out = True
        keys, values = list(command.keys), list(command.values)
        del keys[2], values[2]
        return replace(command, keys=keys, values=values)


class Breaks(Forwarder):
    """Finds a rule broken at its first answer."""

    def handle(self, event: Event, now: int) -> None:
        if isinstance(event, PutAnswered):
            raise InvariantError("planted")
        super().handle(event, now)
