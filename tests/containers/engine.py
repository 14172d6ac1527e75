"""Whether a container engine answers, asked in one place."""

from __future__ import annotations

import os

# Read by testcontainers when it is imported: what starts here is stopped here, without a reaper image.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

import docker
from docker.errors import DockerException


def trouble() -> str | None:
    """Say in one line why no engine can be used; None where one answers."""
    try:
        client = docker.from_env()
    except DockerException as error:
        return " ".join(str(error).split())[:160]
    try:
        client.ping()
    except DockerException as error:
        return " ".join(str(error).split())[:160]
    finally:
        client.close()
    return None
