"""The TLS end of an endpoint: terminates TLS, and hands what it gets to a stand-in that speaks plain HTTP."""

from __future__ import annotations

import select
import socket
import ssl

from tests.relay import Relay

BYTES = 65_536


class TlsFront(Relay):
    """Listens at `localhost`; with which certificate it shows itself may change between two connections."""

    def __init__(self, upstream: str, context: ssl.SSLContext | None) -> None:
        """Take where to hand on to, and the certificate; None: it does not speak TLS at all."""
        super().__init__(upstream, "tls-front")
        self._context = context

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"https://localhost:{self.port}"

    def change(self, context: ssl.SSLContext | None) -> None:
        """End all connections; the next ones meet this certificate."""
        self._context = context
        self.drop()

    def serve(self, client: socket.socket) -> None:
        """Carry bytes both ways; of TLS too an OSError says that the other side did not like what it saw."""
        if self._context is None:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        with (
            self._context.wrap_socket(client, server_side=True) as encrypted,
            socket.create_connection(self.upstream) as server,
        ):
            self.mind(encrypted)
            self.mind(server)
            _relay(encrypted, server)


def _relay(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    other = {client: server, server: client}
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for end in ready:
            data = end.recv(BYTES)
            if not data:
                return
            other[end].sendall(data)
