"""The TLS end of an endpoint: terminates TLS, and hands what it gets to a stand-in that speaks plain HTTP."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

BYTES = 65_536


class TlsFront:
    """Listens at `localhost`; with which certificate it shows itself may change between two connections."""

    def __init__(self, upstream: str, context: ssl.SSLContext | None) -> None:
        """Take where to hand on to, and the certificate; None: it does not speak TLS at all."""
        parts = urlsplit(upstream)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, name="tls-front")

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"https://localhost:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def change(self, context: ssl.SSLContext | None) -> None:
        """End all connections; the next ones meet this certificate."""
        self._context = context
        self._drop()

    def close(self) -> None:
        """End all connections, and listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        self._drop()

    def _drop(self) -> None:
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client, self._context), name="tls-front")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        self._open.add(client)
        try:
            if context is None:
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            client = context.wrap_socket(client, server_side=True)
            self._open.add(client)
            with socket.create_connection(self._upstream) as server:
                self._open.add(server)
                _relay(client, server)
                self._open.discard(server)
        except OSError:  # of TLS too: the other side did not like what it saw
            pass
        finally:
            self._open.discard(client)
            client.close()


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
