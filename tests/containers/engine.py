"""Whether a container engine answers, asked in one place and without leaving anything open.

The client's own constructor asks the engine for its version; when nobody answers it raises, and leaves its socket to the
garbage collector, which warns about it in the middle of another test, where a warning is a failure.
So a local socket is tried by hand first, and the client is made without a question.
"""

from __future__ import annotations

import os
import socket

# Read by testcontainers when it is imported: what starts here is stopped here, without a reaper image.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

import docker
from docker.constants import DEFAULT_DOCKER_API_VERSION, DEFAULT_UNIX_SOCKET
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

ANSWER_SECONDS = 10


def trouble() -> str | None:
    """Say in one line why no engine can be used; None where one answers."""
    try:
        _reach(_address())
        client = docker.from_env(version=DEFAULT_DOCKER_API_VERSION, timeout=ANSWER_SECONDS)
        try:
            client.api.version(api_version=False)  # without a version of its own, the question that any engine answers
        finally:
            client.close()
    except (DockerException, RequestException, OSError, ValueError) as error:
        return " ".join(str(error).split())[:160] or type(error).__name__
    return None


def _address() -> str:
    """Give the address of the engine: from DOCKER_HOST, from the chosen context, or where it is by default."""
    return str(
        kwargs_from_env().get("base_url") or ContextAPI.kwargs_from_context().get("base_url") or DEFAULT_UNIX_SOCKET
    )


def _reach(address: str) -> None:
    """Connect once to a local socket; nothing for an engine on the network, where the client cleans up itself.

    Raises:
        OSError: nobody listens there, or this user may not; the text names the socket.
    """
    scheme, _, path = address.partition("://")
    if scheme not in {"unix", "http+unix"}:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect("/" + path.lstrip("/"))
        except OSError as error:
            raise OSError(f"{error.strerror or error}: {address}") from error
