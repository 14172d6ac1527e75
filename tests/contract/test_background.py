"""The same cases against both adapters of the port `Background`: threads, and virtual time.

Behind the threads stands the simulated authority, one question at a time, held back until the test lets it answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

import pytest

from doka.adapters.simulated.background import SimulatedBackground
from doka.adapters.simulated.describer import SimulatedDescriber
from doka.adapters.simulated.plan import Plan
from doka.adapters.simulated.registry import SimulatedRegistry
from doka.adapters.simulated.sts import SimulatedAuthority
from doka.adapters.simulated.world import World
from doka.adapters.system.background import BackgroundExecutor
from doka.adapters.system.inbox import ThreadInbox
from doka.domain.commands import DescribeStream, FetchSchemas
from doka.domain.events import (
    Event,
    LeaseIssued,
    LeaseRefused,
    RegistryRefused,
    SchemasFetched,
    StreamDescribed,
    StreamRefused,
)
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Background
from tests.waiting import eventually

SECOND_ROLE = "r1"


class Office(Protocol):
    """A background with questions that a test holds back."""

    port: Background
    world: World

    def let_answer(self) -> None:
        """Let every question be answered from now on."""

    def answers(self, count: int) -> list[Event]:
        """Wait for so many answers; give all that came."""


class OneAtATime:
    """The simulated authority and describer, made safe for threads, and slow."""

    def __init__(self, world: World) -> None:
        self._lock = threading.Lock()
        self.open = threading.Event()
        self._authority = SimulatedAuthority(world)
        self._describer = SimulatedDescriber(world)
        self._registry = SimulatedRegistry(world)
        self._world = world

    def issue(self, role: str) -> Event:
        self.open.wait(20)
        with self._lock:
            return self._authority.issue(role)

    def describe(self, command: DescribeStream) -> Event:
        self.open.wait(20)
        with self._lock:
            return self._describer.describe(command)

    def fetch(self, command: FetchSchemas) -> Event:
        self.open.wait(20)
        with self._lock:
            answers: list[Event] = []
            self._registry.ask(command, answers.append)
            while not answers:
                assert self._world.timeline.run_next()
            return answers[0]


class ThreadOffice:
    """The real adapter."""

    def __init__(self) -> None:
        self.world = World(Plan(seed=1))
        self._services = OneAtATime(self.world)
        self._inbox = ThreadInbox()
        self.port: Background = BackgroundExecutor(self._services, self._services, self._services, self._inbox)

    def let_answer(self) -> None:
        self._services.open.set()

    def answers(self, count: int) -> list[Event]:
        found: list[Event] = []

        def enough() -> bool:
            found.extend(self._inbox.drain())
            return len(found) >= count

        if count:
            eventually(enough, within=10, what=f"{count} answers")
        else:
            enough()
        return found


class VirtualOffice:
    """The simulated adapter."""

    def __init__(self) -> None:
        self.world = World(Plan(seed=1))
        self._life = self.world.begin_life()
        self.port: Background = SimulatedBackground(self.world, self._life)

    def let_answer(self) -> None:
        self.world.timeline.pass_to(self.world.timeline.now + NS_PER_SECOND)

    def answers(self, count: int) -> list[Event]:
        return list(self._life.inbox.drain())


@pytest.fixture(params=["threads", "simulated"])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """Give each background in turn."""
    made: Office = ThreadOffice() if request.param == "threads" else VirtualOffice()
    yield made
    made.let_answer()
    made.port.close()


def lease(office: Office) -> Lease:
    """Issue a lease at once."""
    event = office.world.tokens.answer("r0", office.world.timeline.now)
    assert isinstance(event, LeaseIssued)
    return event.lease


def test_a_question_is_answered_once(office: Office) -> None:
    """Each question for a lease has exactly one answer, in the inbox, and none before the authority gave it."""
    office.port.request_lease("r0")
    assert [] == office.answers(0)
    office.let_answer()
    (answer,) = office.answers(1)
    assert isinstance(answer, LeaseIssued)
    assert "r0" == answer.lease.role
    assert [] == office.answers(0)


def test_a_second_question_shares_the_answer_of_the_first(office: Office) -> None:
    """While a question for a role is on its way, another one for it is not asked."""
    office.port.request_lease("r0")
    office.port.request_lease("r0")
    office.let_answer()
    assert 1 == len(office.answers(1))
    assert 1 == len(office.world.tokens.tokens)


def test_roles_are_asked_for_apart(office: Office) -> None:
    """Two roles have two answers."""
    office.port.request_lease("r0")
    office.port.request_lease(SECOND_ROLE)
    office.let_answer()
    found = office.answers(2)
    assert {"r0", SECOND_ROLE} == {e.lease.role for e in found if isinstance(e, LeaseIssued)}


def test_a_role_may_be_asked_for_again_once_it_was_answered(office: Office) -> None:
    """The next question after an answer is asked, also after a refusal."""
    office.world.tokens.denied_until = office.world.timeline.now + 10**6 * NS_PER_SECOND
    office.port.request_lease("r0")
    office.let_answer()
    assert [LeaseRefused] == list(map(type, office.answers(1)))
    office.world.tokens.denied_until = 0
    office.port.request_lease("r0")
    office.let_answer()
    assert [LeaseIssued] == list(map(type, office.answers(1)))


def test_a_stream_is_described(office: Office) -> None:
    """A question about a stream has one answer, also when the stream is not there."""
    office.port.describe_stream(DescribeStream("s0", lease(office)))
    office.let_answer()
    assert [StreamDescribed] == list(map(type, office.answers(1)))
    office.world.streams["s0"].status = None
    office.port.describe_stream(DescribeStream("s0", lease(office)))
    office.let_answer()
    assert [StreamRefused] == list(map(type, office.answers(1)))


def test_schemas_are_fetched(office: Office) -> None:
    """A question about schemas has one answer, also when the registry is down."""
    office.world.schemas_since["1"] = 0
    office.port.fetch_schemas(FetchSchemas("s0", ("1", "2")))
    office.let_answer()
    (found,) = office.answers(1)
    assert isinstance(found, SchemasFetched)
    assert {"1": True, "2": False} == {schema: callable(what) for schema, what in found.found.items()}
    office.world.registry_down_until = office.world.timeline.now + 10**6 * NS_PER_SECOND
    office.port.fetch_schemas(FetchSchemas("s0", ("1",)))
    office.let_answer()
    assert [RegistryRefused] == list(map(type, office.answers(1)))


def test_after_closing_nothing_is_asked(office: Office) -> None:
    """A closed background takes no more questions."""
    office.port.close()
    office.port.request_lease("r0")
    office.let_answer()
    assert [] == office.answers(0)
    assert {} == office.world.tokens.tokens
