"""Fixtures; a test package takes them with `from tests.fake_aws.fixtures import fake_aws  # noqa: F401` in conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_aws.remote import FakeAwsProcess
from tests.fake_aws.server import FakeAws


@pytest.fixture
def fake_aws() -> Iterator[FakeAws]:
    """Give a fake on a thread of this process."""
    with FakeAws() as fake:
        yield fake


@pytest.fixture
def fake_aws_process() -> Iterator[FakeAwsProcess]:
    """Give a fake in a process of its own."""
    with FakeAwsProcess() as fake:
        yield fake
