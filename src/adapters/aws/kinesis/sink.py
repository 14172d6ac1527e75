"""Kinesis PutRecords without waiting: body by C loops, botocore's signature, libcurl on the caller's thread.

It must never send a request twice, never sign with anything but the command's lease, never report an unknown outcome
as a known one, and never let a key, a payload or a secret out into a log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import pycurl
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from doka.adapters.aws.clock import ServiceClock, read_date
from doka.adapters.aws.kinesis.answers import read_answer, read_header
from doka.adapters.aws.kinesis.authorities import Bundle, find_ca
from doka.adapters.aws.kinesis.body import BodyBuilder
from doka.adapters.aws.kinesis.endpoint import Endpoints
from doka.adapters.aws.kinesis.failures import name_failure
from doka.adapters.aws.kinesis.identity import AnswerIds, read_id
from doka.adapters.aws.kinesis.request import Outcome, Request
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.kinesis.wire import Wire
from doka.adapters.aws.session import NewSession
from doka.adapters.aws.signing import Signer
from doka.adapters.aws.words import words_of
from doka.domain.commands import SendPut
from doka.domain.errors import InvariantError, invariant
from doka.domain.events import Event, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.limits import KEY_CACHE_BYTES, NS_PER_MS
from doka.domain.ports import Clock

logger = logging.getLogger("doka.kinesis")

DOUBTS = {
    "repeated_answer": "an answer that was given before came again; something between here and AWS mixes answers up",
    "nameless_answer": "an answer without x-amzn-RequestId, which may have been given before, came on a kept connection",
    "answered_early": "a success was answered before the records were sent",
}
"""What is told of answers that are not believed, whatever they say."""


class KinesisSink:
    """The put requests in flight; every `submit` has exactly one answer.

    `targets` maps each route to its stream. Raises UsageError for a region, endpoint URL or CA file that cannot be.
    """

    def __init__(
        self,
        targets: Mapping[str, StreamTarget],
        clock: Clock,
        new_session: NewSession = Session,
        key_cache_bytes: int = KEY_CACHE_BYTES,
    ) -> None:
        self._targets = dict(targets)
        self._clock = clock
        self._endpoints = Endpoints(self._targets.values(), new_session)
        self._authorities = Bundle(find_ca())
        self._bodies = BodyBuilder(key_cache_bytes)
        self._signer = Signer()
        self._service_clocks: dict[str, ServiceClock] = {}
        self._wire = Wire(clock)
        self._ids = AnswerIds()
        self._idle: list[Request] = []
        self._ready: list[Event] = []
        self._told: dict[str, str] = {}
        self._closed = False

    def submit(self, command: SendPut) -> None:
        """Build, sign and start one request."""
        invariant(not self._closed, "a put was submitted to a closed sink")
        ends_at = command.lease.ends_at
        if ends_at is not None and self._clock.now() >= ends_at:  # the process stood still since this was decided
            self._ready.append(PutUnsent(command.put, "lease_ended"))
            return
        target = self._targets[command.route]
        stream_arn = command.stream_arn or target.stream_arn
        try:
            endpoint = self._endpoints.find(target, stream_arn, command.lease.account_id)
        except (BotoCoreError, ValueError) as error:
            self._ready.append(PutUnsent(command.put, "no_endpoint"))
            self._tell(command.route, "no_endpoint", words_of(error))
            return
        stream = ("StreamARN", stream_arn) if stream_arn else ("StreamName", str(target.stream_name))
        body = self._bodies.build(stream, command.keys, command.values, command.hash_keys)
        service_clock = self._service_clocks.get(endpoint.url)
        if service_clock is None:
            service_clock = self._service_clocks[endpoint.url] = ServiceClock(self._clock)
        headers = self._signer.sign(endpoint, body, command.lease, service_clock.wall())
        # What has ended is judged before another leaves: on its connection nobody may go before.
        self._ready += [self._settle(*ended) for ended in self._wire.finished()]
        ca_path = self._authorities.path()
        request = self._idle.pop() if self._idle else Request(ca_path)
        request.trust(ca_path)
        request.load(command, endpoint.url, headers, body, self._clock.now())
        self._wire.start(request)

    def answers(self, wait: int) -> Sequence[Event]:
        """Drive the requests in flight; give the answers that are there, waiting at most `wait` ns for the first."""
        if self._closed:
            return []
        now = self._clock.now()
        deadline = now + wait
        found, self._ready = self._ready, []
        found += [self._settle(*ended) for ended in self._wire.finished()]  # some end while they are started
        while True:
            self._wire.step(0 if found else deadline - now)
            found += [self._settle(*ended) for ended in self._wire.finished()]
            now = self._clock.now()
            found += [self._settle(*overdue) for overdue in self._wire.overdue(now)]
            if found or now >= deadline:
                return found

    def close(self) -> None:
        """Drop all connections; what was in flight stays unknown."""
        if self._closed:
            return
        self._closed = True
        self._wire.close()
        for request in self._idle:
            request.close()
        self._idle.clear()

    def __repr__(self) -> str:
        return f"KinesisSink({', '.join(sorted(self._targets))}; {len(self._wire)} in flight)"

    def _settle(self, request: Request, error: int, words: str) -> Event:
        """Give the event of a request that ended, and keep the request for the next put."""
        command = request.command
        if command is None:
            raise InvariantError("a request ended that carried no put")
        outcome = request.unload()
        if logger.isEnabledFor(logging.DEBUG):
            self._tell_put(command, outcome, words=words, took=self._clock.now() - request.sent_at)
        self._idle.append(request)
        if error:
            failure = name_failure(command.put, error, started=outcome.started)
            if error == pycurl.E_PEER_FAILED_VERIFICATION:
                self._authorities.doubt()
            self._tell(command.route, failure.reason, words)
            return failure
        event = self._read(command, request, outcome)
        if isinstance(event, PutAmbiguous):
            words = DOUBTS.get(event.reason, f"HTTP {outcome.status} does not say what became of the records")
            self._tell(command.route, event.reason, words)
            return event
        self._told.pop(command.route, None)
        self._learn(request, outcome, event)
        return event

    def _read(self, command: SendPut, request: Request, outcome: Outcome) -> PutAnswered | PutRefused | PutAmbiguous:
        """Give what an answer says; one that may belong to another request says nothing, and ends its connection."""
        answer_id = read_id(outcome.head)
        doubt = self._ids.doubt(answer_id, fresh=outcome.fresh)
        event = (
            PutAmbiguous(command.put, doubt)
            if doubt is not None
            else read_answer(
                command.put,
                len(command.keys),
                outcome.status,
                outcome.head,
                outcome.body,
                wants_landings=command.wants_landings,
            )
        )
        if isinstance(event, PutAnswered) and not outcome.sent_whole:
            event = PutAmbiguous(command.put, "answered_early")
        if answer_id is None or (isinstance(event, PutAmbiguous) and (doubt or outcome.status == HTTPStatus.OK)):
            self._wire.cut(request)
        else:
            self._wire.keep(request)
        return event

    def _learn(self, request: Request, outcome: Outcome, event: Event) -> None:
        """Set the clock of signatures by an answer that was read as the service's own."""
        service_clock = self._service_clocks[request.url]
        if service_clock.is_due(refused=not isinstance(event, PutAnswered)):
            date = read_date(read_header(outcome.head, b"date"))
            if date is not None:
                service_clock.learn(date, request.sent_at)

    def _tell_put(self, command: SendPut, outcome: Outcome, *, words: str, took: int) -> None:
        """Log one put for somebody who hunts a fault: what it was, how long it took, and by which id AWS knows it."""
        answer_id = read_id(outcome.head)
        asked = f"{len(command.keys)} records in {outcome.body_bytes} bytes by lease {command.lease.serial}"
        answered = words or f"HTTP {outcome.status}"
        known_as = "none" if answer_id is None else answer_id.decode("ascii", "backslashreplace")
        came = f"{took / NS_PER_MS:.1f} ms, {answered}, request id {known_as}"
        logger.debug("put %d of route %s: %s, %s", command.put, command.route, asked, came)

    def _tell(self, route: str, reason: str, words: str) -> None:
        """Log the details of a failure once, and again when it changes or came back after a success."""
        if self._told.get(route) != reason:
            self._told[route] = reason
            logger.warning("puts of route %s fail (%s): %s", route, reason, words)
