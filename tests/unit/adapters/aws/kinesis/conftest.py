"""What the tests of this folder share: an environment without AWS in it."""

from __future__ import annotations

from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them
