"""Which certificate authorities are trusted: those that boto3 would trust in the same environment, as they are on disk now.

libcurl parses a file of authorities once and keeps the result for 24 hours, for the path as it is spelled.
So a bundle that was replaced (as trust managers do) is named in another spelling, and read again.
"""

from __future__ import annotations

import os
from pathlib import Path

import botocore.session
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path

from doka.adapters.aws.words import words_of
from doka.domain.errors import UsageError


def find_ca() -> str:
    """Give the path of the CA file or directory: AWS_CA_BUNDLE or the profile's ca_bundle, REQUESTS_CA_BUNDLE, botocore's own.

    Raises UsageError where it is not there: libcurl would refuse every request later on.
    """
    try:
        configured = botocore.session.get_session().get_config_variable("ca_bundle")
    except BotoCoreError as error:
        raise UsageError(f"the AWS configuration cannot be read: {words_of(error)}") from error
    if configured is None:
        configured = os.environ.get("REQUESTS_CA_BUNDLE")
    path = str(get_cert_path(verify=True)) if configured is None else str(configured)
    if not path.strip() or not Path(path).exists():
        raise UsageError(
            f"the CA bundle {path!r} is not there; point AWS_CA_BUNDLE (or REQUESTS_CA_BUNDLE, or ca_bundle in the "
            "AWS profile) at a PEM file, or unset it to trust the public authorities"
        )
    return path


class Bundle:
    """A file or directory of authorities, which may be replaced while it is in use."""

    def __init__(self, path: str) -> None:
        folder, name = os.path.split(path)
        self._path = path
        self._other = os.path.join(folder, os.curdir, name)  # noqa: PTH118 - a Path would take the dot out again
        self._seen = _state(path)
        self._in_doubt = False

    def path(self) -> str:
        """Give how to spell it to libcurl for the next request: anew if a server was refused, and it was replaced since.

        Only then, since a connection that was made by one spelling is not used again under the other.
        """
        if self._in_doubt:
            state = _state(self._path)
            if state is not None and state != self._seen:
                self._seen, self._in_doubt = state, False
                self._path, self._other = self._other, self._path
        return self._path

    def doubt(self) -> None:
        """Take note that a server was refused by what is in it."""
        self._in_doubt = True


def _state(path: str) -> tuple[int, int, int, int] | None:
    """Give what changes when a file is replaced or written, through links as a mounted ConfigMap has them."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
