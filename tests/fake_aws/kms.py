"""The KMS API as far as `doka check` asks it: GenerateDataKey, by dry run or not."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from tests.fake_aws.errors import ServiceError
from tests.fake_aws.policies import Access
from tests.fake_aws.signature import Caller

TARGET_PREFIX = "TrentService."


class Kms:
    """Answers proven callers; raises ServiceError for what it refuses."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def answer(self, operation: str, body: Mapping[str, Any], caller: Caller) -> bytes:
        """Do one operation and give the body of its answer."""
        if operation != "GenerateDataKey":
            raise ServiceError("UnknownOperationException", f"{operation} is not spoken here")
        key = str(body["KeyId"])
        context = {f"kms:EncryptionContext:{name}": value for name, value in body.get("EncryptionContext", {}).items()}
        self._access.check(caller.issue, "kms:GenerateDataKey", key, context)
        if body.get("DryRun") is True:
            raise ServiceError(
                "DryRunOperationException", "The request would have succeeded, but the DryRun flag is set."
            )
        blob = base64.b64encode(bytes(32)).decode()
        return orjson.dumps({"KeyId": key, "Plaintext": blob, "CiphertextBlob": blob})
