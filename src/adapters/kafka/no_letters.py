"""The dead letters of a service that has no dead-letter topic: nothing may ever be sent there."""

from __future__ import annotations

from collections.abc import Sequence

from doka.domain.commands import SendLetter
from doka.domain.errors import InvariantError
from doka.domain.events import Event


class NoLetters:
    """Stands where `domain.ports.DeadLetters` is wanted and no topic is configured."""

    def submit(self, command: SendLetter) -> None:
        """Refuse: a record would be settled by nothing."""
        raise InvariantError(
            f"{command.partition}@{command.offset} was sent to the dead letters, and there is no topic"
        )

    def answers(self) -> Sequence[Event]:
        """Give nothing: nothing was sent."""
        return ()

    def close(self) -> None:
        """Nothing to close."""
