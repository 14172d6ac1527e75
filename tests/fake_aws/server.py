"""The fake AWS as a test holds it: one object, from any thread, while its server runs on a thread of its own."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

from tests.fake_aws.connection import Exchange
from tests.fake_aws.dispatch import Dispatcher
from tests.fake_aws.history import Landed, Refused, Violation
from tests.fake_aws.http import HttpLoop
from tests.fake_aws.kinesis import Kinesis
from tests.fake_aws.scene import Scene
from tests.fake_aws.script import Action, Call, Script, Step
from tests.fake_aws.wire import Request


class FakeAws(Scene):
    """Kinesis and STS of a small world: a source account with keys, a destination account with a writer role.

    It holds nothing back: whatever landed, was refused, or was wrong stays readable until `forget`.
    With `keeps_calls` every request that arrived whole is in `calls`. `tls` is a server's context.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keeps_calls: bool = False,
    ) -> None:
        super().__init__(seed)
        self.script = Script(seed)
        self.calls: list[Call] = []
        self.loop = HttpLoop(self.clock, self._handle, host, port, tls)
        self.on_control: Callable[[Request, Exchange], None] | None = None
        self._dispatcher = Dispatcher(
            lock=self._lock,
            clock=self.clock,
            authenticator=self.authenticator,
            kinesis=Kinesis(self.clock, self.streams, self.history, self.script),
            sts=self.sts,
            script=self.script,
            history=self.history,
            call_later=self.loop.call_later,
            calls=self.calls if keeps_calls else None,
        )
        self.loop.at_head = self._dispatcher.at_head
        self._thread = threading.Thread(target=self.loop.run, name="fake-aws", daemon=True)

    # --- its life ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The endpoint of both services."""
        return self.loop.url

    def start(self) -> Self:
        """Serve on a thread of its own."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every socket and end the thread."""
        self.loop.stop()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def forget(self) -> None:
        """Forget what landed, was refused or was wrong, and the counts; streams, leases and the script stay."""
        with self._lock:
            self.history.clear()
            self.calls.clear()
            for stream in self.streams.everything():
                stream.forget()

    # --- faults --------------------------------------------------------------------------------------------------

    def inject(
        self,
        *actions: Action,
        on: str | Sequence[str] = "PutRecords",
        times: int | None = 1,
        skip: int = 0,
        fraction: float = 1.0,
        stream: str | None = None,
        where: Callable[[Call], bool] | None = None,
    ) -> int:
        """Add a rule to the script and give its id; see `script.Script.add`."""
        with self._lock:
            return self.script.add(
                *actions, on=on, times=times, skip=skip, fraction=fraction, stream=stream, where=where
            ).id

    def will(self, *steps: Step) -> None:
        """Say what befalls each of the next requests, one by one; see `script.Script.then`."""
        with self._lock:
            self.script.then(*steps)

    def withdraw(self, rule: int | None = None) -> None:
        """Take a rule, or all of them, out of force."""
        with self._lock:
            self.script.withdraw(rule)

    def fired(self, rule: int) -> int:
        """Say how many requests a rule has met."""
        with self._lock:
            return self.script.fired(rule)

    def held(self, label: str | None = None) -> int:
        """Say how many requests wait for a release."""
        with self._lock:
            return len([held for held in self._dispatcher.held if label in (None, held.label)])

    def release(self, label: str | None = None, count: int | None = None) -> None:
        """Let held requests go on, the oldest first: those of a label or all, so many or all."""
        self.loop.post(lambda: self._dispatcher.release(label, count))

    def refuse_connections(self, *, wanted: bool) -> None:
        """Close the listening port, or open the same again, and return when that is done; open connections stay."""
        self._do(self.loop.refuse if wanted else self.loop.listen)

    def drop_connections(self, *, idle_only: bool = True) -> None:
        """Close connections that no request uses, or all of them."""
        self.loop.post(lambda: self.loop.drop(idle_only=idle_only))

    def say_again(self) -> None:
        """Repeat on each connection that no request uses what was answered there last, and return when that is done."""
        self._do(self.loop.say_again)

    # --- what happened -------------------------------------------------------------------------------------------

    def landed(self, stream: str, start: int = 0, limit: int | None = None) -> list[Landed]:
        """Give what landed in a stream, in order, from a position on."""
        with self._lock:
            return self.streams.find(stream).landed(start, limit)

    def payloads(self, stream: str, start: int = 0, limit: int | None = None) -> list[bytes]:
        """Give only the data of what landed, in order, from a position on."""
        with self._lock:
            return self.streams.find(stream).datas[start : None if limit is None else start + limit]

    def landed_count(self, stream: str) -> int:
        """Say how many records landed in a stream."""
        with self._lock:
            return len(self.streams.find(stream))

    def refused(self) -> list[Refused]:
        """Give every request that was refused as a whole, in order."""
        with self._lock:
            return list(self.history.refused)

    def violations(self) -> list[Violation]:
        """Give everything that no correct client does, in order."""
        with self._lock:
            return list(self.history.violations)

    def counts(self) -> Counter[str]:
        """Give the counts: `Operation`, `Operation:ok`, `Operation:Code`, `Operation:reset`, `records:landed`, ..."""
        with self._lock:
            return Counter(self.history.counts)

    @property
    def answered(self) -> bytes:
        """The last answer, as it was sent."""
        return self.loop.answered

    @property
    def connections(self) -> int:
        """Connections so far, those that failed in their handshake too."""
        return self.loop.opened

    @property
    def closed_connections(self) -> int:
        """Those of them that are over."""
        return self.loop.closed

    def most_in_flight(self, operation: str = "PutRecords") -> int:
        """Say how many requests of an operation were open together at most."""
        with self._lock:
            return self.history.most_in_flight[operation]

    def _do(self, what: Callable[[], object]) -> None:
        done = threading.Event()

        def do() -> None:
            what()
            done.set()

        self.loop.post(do)
        assert done.wait(10), "the loop of the fake does not turn"

    def _handle(self, request: Request, exchange: Exchange) -> None:
        if self.on_control is not None and request.path == "/control":
            self.on_control(request, exchange)
        else:
            self._dispatcher.handle(request, exchange)
