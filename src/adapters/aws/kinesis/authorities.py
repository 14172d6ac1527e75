"""Which certificate authorities are trusted: those that boto3 would trust in the same environment."""

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
