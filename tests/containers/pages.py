"""Asking a server for one of its pages."""

from __future__ import annotations

import http.client


def page(address: str, path: str) -> tuple[int, str]:
    """Ask for a page of «host:port»; gives the status and the body. Raises OSError or HTTPException without an answer."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def status(address: str, path: str) -> int | None:
    """Ask for the status of a page; None where nobody answers."""
    try:
        return page(address, path)[0]
    except (OSError, http.client.HTTPException):
        return None
