"""The same fake in a process of its own, so that its work and the client's do not share one interpreter."""

from __future__ import annotations

import http.client
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
from pybase64 import b64decode

from tests.fake_aws.history import Landed, Refused, Violation
from tests.fake_aws.script import ACTIONS, Action
from tests.fake_aws.world import WRITER_ROLE, IssueView
from tests.warm import FAKE_AWS, WarmProcess

PAGE_RECORDS = 20_000
_KINDS = {action: kind for kind, action in ACTIONS.items()}


class ControlError(Exception):
    """The fake could not do what it was asked."""


class RemoteFakeAws:
    """`FakeAws` over its control endpoint: the same names, but rules cannot hold functions (`where`)."""

    def __init__(self, url: str) -> None:
        self.url = url

    # --- the world: see FakeAws for each -------------------------------------------------------------------------

    def create_stream(self, name: str, **given: Any) -> str:
        """Create a stream and give its ARN."""
        return str(self.call("create_stream", name=name, **given))

    def change_stream(self, stream: str, **given: Any) -> None:
        """Change what is given of a stream."""
        self.call("change_stream", stream=stream, **given)

    def delete_stream(self, stream: str) -> None:
        """Delete a stream and all that landed in it."""
        self.call("delete_stream", stream=stream)

    def split_shard(self, stream: str, shard: str, *, at: int | None = None) -> tuple[str, str]:
        """Split a shard; gives the ids of the two."""
        lower, upper = self.call("split_shard", stream=stream, shard=shard, at=at)
        return lower, upper

    def merge_shards(self, stream: str, shard: str, neighbour: str) -> str:
        """Merge two neighbouring shards; gives the id of the one."""
        return str(self.call("merge_shards", stream=stream, shard=shard, neighbour=neighbour))

    def rearrange(self, stream: str, positions: Sequence[int]) -> None:
        """Let a stream hold exactly what stands at these positions now, in this order, as if nothing else had landed."""
        self.call("rearrange", stream=stream, positions=positions)

    def shard_ranges(self, stream: str) -> dict[str, tuple[int, int]]:
        """Give the first and last hash key of every shard of a stream, open or closed, by its id."""
        ranges = self.call("shard_ranges", stream=stream)
        return {shard: (int(first), int(last)) for shard, (first, last) in ranges.items()}

    def add_role(self, arn: str, **given: Any) -> None:
        """Add a role, or replace it."""
        self.call("add_role", arn=arn, **given)

    def remove_role(self, arn: str) -> None:
        """Delete a role; leases of it live on."""
        self.call("remove_role", arn=arn)

    def forget(self) -> None:
        """Forget what happened; streams, leases and the script stay."""
        self.call("forget")

    # --- leases and time -----------------------------------------------------------------------------------------

    def shape_leases(
        self, *, told_seconds: float | None = None, true_seconds: float | None = None, seconds_min: int = 900
    ) -> None:
        """Say what every lease from now on tells of its life, how long it really lives, and the least to ask for."""
        self.call("shape_leases", told_seconds=told_seconds, true_seconds=true_seconds, seconds_min=seconds_min)

    def issue(self, role_arn: str = WRITER_ROLE, *, told_seconds: float = 3600) -> IssueView:
        """Issue a lease at once."""
        return IssueView(*self.call("issue", role_arn=role_arn, told_seconds=told_seconds))

    def issues(self) -> list[IssueView]:
        """Give every lease issued so far, in order."""
        return [IssueView(*row) for row in self.call("issues")]

    def revoke(
        self, code: str = "ExpiredTokenException", *, serial: int | None = None, role_arn: str | None = None
    ) -> list[int]:
        """Have living leases refused from now on; gives their serials."""
        return list(self.call("revoke", code=code, serial=serial, role_arn=role_arn))

    def set_skew(self, seconds: float) -> None:
        """Put the service's wall clock so far ahead of this host's."""
        self.call("set_skew", seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass for the service alone."""
        self.call("advance", seconds=seconds)

    def verify_signatures(self, *, wanted: bool) -> None:
        """Switch the recomputation of signatures off or on."""
        self.call("verify_signatures", wanted=wanted)

    # --- faults --------------------------------------------------------------------------------------------------

    def inject(
        self,
        *actions: Action,
        on: str | Sequence[str] = "PutRecords",
        times: int | None = 1,
        skip: int = 0,
        fraction: float = 1.0,
        stream: str | None = None,
    ) -> int:
        """Add a rule to the script and give its id."""
        sent = [_as_json(action) for action in actions]
        rule: int = self.call("inject", actions=sent, on=on, times=times, skip=skip, fraction=fraction, stream=stream)
        return rule

    def withdraw(self, rule: int | None = None) -> None:
        """Take a rule, or all of them, out of force."""
        self.call("withdraw", rule=rule)

    def fired(self, rule: int) -> int:
        """Say how many requests a rule has met."""
        return int(self.call("fired", rule=rule))

    def held(self, label: str | None = None) -> int:
        """Say how many requests wait for a release."""
        return int(self.call("held", label=label))

    def release(self, label: str | None = None, count: int | None = None) -> None:
        """Let held requests go on, the oldest first."""
        self.call("release", label=label, count=count)

    def drop_connections(self, *, idle_only: bool = True) -> None:
        """Close connections that no request uses, or all of them."""
        self.call("drop_connections", idle_only=idle_only)

    # --- what happened -------------------------------------------------------------------------------------------

    def landed(self, stream: str, start: int = 0, limit: int | None = None) -> list[Landed]:
        """Give what landed in a stream, in order."""
        found: list[Landed] = []
        for columns in self._pages("landed", stream, start, limit):
            if columns:
                found += map(Landed, *columns[:4], map(b64decode, columns[4]), *columns[5:])
        return found

    def payloads(self, stream: str, start: int = 0, limit: int | None = None) -> list[bytes]:
        """Give only the data of what landed, in order."""
        return [b64decode(data) for page in self._pages("payloads", stream, start, limit) for data in page]

    def landed_count(self, stream: str) -> int:
        """Say how many records landed in a stream."""
        return int(self.call("landed_count", stream=stream))

    def refused(self) -> list[Refused]:
        """Give every request that was refused as a whole, in order."""
        return [Refused(*row) for row in self.call("refused")]

    def violations(self) -> list[Violation]:
        """Give everything that no correct client does, in order."""
        return [Violation(*row) for row in self.call("violations")]

    def counts(self) -> Counter[str]:
        """Give the counts."""
        return Counter(self.call("counts"))

    def most_in_flight(self, operation: str = "PutRecords") -> int:
        """Say how many requests of an operation were open together at most."""
        return int(self.call("most_in_flight", operation=operation))

    def call(self, do: str, /, **given: Any) -> Any:
        """Do one thing at the fake. Raises ControlError with its reason where it cannot."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        try:
            connection.request("POST", "/control", orjson.dumps({"do": do, "with": given}))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ControlError(f"{do}: {body.decode()}")
        return orjson.loads(body)

    def _pages(self, name: str, stream: str, start: int, limit: int | None) -> Iterator[Any]:
        end = self.landed_count(stream) if limit is None else min(self.landed_count(stream), start + limit)
        for first in range(start, end, PAGE_RECORDS):
            yield self.call(name, stream=stream, start=first, limit=min(PAGE_RECORDS, end - first))


class FakeAwsProcess(RemoteFakeAws):
    """A fake that this process started; it ends with `stop`, or with this process, however that dies."""

    def __init__(self, *, seed: int = 0, host: str = "127.0.0.1", port: int = 0) -> None:
        words = ["--with-parent", "--seed", str(seed), "--host", host, "--port", str(port)]
        # The pipe to its input is what ties its life to ours.
        self.process = WarmProcess([*FAKE_AWS, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        if not url:
            self.stop()
            raise ControlError("the fake did not start: its errors are above")
        super().__init__(url)

    def stop(self) -> None:
        """End the process and wait for it."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _as_json(action: Action) -> dict[str, Any]:
    values = {each.name: getattr(action, each.name) for each in fields(action)}
    return {"kind": _KINDS[type(action)]} | {name: value for name, value in values.items() if value is not None}
