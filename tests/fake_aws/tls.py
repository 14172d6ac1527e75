"""A server's end of TLS for a selector."""

from __future__ import annotations

import socket
import ssl
from typing import Any


class TlsSocket:
    """A TLS socket that says what a plain one would: BlockingIOError where it has to wait.

    The handshake happens inside the first reads. One read gives one TLS record, and the rest of the body keeps the
    socket readable.
    """

    def __init__(self, plain: socket.socket, tls: ssl.SSLContext) -> None:
        plain.settimeout(0)
        self._sock = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)

    def recv(self, size: int) -> bytes:
        """Give what has arrived."""
        try:
            return self._sock.recv(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def recv_into(self, buffer: memoryview) -> int:
        """Fill as much of the buffer as has arrived."""
        try:
            return self._sock.recv_into(buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def send(self, data: bytes) -> int:
        """Send as much as is taken."""
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
