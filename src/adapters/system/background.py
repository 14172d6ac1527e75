"""Blocking calls beside the loop: leases, descriptions of streams, schemas.

Every question gets exactly one answer in the inbox; silence would leave a role without a lease for ever.
It must never block the loop, never let one role's slow authority delay another role, and never keep the process alive:
its threads are daemons and nobody waits for them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue

from doka.domain.commands import DescribeStream, FetchSchemas
from doka.domain.events import Event, LeaseRefused, RegistryRefused, StreamRefused
from doka.domain.ports import Authority, Describer, Inbox, SchemaRegistry

LEASE_THREADS_MAX = 8
"""Renewals that may wait for an authority at the same time: more roles than this queue up behind each other."""
DESCRIBE_THREADS_MAX = 4
"""Apart from the lease threads, so that a stream that does not answer can never delay a lease."""
SCHEMA_THREADS_MAX = 4
"""Apart from both: a registry is somebody else's."""


class BackgroundExecutor:
    """Runs the authority, the describer and the registries on daemon threads, as `domain.ports.Background`.

    At most one question per role and one per route is on its way; a second one is answered by the answer of the first.
    """

    def __init__(
        self,
        authority: Authority,
        describer: Describer,
        registry: SchemaRegistry,
        inbox: Inbox,
        *,
        lease_threads: int = LEASE_THREADS_MAX,
        describe_threads: int = DESCRIBE_THREADS_MAX,
    ) -> None:
        self._authority = authority
        self._describer = describer
        self._registry = registry
        self._leases = _Crew("doka-lease", lease_threads, inbox)
        self._descriptions = _Crew("doka-describe", describe_threads, inbox)
        self._schemas = _Crew("doka-schemas", SCHEMA_THREADS_MAX, inbox)

    def request_lease(self, role: str) -> None:
        """Ask the authority for a lease of this role; the answer is `LeaseIssued` or `LeaseRefused`."""
        ask = partial(self._authority.issue, role)
        refuse = partial(LeaseRefused, role)
        self._leases.run(role, partial(_answer, ask, refuse))

    def describe_stream(self, command: DescribeStream) -> None:
        """Ask for the facts of a stream; the answer is `StreamDescribed` or `StreamRefused`."""
        ask = partial(self._describer.describe, command)
        refuse = partial(StreamRefused, command.route, lease=command.lease.serial)
        self._descriptions.run(command.route, partial(_answer, ask, refuse))

    def fetch_schemas(self, command: FetchSchemas) -> None:
        """Ask the registry of a route for schemas; the answer is `SchemasFetched` or `RegistryRefused`."""
        ask = partial(self._registry.fetch, command)
        self._schemas.run(command.route, partial(_answer, ask, partial(RegistryRefused, command.route)))

    def close(self) -> None:
        """Accept no more work and wait for none; a call that is on its way ends with the process."""
        self._leases.close()
        self._descriptions.close()
        self._schemas.close()


def _answer(ask: Callable[[], Event], refuse: Callable[..., Event]) -> Event:
    try:
        return ask()
    except BaseException as error:  # noqa: BLE001 - whatever an adapter does wrong must not become silence
        # The text of an unknown error may hold anything, a secret too; its class is enough to find the place.
        return refuse(code=type(error).__name__, message="an unexpected error inside doka; please report it")


class _Crew:
    """Up to `size` daemon threads that are started when there is work for them; one question per name at a time."""

    def __init__(self, label: str, size: int, inbox: Inbox) -> None:
        self._label = label
        self._size = size
        self._inbox = inbox
        self._waiting: SimpleQueue[tuple[str, Callable[[], Event]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._unanswered: set[str] = set()
        self._threads = 0
        self._closed = False

    def run(self, name: str, question: Callable[[], Event]) -> None:
        """Queue a question, unless one of this name is unanswered or the crew is closed."""
        with self._lock:
            if self._closed or name in self._unanswered:
                return
            self._unanswered.add(name)
            self._waiting.put((name, question))
            if self._threads < min(self._size, len(self._unanswered)):
                self._start_thread()

    def close(self) -> None:
        """Take no more questions, forget those that wait, let idle threads end."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(Empty):
                while True:
                    self._waiting.get_nowait()
            for _ in range(self._threads):
                self._waiting.put(None)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._label}-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine gives no more threads: those that are there do the work
            if self._threads == 0:
                raise
        else:
            self._threads += 1

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            name, question = work
            event = question()
            # The name is free before the answer is seen: the loop may ask again as soon as it has read it, and a
            # question that was dropped here would never be answered.
            with self._lock:
                self._unanswered.discard(name)
            self._inbox.put(event)
