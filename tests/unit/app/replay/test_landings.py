"""The sink of a replay: nothing is changed by it but that each answer says where its records landed."""

from __future__ import annotations

from collections.abc import Sequence

from doka.app.replay.landings import NotedLandings
from doka.domain.commands import SendPut
from doka.domain.events import Event, Landings, PutAmbiguous, PutAnswered
from tests.unit.domain.builders import lease


class Inner:
    """A sink that gives these answers, and keeps what it was given."""

    def __init__(self, *answers: Event) -> None:
        self.given: list[SendPut] = []
        self.closed = False
        self._answers = answers

    def submit(self, command: SendPut) -> None:
        """Keep it."""
        self.given.append(command)

    def answers(self, wait: int) -> Sequence[Event]:
        """Give all."""
        del wait
        return self._answers

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_it_asks_where_records_landed_and_notes_what_is_known() -> None:
    """Every answer is passed on as it came; what became of a put that nobody answered is not made up."""
    landings = Landings(["shard-0"], ["17"])
    answers = (PutAnswered(1, landings=landings), PutAmbiguous(2, "timeout"), PutAnswered(3))
    inner, noted = Inner(*answers), list[Landings]()
    sink = NotedLandings(inner, noted.append)
    sink.submit(SendPut(1, "orders", lease(), ["a"], [b"x"], timeout=5))
    sent = inner.given[0]
    assert (1, True, ["a"], [b"x"], 5) == (sent.put, sent.wants_landings, sent.keys, sent.values, sent.timeout)
    assert (answers, [landings]) == (sink.answers(0), noted)
    sink.close()
    assert inner.closed
