"""The loggers of libraries that are held above their most talkative level, by whoever writes a log and by whoever uses them.

At DEBUG they write session tokens, payloads and keys, so they are held wherever an AWS client is made, be there a log of
doka's or another's; and a log of doka's holds them whatever its own level.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

PINNED: Final[Mapping[str, int]] = {
    **dict.fromkeys(("boto3", "botocore", "s3transfer", "urllib3"), logging.INFO),
    "botocore.credentials": logging.WARNING,  # at INFO it says at each question to STS where it found credentials
}
"""Name of a logger -> the lowest level that it may have."""


def pin_loggers(lowest: int = logging.NOTSET) -> None:
    """Raise each of them to its level, or to `lowest` where that is higher; one that is held higher stays."""
    for name, level in PINNED.items():
        logger = logging.getLogger(name)
        logger.setLevel(max(level, lowest, logger.level))
