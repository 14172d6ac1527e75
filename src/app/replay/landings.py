"""The sink of a replay: the service's own, which is asked where each record came to lie, and that is noted.

It must never change what is sent, or what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from doka.domain.commands import SendPut
from doka.domain.events import Event, Landings, PutAnswered
from doka.domain.ports import Sink


class NotedLandings:
    """Stands before a sink, as `domain.ports.Sink`."""

    def __init__(self, inner: Sink, note: Callable[[Landings], None]) -> None:
        """Take the sink, and who is told where the entries of each put landed."""
        self._inner = inner
        self._note = note

    def submit(self, command: SendPut) -> None:
        """Start one request, whose answer tells where its entries landed."""
        self._inner.submit(replace(command, wants_landings=True))

    def answers(self, wait: int) -> Sequence[Event]:
        """Give the answers that are there."""
        answers = self._inner.answers(wait)
        for answer in answers:
            if isinstance(answer, PutAnswered) and answer.landings is not None:
                self._note(answer.landings)
        return answers

    def close(self) -> None:
        """Drop all connections."""
        self._inner.close()
