"""Where a PutRecords request goes: asked of boto3 itself, so that AWS's endpoint rules are never copied here.

The host depends on how the stream is addressed and on the account of the credentials.
A client with a throw-away key builds one request for real and is answered locally, before anything is sent:
what it would have sent to is the answer.
It must never touch the network and never see a lease's secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.session import Session

from doka.adapters.aws.kinesis.clients import open_clients, place_of
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.adapters.aws.signing import Endpoint, endpoint_of, scope_of
from doka.domain.errors import InvariantError

ENDPOINTS_MAX = 1024
"""More than any sane number of routes times accounts; beyond it the cache starts anew."""


class ProbeCredentials(Credentials):
    """A key that opens nothing; only the account changes, because endpoint rules look at it."""

    def __init__(self) -> None:
        super().__init__("none", "none", "none", method="doka")
        self.account_id: str | None = None


class _LocalBody:
    """The body of an answer that never crossed a network."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield b"{}"


class Endpoints:
    """The endpoint of each (route, stream ARN, account), found once and kept."""

    def __init__(self, targets: Iterable[StreamTarget], new_session: NewSession = Session) -> None:
        self._credentials = ProbeCredentials()
        self._seen: AWSPreparedRequest | None = None
        self._found: dict[tuple[str, str | None, str | None], Endpoint] = {}
        self._clients = open_clients(self._credentials, targets, new_session)
        for client in self._clients.values():
            client.meta.events.register("before-send.kinesis.PutRecords", self._answer_locally)  # type: ignore[arg-type]  # the stubs forget that a handler may answer

    def find(self, target: StreamTarget, stream_arn: str | None, account_id: str | None) -> Endpoint:
        """Give the endpoint for a target whose stream has this ARN (None: by name), with credentials of this account.

        Raises botocore.exceptions.BotoCoreError where the rules know none.
        """
        wanted = (target.route, stream_arn, account_id)
        found = self._found.get(wanted)
        if found is None:
            if len(self._found) >= ENDPOINTS_MAX:
                self._found.clear()
            found = self._found[wanted] = self._ask(target, stream_arn, account_id)
        return found

    def _ask(self, target: StreamTarget, stream_arn: str | None, account_id: str | None) -> Endpoint:
        self._credentials.account_id = account_id
        stream = {"StreamARN": stream_arn} if stream_arn else {"StreamName": target.stream_name}
        self._seen = None
        self._clients[place_of(target)].put_records(Records=[{"Data": b"", "PartitionKey": "0"}], **stream)
        if self._seen is None:
            raise InvariantError("boto3 built no request for PutRecords")
        return endpoint_of(self._seen, *scope_of(self._seen))

    def _answer_locally(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self._seen = request
        return AWSResponse(str(request.url), 200, HTTPHeaders(), _LocalBody())
