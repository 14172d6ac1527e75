"""Which streams there are, whose they are, and how a request names one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.fake_aws.errors import ServiceError, invalid, violates
from tests.fake_aws.policies import Access
from tests.fake_aws.signature import Caller
from tests.fake_aws.streams import Stream

_ARN = re.compile(r"arn:aws(?:-[a-z-]+)?:kinesis:([a-z0-9-]+):(\d{12}):stream/([a-zA-Z0-9_.-]{1,128})")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


class Streams:
    """All streams by (account, region, name)."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.foreign_code = "AccessDeniedException"
        """What a caller of another account is told; `ResourceNotFoundException` is the other way that is seen."""
        self.limits_rates = False
        """Whether what CreateStream makes has the real rates of its shards."""
        self._all: dict[tuple[str, str, str], Stream] = {}

    def add(self, stream: Stream) -> None:
        """Add a stream. Raises ServiceError where one of its name is there."""
        if not _NAME.fullmatch(stream.name):
            raise violates("streamName", stream.name, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
        address = (stream.account, stream.region, stream.name)
        if address in self._all:
            text = f"Stream {stream.name} under account {stream.account} already exists."
            raise ServiceError("ResourceInUseException", text)
        self._all[address] = stream

    def remove(self, stream: Stream) -> None:
        """Forget a stream and all that landed in it."""
        self._all.pop((stream.account, stream.region, stream.name))

    def everything(self) -> list[Stream]:
        """Give every stream."""
        return list(self._all.values())

    def of(self, account: str, region: str) -> list[Stream]:
        """Give an account's streams in a region, by name."""
        return [self._all[address] for address in sorted(self._all) if address[:2] == (account, region)]

    def find(self, name_or_arn: str) -> Stream:
        """Find a stream for a test, by its ARN or by a name that only one stream has.

        Raises LookupError.
        """
        found = [each for each in self._all.values() if name_or_arn in (each.name, each.arn)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} streams are called {name_or_arn!r}")
        return found[0]

    def named_by(self, body: Mapping[str, Any], caller: Caller, operation: str, *, active: bool = False) -> Stream:
        """Give the stream that a request names, by ARN or by a name within the caller's own account.

        Raises ServiceError: neither is given or both disagree, no such stream, one of another account that did not
        admit the caller, or (with `active`) one that is being created or deleted.
        """
        arn, name = body.get("StreamARN"), body.get("StreamName")
        if arn is None and name is None:
            raise invalid("Either StreamName or StreamARN must be specified.")
        if arn is None:
            address = (caller.issue.account, caller.region, str(name))
        else:
            found = _ARN.fullmatch(str(arn))
            if found is None:
                raise violates(
                    "streamARN", arn, r"satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+"
                )
            address = (found[2], found[1], found[3])
            if name not in (None, found[3]):
                raise invalid("StreamName and StreamARN name different streams.")
        stream = self._all.get(address)
        arn = f"arn:aws:kinesis:{address[1]}:{address[0]}:stream/{address[2]}"
        self.access.check(caller.issue, f"kinesis:{operation}", arn)
        if self.access.policies is not None:
            pass  # they have decided
        elif address[0] != caller.issue.account and (
            stream is None or caller.issue.account not in stream.allowed_accounts
        ):
            raise self._foreign(address, caller, operation)
        if stream is None or address[1] != caller.region or (active and stream.status in {"CREATING", "DELETING"}):
            raise ServiceError(
                "ResourceNotFoundException", f"Stream {address[2]} under account {address[0]} not found."
            )
        return stream

    def _foreign(self, address: tuple[str, str, str], caller: Caller, operation: str) -> ServiceError:
        account, region, name = address
        if self.foreign_code == "ResourceNotFoundException":
            return ServiceError(self.foreign_code, f"Stream {name} under account {account} not found.")
        resource = f"arn:aws:kinesis:{region}:{account}:stream/{name}"
        return ServiceError(
            self.foreign_code,
            f"User: {caller.issue.arn} is not authorized to perform: kinesis:{operation} on resource: {resource} "
            f"because no resource-based policy allows the kinesis:{operation} action",
        )
