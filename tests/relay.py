"""What stands between a client and a server: a listener of its own, and a thread for each connection."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Relay(ABC):
    """Accepts clients from the start of its block to its end, or until `close`; what is open then is ended."""

    def __init__(self, upstream: str, name: str) -> None:
        """Take the URL of the server, and what the threads are called."""
        parts = urlsplit(upstream)
        self.upstream = (str(parts.hostname), int(parts.port or 80))
        self._name = name
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, name=name)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def close(self) -> None:
        """End all connections, and listen no more; a second call does nothing."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """End all connections."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mind(self, end: socket.socket) -> None:
        """End this with the connections, too."""
        self._ends.add(end)

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """Serve one client until it has gone; an OSError is an end like another."""

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.mind(client)
            thread = threading.Thread(target=self._serve, args=(client,), name=self._name)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self.serve(client)
        self._ends.difference_update([end for end in list(self._ends) if end.fileno() < 0])
