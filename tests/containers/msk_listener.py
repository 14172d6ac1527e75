"""The listener of MSK for logins by IAM, in front of a real broker: TLS, SASL/OAUTHBEARER, and tokens that are judged.

No broker but MSK's own can judge such a token, and the image of Apache Kafka has no compiler to make one that does. So
the token is judged here, in the test's own process, and everything else is the broker's: this listener ends TLS, hands on
each frame as it is, and changes one, the client's first message of a login. A good token becomes one that the stock broker
takes (an unsecured JWS of the same end), so that API versions, handshake, session lifetime, the re-authentication that it
forces (KIP-368) and the end of a connection that does not re-authenticate are those of a real broker's own OAUTHBEARER.
A bad one is answered as MSK answers it, with error 58 and "[id]: Access denied" and no reason, and the connection ends
(https://github.com/dpkp/kafka-python/issues/2638 shows it, https://github.com/aws/aws-msk-iam-sasl-signer-python/issues/49).

The broker tells clients this listener's address, so that every connection of theirs comes here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from tests.containers.msk_tokens import TokenJudge, TokenRefusedError

SASL_AUTHENTICATE: Final = 36  # https://kafka.apache.org/protocol#protocol_api_keys
SASL_AUTHENTICATION_FAILED: Final = 58
REFUSAL_SECONDS: Final = 0.3  # measured at the stock broker, which lets a client wait so that it does not try in a loop
GOODBYE_SECONDS: Final = 0.5
_BEARER: Final = re.compile(rb"n,[^\x01]*,\x01auth=Bearer ([\x21-\x7e]+)\x01(?:[a-z]+=[^\x01]*\x01)*\x01", re.DOTALL)
"""The client's first message: RFC 7628, section 3.1."""


@dataclass(frozen=True, slots=True)
class SeenLogin:
    """One login or re-authentication."""

    connection: int
    access_key: str | None
    """Whose token it was; None where it was refused."""
    refusal: str | None = None


class MskListener:
    """Accepts clients from its start to its end, on a thread of its own; `upstream` is the broker's port."""

    def __init__(self, judge: TokenJudge, tls: ssl.SSLContext) -> None:
        """Take the judge of tokens, and the TLS of a server at 127.0.0.1."""
        self.logins: list[SeenLogin] = []
        self.upstream = 0
        self.port = 0
        self._judge = judge
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._connections = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="msk-listener")

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def accepted(self, access_key: str) -> list[SeenLogin]:
        """Give the logins by tokens of these credentials."""
        return [login for login in self.logins if login.access_key == access_key]

    def refused(self) -> list[str]:
        """Give why tokens were refused, in order."""
        return [login.refusal for login in self.logins if login.refusal is not None]

    async def _listen(self) -> asyncio.Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self._server

    async def _end(self) -> None:
        self._server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # also of a client that was let in just now
            for task in others:
                task.cancel()  # `wait_for` of Python 3.11 loses one that comes with its answer, so it is said until heard
            await asyncio.wait(others, timeout=GOODBYE_SECONDS)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        try:
            from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self.upstream)
            back = asyncio.create_task(_carry_back(from_broker, to_client))
            try:
                await self._carry(number, from_client, to_broker, to_client)
            finally:
                back.cancel()
                to_broker.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either side has left, or the listener ends
        finally:
            if not to_client.is_closing():  # asyncio's TLS that is closed twice cannot be aborted
                to_client.close()
            try:
                await asyncio.wait_for(to_client.wait_closed(), GOODBYE_SECONDS)
            except (OSError, TimeoutError, asyncio.CancelledError):
                to_client.transport.abort()  # TLS waits half a minute for a client that has nothing to say

    async def _carry(
        self, number: int, client: asyncio.StreamReader, broker: asyncio.StreamWriter, answers: asyncio.StreamWriter
    ) -> None:
        """Hand on the client's frames; ends with its connection, or with a token that is refused."""
        while True:
            frame = await client.readexactly(int.from_bytes(await client.readexactly(4), "big"))
            bearer = _BEARER.search(frame) if int.from_bytes(frame[:2], "big") == SASL_AUTHENTICATE else None
            if bearer is not None:
                try:
                    token = self._judge.judge(bearer[1].decode("ascii"), time.time())
                except TokenRefusedError as error:
                    self.logins.append(SeenLogin(number, None, str(error)))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(client.read(1), REFUSAL_SECONDS)
                    answers.write(_access_denied(frame))
                    await answers.drain()
                    return
                self.logins.append(SeenLogin(number, token.access_key))
                frame = _with_auth_bytes(
                    frame, b"n,,\x01auth=Bearer %s\x01\x01" % _jws(token.access_key, token.ends_at)
                )
            broker.write(len(frame).to_bytes(4, "big") + frame)
            await broker.drain()


async def _carry_back(broker: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await broker.read(256 * 1024):
            client.write(data)
            await client.drain()
    client.close()


def _header_bytes(frame: bytes) -> int:
    """Give the size of a request's header: key, version, correlation and the client's name."""
    version, name = (int.from_bytes(frame[at : at + 2], "big", signed=True) for at in (2, 8))
    assert version in {0, 1}, f"version {version} of SaslAuthenticate has other headers"
    return 10 + max(0, name)


def _with_auth_bytes(frame: bytes, auth: bytes) -> bytes:
    return frame[: _header_bytes(frame)] + len(auth).to_bytes(4, "big") + auth


def _access_denied(frame: bytes) -> bytes:
    """Answer a SaslAuthenticate as MSK does."""
    words = f"[{uuid.uuid4()}]: Access denied".encode()
    lifetime = bytes(8) if int.from_bytes(frame[2:4], "big") >= 1 else b""
    body = SASL_AUTHENTICATION_FAILED.to_bytes(2, "big") + len(words).to_bytes(2, "big") + words + bytes(4) + lifetime
    answer = frame[4:8] + body  # the correlation of the request
    return len(answer).to_bytes(4, "big") + answer


def _jws(subject: str, ends_at: float) -> bytes:
    """Write a token that the stock broker takes: RFC 7515, appendix A.5.

    It is of a second ago: the broker counts in whole milliseconds, and refuses one that is half of one ahead of it.
    """
    claims = {"sub": subject, "iat": time.time() - 1, "exp": ends_at}
    return (
        b".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims)
        )
        + b"."
    )
