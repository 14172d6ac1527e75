from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

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
from doka.domain.lease import Lease, Secrets
from doka.domain.ports import Background
from doka.domain.schemas import Unusable
from tests.waiting import eventually

LEASE = Lease(serial=7, role="analytics", secrets=Secrets("key", "secret", "token"), issued_at=0, ends_at=None)


class GatedAuthority:
    """Answers each role when its gate opens; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.gates: dict[str, threading.Event] = {}

    def gate(self, role: str) -> threading.Event:
        """Give what holds back the answers for this role."""
        return self.gates.setdefault(role, threading.Event())

    def issue(self, role: str) -> Event:
        """Answer when the gate of the role is open."""
        gate = self.gate(role)
        self.asked[role] += 1
        assert gate.wait(10)
        return LeaseIssued(LEASE)


class RaisingAuthority:
    """Breaks the promise of the port with whatever it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def issue(self, role: str) -> Event:
        """Raise."""
        raise self.error


class ListedDescriber:
    """Describes every stream, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def describe(self, command: DescribeStream) -> Event:
        """Describe the stream of the route, or raise."""
        if self.error is not None:
            raise self.error
        return StreamDescribed(command.route, None, "ACTIVE", 1_048_576, honours_keys=True)


class ListedRegistry:
    """Has every schema, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def fetch(self, command: FetchSchemas) -> Event:
        """Give a schema by which nothing can be read for each, or raise."""
        if self.error is not None:
            raise self.error
        return SchemasFetched(command.route, dict.fromkeys(command.schemas, Unusable("of a test")))


class AskingInbox(ThreadInbox):
    """Asks the next question while the answer is being left, as early as any loop ever can."""

    def __init__(self, again: int) -> None:
        super().__init__()
        self.again = again
        self.ask: Callable[[], None] = lambda: None

    def put(self, event: Event) -> None:
        """Leave the answer and ask again, so many times."""
        super().put(event)
        if self.again:
            self.again -= 1
            self.ask()


class Answers:
    """Everything that has come out of an inbox so far."""

    def __init__(self, inbox: ThreadInbox) -> None:
        self.inbox = inbox
        self.seen: list[Event] = []

    def reach(self, count: int) -> list[Event]:
        """Wait until so many have come out, and give them all."""

        def enough() -> bool:
            self.seen += self.inbox.drain()
            return len(self.seen) >= count

        eventually(enough, what=f"{count} answers in the inbox", every=0)
        return self.seen


@pytest.fixture
def inbox() -> ThreadInbox:
    """Where the answers arrive."""
    return ThreadInbox()


Start = Callable[..., Background]


@pytest.fixture
def start(inbox: ThreadInbox) -> Iterator[Start]:
    """Makes executors and closes them."""
    started: list[BackgroundExecutor] = []

    def make(
        authority: GatedAuthority | RaisingAuthority,
        describer: ListedDescriber | None = None,
        registry: ListedRegistry | None = None,
    ) -> Background:
        executor = BackgroundExecutor(authority, describer or ListedDescriber(), registry or ListedRegistry(), inbox)
        started.append(executor)
        return executor

    yield make
    for executor in started:
        executor.close()


def test_a_lease_arrives_in_the_inbox(start: Start, inbox: ThreadInbox) -> None:
    """The authority's answer is what the loop finds."""
    authority = GatedAuthority()
    authority.gate("analytics").set()
    start(authority).request_lease("analytics")
    assert [LeaseIssued(LEASE)] == Answers(inbox).reach(1)


def test_one_lease_request_per_role_is_on_its_way(start: Start, inbox: ThreadInbox) -> None:
    """Three requests while the first is unanswered reach the authority once and have one answer."""
    authority = GatedAuthority()
    executor = start(authority)
    for _ in range(3):
        executor.request_lease("analytics")
    authority.gate("analytics").set()
    assert [LeaseIssued(LEASE)] == Answers(inbox).reach(1)
    assert authority.asked == {"analytics": 1}


def test_a_question_at_the_moment_of_the_answer_is_asked() -> None:
    """Who asks again in the very moment in which the answer is left is answered again, and never forgotten."""
    authority = GatedAuthority()
    authority.gate("analytics").set()
    inbox = AskingInbox(again=3)
    executor = BackgroundExecutor(authority, ListedDescriber(), ListedRegistry(), inbox)
    inbox.ask = lambda: executor.request_lease("analytics")
    inbox.ask()
    assert [LeaseIssued(LEASE)] * 4 == Answers(inbox).reach(4)
    executor.close()


def test_a_role_whose_authority_is_slow_delays_no_other_role(start: Start, inbox: ThreadInbox) -> None:
    """While one role waits for ever, another gets its lease."""
    authority = GatedAuthority()
    authority.gate("quick").set()
    executor = start(authority)
    executor.request_lease("slow")
    executor.request_lease("quick")
    assert [LeaseIssued(LEASE)] == Answers(inbox).reach(1)
    authority.gate("slow").set()


def test_slow_roles_delay_no_description(start: Start, inbox: ThreadInbox) -> None:
    """While every lease thread waits, a stream is described."""
    authority = GatedAuthority()
    executor = start(authority)
    for number in range(20):
        executor.request_lease(f"role {number}")
    executor.describe_stream(DescribeStream("orders", LEASE))
    answers = Answers(inbox)
    assert [StreamDescribed("orders", None, "ACTIVE", 1_048_576, honours_keys=True)] == answers.reach(1)
    for number in range(20):
        authority.gate(f"role {number}").set()
    assert [LeaseIssued(LEASE)] * 20 == answers.reach(21)[1:]


@pytest.mark.parametrize("error", [ValueError("AKIASECRET"), SystemExit("AKIASECRET")])
def test_an_authority_that_raises_is_a_refusal(start: Start, inbox: ThreadInbox, error: BaseException) -> None:
    """Its class becomes the code, its text (which may hold a secret) appears nowhere, and the next question works."""
    executor = start(RaisingAuthority(error))
    executor.request_lease("analytics")
    answers = Answers(inbox)
    refusal = answers.reach(1)[0]
    assert isinstance(refusal, LeaseRefused)
    assert ("analytics", type(error).__name__) == (refusal.role, refusal.code)
    assert "AKIASECRET" not in repr(refusal)
    executor.request_lease("analytics")
    assert len(answers.reach(2)) == 2


def test_a_describer_that_raises_is_a_refusal(start: Start, inbox: ThreadInbox) -> None:
    """The refusal names the route, the class of the error and the lease that was used."""
    executor = start(GatedAuthority(), ListedDescriber(KeyError("StreamARN")))
    executor.describe_stream(DescribeStream("orders", LEASE))
    refusal = Answers(inbox).reach(1)[0]
    assert isinstance(refusal, StreamRefused)
    assert (refusal.route, refusal.code, refusal.lease) == ("orders", "KeyError", 7)


def test_close_waits_for_nothing_and_takes_no_more_work(start: Start, inbox: ThreadInbox) -> None:
    """With a call on its way close returns, what is asked afterwards reaches nobody, and the threads end."""
    authority = GatedAuthority()
    executor = start(authority)
    executor.request_lease("slow")
    eventually(lambda: authority.asked["slow"], what="the slow role to be asked for")
    executor.close()
    executor.request_lease("late")
    authority.gate("slow").set()
    mine = {thread for thread in threading.enumerate() if thread.name.startswith("doka-lease")}
    eventually(lambda: not any(thread.is_alive() for thread in mine), what="the threads to end")
    assert authority.asked == {"slow": 1}


def test_the_threads_never_keep_a_process_alive(start: Start) -> None:
    """Every thread of the executor is a daemon."""
    authority = GatedAuthority()
    start(authority).request_lease("slow")
    eventually(lambda: authority.asked["slow"], what="the slow role to be asked for")
    assert {True} == {thread.daemon for thread in threading.enumerate() if thread.name.startswith("doka-")}
    authority.gate("slow").set()


def test_schemas_arrive_in_the_inbox(start: Start, inbox: ThreadInbox) -> None:
    """The registry's answer is what the loop finds."""
    start(GatedAuthority()).fetch_schemas(FetchSchemas("orders", ("1", "2")))
    unusable = Unusable("of a test")
    assert [SchemasFetched("orders", {"1": unusable, "2": unusable})] == Answers(inbox).reach(1)


def test_a_registry_that_raises_is_answered_for(start: Start, inbox: ThreadInbox) -> None:
    """Else a route would wait for ever; what the error says is not repeated."""
    broken = ListedRegistry(KeyError("a secret"))
    start(GatedAuthority(), registry=broken).fetch_schemas(FetchSchemas("orders", ("1",)))
    message = "an unexpected error inside doka; please report it"
    assert [RegistryRefused("orders", "KeyError", message)] == Answers(inbox).reach(1)
