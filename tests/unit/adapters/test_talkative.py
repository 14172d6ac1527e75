from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from doka.adapters.aws.kinesis.endpoint import Endpoints
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.sources import AmbientSession
from doka.adapters.talkative import PINNED, pin_loggers


@pytest.fixture(autouse=True)
def levels_given_back() -> Iterator[None]:
    """Leave the loggers of the process as they were."""
    before = {name: logging.getLogger(name).level for name in PINNED}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def levels() -> list[int]:
    """Give the levels of four of them."""
    return [logging.getLogger(name).level for name in ("boto3", "botocore", "botocore.credentials", "urllib3")]


@pytest.mark.parametrize(
    "use",
    [
        pin_loggers,
        lambda: Endpoints([StreamTarget("orders", "orders", None, "eu-west-1")]),
        lambda: AmbientSession("eu-west-1", None),
    ],
    ids=["by itself", "a client of Kinesis", "the credentials of the process"],
)
def test_whoever_uses_aws_pins_the_talkative_loggers(use: Callable[[], object]) -> None:
    """None of the loggers that print tokens at DEBUG does so afterwards, and one that is held higher stays there."""
    for name in PINNED:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    use()
    assert [logging.INFO, logging.INFO, logging.WARNING, logging.ERROR] == levels()


def test_a_log_of_a_higher_level_holds_them_there() -> None:
    """A log of warnings gets no news of libraries either."""
    for name in PINNED:
        logging.getLogger(name).setLevel(logging.NOTSET)
    pin_loggers(logging.ERROR)
    assert [logging.ERROR] * 4 == levels()
