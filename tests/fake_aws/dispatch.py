"""One request's way: its fate from the script, acceptance (now, late or on release), the answer (likewise).

What is accepted is accepted even when the client has gone: the real service does not look back either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from tests.fake_aws import kms
from tests.fake_aws import sts as sts_api
from tests.fake_aws.clock import ServiceClock
from tests.fake_aws.connection import AtHead, Exchange
from tests.fake_aws.errors import ServiceError
from tests.fake_aws.garbling import answered, garbled
from tests.fake_aws.history import History, Refused
from tests.fake_aws.kinesis import Kinesis
from tests.fake_aws.kms import Kms
from tests.fake_aws.script import Call, Fate, Say, Script
from tests.fake_aws.signature import Authenticator, Caller
from tests.fake_aws.sts import Sts
from tests.fake_aws.wire import Reply, Request

TARGET_PREFIX = "Kinesis_20131202."


@dataclass(frozen=True, slots=True)
class Held:
    """An exchange that waits for its label to be released."""

    label: str
    go_on: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read: which service, which operation, with what."""

    service: str
    operation: str
    body: Mapping[str, Any]
    unreadable: ServiceError | None = None

    def as_call(self, request: Request) -> Call:
        """Give what a rule sees of it."""
        name = self.body.get("StreamName")
        stream = str(name if name is not None else self.body.get("StreamARN", "")).rpartition("/")[2]
        return Call(self.operation, stream, self.body, request.headers, f"{request.method} {request.path}")


class Dispatcher:
    """Takes requests from the HTTP loop, on its thread; everything it reads or changes is under `lock`.

    `calls` takes every request that arrived whole; None: none is kept.
    """

    def __init__(
        self,
        *,
        lock: threading.RLock,
        clock: ServiceClock,
        authenticator: Authenticator,
        kinesis: Kinesis,
        sts: Sts,
        script: Script,
        history: History,
        call_later: Callable[[float, Callable[[], None]], None],
        calls: list[Call] | None,
    ) -> None:
        self.lock = lock
        self._calls = calls
        self.held: list[Held] = []
        self._clock = clock
        self._authenticator = authenticator
        self._kinesis = kinesis
        self._sts = sts
        self._kms = Kms(sts.access)
        self._script = script
        self._history = history
        self._call_later = call_later

    def at_head(self, request: Request) -> AtHead:
        """Say, from a head, what the script does before it has read the body."""
        with self.lock:
            operation = request.headers.get("x-amz-target", "").removeprefix(TARGET_PREFIX)
            request.taken = self._script.take()
            tear_at = self._script.torn_at(operation, request.taken)
            if tear_at is not None:
                self._history.counts[operation] += 1
                self._history.counts[f"{operation}:reset"] += 1
            said = [each.data for each in request.taken if isinstance(each, Say) and each.at == "head"]
            return AtHead(b"".join(said), tear_at)

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Begin one request's way."""
        with self.lock:
            asked = _read(request)
            self._history.began(asked.operation)
            exchange.on_end = lambda: self._history.ended(asked.operation)
            call = asked.as_call(request)
            if self._calls is not None:
                self._calls.append(call)
            fate = self._script.fate_of(call, request.taken)
            if fate.reset is not None and fate.reset.moment == "before":
                self._history.counts[f"{asked.operation}:reset"] += 1
                exchange.reset()
                return
            self._wait(
                fate.delay_acceptance, fate.hold_acceptance, lambda: self._accept(request, exchange, asked, fate)
            )

    def release(self, label: str | None, count: int | None) -> int:
        """Let held exchanges go on, the oldest first, on the calling thread; gives how many."""
        with self.lock:
            chosen = [held for held in self.held if label in (None, held.label)][:count]
            self.held = [held for held in self.held if held not in chosen]
            for held in chosen:
                held.go_on()
            return len(chosen)

    def _accept(self, request: Request, exchange: Exchange, asked: Asked, fate: Fate) -> None:
        with self.lock:
            reply = self._reply(request, asked, fate)
            if fate.answer is not None:
                reply = answered(reply, fate.answer, asked.as_call(request))
            if fate.garble is not None and reply.status == 200:
                reply = garbled(reply, fate.garble.how)
            if fate.headers:
                lines = tuple((name.encode(), value.encode()) for name, value in fate.headers.items())
                reply = replace(reply, headers=reply.headers + lines)
            exchange.say(fate.say)
            self._wait(fate.delay_answer, fate.hold_answer, lambda: self._finish(exchange, asked, fate, reply))

    def _finish(self, exchange: Exchange, asked: Asked, fate: Fate, reply: Reply) -> None:
        if fate.reset is not None:
            with self.lock:
                self._history.counts[f"{asked.operation}:reset"] += 1
            exchange.reset()
        elif fate.close is not None and fate.close.moment == "instead":
            exchange.close()
        else:
            reply = reply if fate.close is None else replace(reply, closes=True)
            exchange.answer(reply, repeat=None if fate.repeat is None else fate.repeat.moment)

    def _wait(self, seconds: float, labels: list[str], then: Callable[[], None]) -> None:
        for label in reversed(labels):
            then = self._holding(label, then)
        if seconds > 0:
            self._call_later(seconds, then)
        else:
            then()

    def _holding(self, label: str, then: Callable[[], None]) -> Callable[[], None]:
        def hold() -> None:
            with self.lock:
                self.held.append(Held(label, then))

        return hold

    def _reply(self, request: Request, asked: Asked, fate: Fate) -> Reply:
        # The sender is proven even where the script refuses: a violation must not hide behind a fault.
        caller, refusal = self._prove(request, asked)
        if fate.refuse is not None:
            refusal = ServiceError(fate.refuse.code, fate.refuse.message, fate.refuse.status)
        elif refusal is None:
            try:
                reply = self._answer(request, asked, caller, fate)
            except ServiceError as error:
                refusal = error
            else:
                self._history.counts[f"{asked.operation}:ok"] += 1
                return reply
        return self._refuse(request, asked, refusal, caller, scripted=fate.refuse is not None)

    def _prove(self, request: Request, asked: Asked) -> tuple[Caller | None, ServiceError | None]:
        if asked.operation in sts_api.UNSIGNED_OPERATIONS:
            return None, asked.unreadable
        try:
            return self._authenticator.authenticate(request, asked.service, asked.operation), asked.unreadable
        except ServiceError as error:
            return None, error

    def _answer(self, request: Request, asked: Asked, caller: Caller | None, fate: Fate) -> Reply:
        if asked.service == "sts":
            # Dated when it was made: it tells times, and a second may end before it leaves.
            dated = ((b"Date", self._clock.date()),)
            inside = self._sts.answer(asked.operation, asked.body, caller)
            return Reply(sts_api.result_xml(asked.operation, inside, request.id), 200, b"text/xml", dated)
        assert caller is not None
        if asked.service == "kms":
            return Reply(self._kms.answer(asked.operation, asked.body, caller))
        return Reply(self._kinesis.answer(asked.operation, request, asked.body, caller, fate))

    def _refuse(
        self, request: Request, asked: Asked, error: ServiceError, caller: Caller | None, *, scripted: bool
    ) -> Reply:
        records = asked.body.get("Records")
        refused = Refused(
            operation=asked.operation,
            code=error.code,
            status=error.status,
            request_id=request.id,
            serial=error.serial if caller is None else caller.issue.serial,
            entries=len(records) if isinstance(records, list) else 0,
            at=self._clock.now(),
            scripted=scripted,
        )
        self._history.refuse(refused)
        if asked.service == "sts":
            return Reply(sts_api.error_xml(error, request.id), error.status, b"text/xml")
        return Reply(
            orjson.dumps({"__type": error.code, "message": error.message}),
            error.status,
            headers=((b"x-amzn-errortype", error.code.encode()),),
        )


def _read(request: Request) -> Asked:
    target = request.headers.get("x-amz-target")
    if target is None:
        fields = dict(parse_qsl(bytes(request.body).decode("utf-8", "replace"), keep_blank_values=True))
        return Asked("sts", fields.get("Action", ""), fields)
    service = "kms" if target.startswith(kms.TARGET_PREFIX) else "kinesis"
    operation = target.removeprefix(TARGET_PREFIX).removeprefix(kms.TARGET_PREFIX)
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return Asked("kinesis", operation, {}, ServiceError("SerializationException", "the body is no JSON"))
    if operation == target or not isinstance(body, dict):
        return Asked("kinesis", operation, {}, ServiceError("UnknownOperationException", f"{target} is not known"))
    return Asked(service, operation, body)
