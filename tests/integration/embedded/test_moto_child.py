from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from doka.adapters.embedded import moto_child
from tests.fake_aws import kinesis_client
from tests.integration.embedded.clients import WRITER, assume, keys_of

START_SECONDS = 60
END_SECONDS = 10


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """One child with pipes to all that it may read or print."""
    command = [sys.executable, "-m", moto_child.__name__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(START_SECONDS + END_SECONDS)
def test_it_prints_its_port_serves_there_and_ends_with_its_stdin(child: subprocess.Popen[bytes]) -> None:
    """STS and Kinesis answer at the port of the one line; the end of stdin is its end, and nothing else was said."""
    assert child.stdout is not None
    port = int(child.stdout.readline())
    url = f"http://{moto_child.HOST}:{port}"
    issued = assume(url)
    streams = kinesis_client(url, keys_of(issued)).list_streams()["StreamNames"]
    out, err = child.communicate(timeout=END_SECONDS)  # closes stdin first

    assert (WRITER.split(":")[4], []) == (issued["AssumedRoleUser"]["Arn"].split(":")[4], streams)
    assert (0, b"", b"") == (child.returncode, out, err)


@pytest.mark.timeout(START_SECONDS + END_SECONDS)
def test_a_parent_that_ends_during_its_start_ends_it_too(child: subprocess.Popen[bytes]) -> None:
    """It watches its stdin before it imports moto, which takes seconds; no port is told then."""
    out, err = child.communicate(timeout=START_SECONDS)

    assert (0, b"", b"") == (child.returncode, out, err)
