"""Asks a stream for the facts that decide what may be sent to it: boto3's DescribeStreamSummary, signed by a lease.

Called on background threads, it may block for as long as its timeouts say.
It must never raise for an answer of the service or for its absence, and never sign with anything but the lease given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from doka.adapters.aws.clock import ServiceClock, read_date
from doka.adapters.aws.codes import UNREADABLE, code_of
from doka.adapters.aws.kinesis.answers import safe_message
from doka.adapters.aws.kinesis.clients import open_clients, place_of
from doka.adapters.aws.kinesis.failures import name_question_failure
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.adapters.aws.signing import scope_of, sign_request
from doka.adapters.aws.words import words_of
from doka.domain.commands import DescribeStream
from doka.domain.events import ShardRange, StreamDescribed, StreamRefused
from doka.domain.lease import Lease
from doka.domain.limits import RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX
from doka.domain.ports import Clock

IGNORES_KEYS = "AUTO"
"""The record distribution strategy that ignores partition keys and explicit hash keys."""

BYTES_PER_KIB = 1024
SHARD_PAGES_MAX = 100  # of 1,000 shards each


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


class KinesisDescriber:
    """Describes the streams of `targets` (route -> stream), one attempt each.

    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(self, targets: Mapping[str, StreamTarget], clock: Clock, new_session: NewSession = Session) -> None:
        self._targets = dict(targets)
        self._clock = clock
        self._credentials = LeaseCredentials()
        self._clients = open_clients(self._credentials, self._targets.values(), new_session)
        self._service_clocks = {place: ServiceClock(clock) for place in self._clients}
        for place, client in self._clients.items():
            # Last of the same event by which botocore signs; one with the operation's name would come before it.
            client.meta.events.register_last("request-created.kinesis", self._dated_by(self._service_clocks[place]))

    def describe(self, command: DescribeStream) -> StreamDescribed | StreamRefused:
        """Give the facts of the route's stream, or why there are none; blocks for some seconds at worst."""
        target = self._targets[command.route]
        service_clock = self._service_clocks[place_of(target)]
        sent_at = self._clock.now()
        try:
            with self._credentials.of(command.lease):
                answer = self._ask(target)
        except ClientError as error:
            _learn(service_clock, error.response, sent_at)
            code, message = _read_refusal(error)
        except BotoCoreError as error:  # no connection, no name, no answer in time, no endpoint by the rules
            code, message = name_question_failure(error), words_of(error)
        except Exception as error:  # noqa: BLE001 - an answer that botocore's parser stumbles over is still an answer
            code, message = UNREADABLE, type(error).__name__
        else:
            _learn(service_clock, answer, sent_at)
            summary = answer.get("StreamDescriptionSummary")
            if isinstance(summary, Mapping) and isinstance(summary.get("StreamStatus"), str):
                with self._credentials.of(command.lease):
                    return read_summary(command.route, target, summary, self._list_shards(target))
            code, message = UNREADABLE, "the answer holds no description of the stream"
        return StreamRefused(command.route, code, message, command.lease.serial)

    def _ask(self, target: StreamTarget) -> Mapping[str, Any]:
        client = self._clients[place_of(target)]
        if target.stream_arn:
            return client.describe_stream_summary(StreamARN=target.stream_arn)
        return client.describe_stream_summary(StreamName=str(target.stream_name))

    def _list_shards(self, target: StreamTarget) -> tuple[ShardRange, ...]:
        """Give the open shards for pacing; none where they cannot be had: puts work without."""
        client = self._clients[place_of(target)]
        stream: dict[str, Any] = {"StreamARN": target.stream_arn} if target.stream_arn else {}
        question = stream or {"StreamName": str(target.stream_name)}
        found: list[ShardRange] = []
        try:
            for _ in range(SHARD_PAGES_MAX):
                answer = client.list_shards(**question, ShardFilter={"Type": "AT_LATEST"})
                found += read_shards(answer)
                if not answer.get("NextToken"):
                    return tuple(found)
                question = {"NextToken": answer["NextToken"]}
        except Exception:  # noqa: BLE001 - denied, throttled, unreadable: pacing is a courtesy, not a need
            return ()
        return ()

    def _dated_by(self, service_clock: ServiceClock) -> Any:
        """Give a handler that signs a built request again, at the service's time and not at the host's."""

        def sign_again(request: AWSRequest, **_: object) -> None:
            sign_request(request, *scope_of(request), self._credentials.lease.secrets, service_clock.wall())

        return sign_again


def _learn(service_clock: ServiceClock, answer: Mapping[str, Any], sent_at: int) -> None:
    date = read_date(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))
    if date is not None:
        service_clock.learn(date, sent_at)


def read_shards(answer: Mapping[str, Any]) -> list[ShardRange]:
    """Give the shards of a ListShards answer that still take records; a stand-in may list the closed ones too."""
    return [
        ShardRange(shard["ShardId"], int(shard["HashKeyRange"]["StartingHashKey"]))
        for shard in answer["Shards"]
        if not shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber")
    ]


def read_summary(
    route: str, target: StreamTarget, summary: Mapping[str, Any], shards: tuple[ShardRange, ...] = ()
) -> StreamDescribed:
    """Give what a StreamDescriptionSummary says; what it does not say is as AWS creates streams by default."""
    kib = summary.get("MaxRecordSizeInKiB")
    open_shards = summary.get("OpenShardCount")
    arn = summary.get("StreamARN")
    return StreamDescribed(
        route=route,
        arn=arn if isinstance(arn, str) and arn else target.stream_arn,
        status=summary["StreamStatus"],
        record_bytes_max=(
            min(kib * BYTES_PER_KIB, RECORD_BYTES_MAX) if isinstance(kib, int) and kib > 0 else RECORD_BYTES_DEFAULT
        ),
        honours_keys=summary.get("RecordDistributionStrategy") != IGNORES_KEYS,
        open_shards=open_shards if isinstance(open_shards, int) else None,
        shards=shards,
    )


def _read_refusal(error: ClientError) -> tuple[str, str]:
    told = error.response.get("Error", {})
    code = code_of(error.response)
    if code.startswith("http_") or code == UNREADABLE:
        return code, "the answer holds no error code of the service"
    return code, safe_message(code, str(told.get("Message", "")))
