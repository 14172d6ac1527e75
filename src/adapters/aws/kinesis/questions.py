"""Asks boto3's questions of a stream: one attempt each, signed by the lease that is given and at the service's own time.

Called on background threads, several at once; a question may block for as long as its timeouts say.
It must never raise for an answer of the service or for its absence, and never sign with anything but the lease given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from doka.adapters.aws.clock import ServiceClock, read_date
from doka.adapters.aws.codes import UNREADABLE, code_of
from doka.adapters.aws.kinesis.answers import safe_message
from doka.adapters.aws.kinesis.clients import Service, open_clients, place_of
from doka.adapters.aws.kinesis.failures import name_question_failure
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.adapters.aws.signing import scope_of, sign_request
from doka.adapters.aws.words import words_of
from doka.domain.lease import Lease
from doka.domain.ports import Clock

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

SHARD_PAGES_MAX = 100
"""Of a list of shards, 1,000 on each."""

Answer = Mapping[str, Any]
"""What boto3 gives for an answer of 200."""

Question = Callable[["KinesisClient"], Any]
"""Calls one method of a client."""


class Refusal(NamedTuple):
    """Why there is no answer: the service's code, or a name of ours where it gave none, and words that may be told."""

    code: str
    message: str


class LeaseCredentials(Credentials):
    """botocore's credentials that are, on each thread, the lease in whose name it is asking just now.

    The client keeps this one object and with it its connections; a lease is resolved when a request is signed.
    """

    def __init__(self) -> None:  # botocore's would store secrets, and there are none to keep
        self.method = "doka"
        self._asking: ContextVar[Lease] = ContextVar("lease")

    @contextmanager
    def of(self, lease: Lease) -> Iterator[None]:
        """Sign what this thread sends meanwhile with `lease`."""
        before = self._asking.set(lease)
        try:
            yield
        finally:
            self._asking.reset(before)

    @property
    def lease(self) -> Lease:
        """The lease in force on this thread."""
        return self._asking.get()

    @property
    def account_id(self) -> str | None:
        """The account of the lease: AWS's endpoint rules look at it."""
        return self.lease.account_id

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Give the triple of the lease as botocore's signer wants it."""
        secrets = self.lease.secrets
        return ReadOnlyCredentials(secrets.access_key, secrets.secret_key, secrets.token)


class Questions:
    """Asks about the streams of `targets`; without `keeps_connections` each carries one question.

    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(
        self,
        targets: Iterable[StreamTarget],
        clock: Clock,
        new_session: NewSession = Session,
        *,
        keeps_connections: bool = True,
        service: Service = "kinesis",
    ) -> None:
        self._clock = clock
        self._keeps_connections = keeps_connections
        self._credentials = LeaseCredentials()
        self._clients = open_clients(self._credentials, targets, new_session, service)
        self._service_clocks = {place: ServiceClock(clock) for place in self._clients}
        for place, client in self._clients.items():
            # Last of the same event by which botocore signs; one with the operation's name would come before it.
            client.meta.events.register_last(f"request-created.{service}", self._dated_by(self._service_clocks[place]))

    def ask(self, target: StreamTarget, lease: Lease, question: Question) -> Answer | Refusal:
        """Give the answer to what `question` asks of the target's client, or why there is none."""
        place = place_of(target)
        service_clock = self._service_clocks[place]
        sent_at = self._clock.now()
        try:
            with self._credentials.of(lease):
                answer: Answer = question(self._clients[place])
        except ClientError as error:
            _learn(service_clock, error.response, sent_at)
            return _read_refusal(error)
        except BotoCoreError as error:  # no connection, no name, no answer in time, no endpoint by the rules
            return Refusal(name_question_failure(error), words_of(error))
        except Exception as error:  # noqa: BLE001 - an answer that botocore's parser stumbles over is still an answer
            return Refusal(UNREADABLE, type(error).__name__)
        _learn(service_clock, answer, sent_at)
        return answer

    def service_wall(self, target: StreamTarget) -> float:
        """Give the time that the service of a target has, as well as it is known, in seconds since the epoch."""
        return self._service_clocks[place_of(target)].wall()

    def before_parsing(self, operation: str, handler: Callable[..., None]) -> None:
        """Have all answers to an operation pass through `handler`, a botocore handler of `before-parse`, ahead of its parser."""
        for client in self._clients.values():
            client.meta.events.register(f"before-parse.kinesis.{operation}", handler)

    def _dated_by(self, service_clock: ServiceClock) -> Any:
        """Give a handler that signs a built request again, at the service's time and not at the host's."""

        def sign_again(request: AWSRequest, **_: object) -> None:
            sign_request(request, *scope_of(request), self._credentials.lease.secrets, service_clock.wall())
            if not self._keeps_connections:
                request.headers["Connection"] = "close"

        return sign_again


def stream_of(target: StreamTarget) -> dict[str, Any]:
    """Give how questions name the stream: by its ARN where that is known."""
    return {"StreamARN": target.stream_arn} if target.stream_arn else {"StreamName": str(target.stream_name)}


def _learn(service_clock: ServiceClock, answer: Answer, sent_at: int) -> None:
    date = read_date(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))
    if date is not None:
        service_clock.learn(date, sent_at)


def _read_refusal(error: ClientError) -> Refusal:
    told = error.response.get("Error", {})
    code = code_of(error.response)
    if code.startswith("http_") or code == UNREADABLE:
        return Refusal(code, "the answer holds no error code of the service")
    return Refusal(code, safe_message(code, str(told.get("Message", ""))))
