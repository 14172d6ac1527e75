"""What `doka check` tries out on a stream beside its description: a put and its key by dry run, the shards, a read.

Each finding that is a denial names its action for a machine, as AWS tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from doka.adapters.aws.kinesis.dry_run import STORED, Refused
from doka.adapters.aws.kinesis.questions import Refusal
from doka.app.check.cures import DENIED, THROTTLED, cure_for_reading, cure_for_stream, cure_for_use
from doka.app.check.denied import facts_of
from doka.app.check.findings import Finding, FindingVerdict
from doka.app.settings.mapping import stream_region
from doka.app.settings.model import Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.events import StreamDescribed, StreamRefused
from doka.domain.lease import Lease

KEY_OF_AWS = "alias/aws/kinesis"


class Tries(Protocol):
    """Asks a route's stream, as `adapters.aws.kinesis.dry_run.DryRuns`."""

    def put(self, route: str, lease: Lease) -> Refusal | None:
        """Say why a put would be refused."""
        ...

    def shards(self, route: str, lease: Lease) -> Refusal | None:
        """Say why the shards cannot be listed."""
        ...

    def encrypt(self, route: str, lease: Lease, key_arn: str, stream_arn: str) -> Refusal | None:
        """Say why the key could not be used for a put."""
        ...

    def read(self, route: str, lease: Lease) -> Refused | None:
        """Say what of an audit's questions would be refused."""
        ...


class Trying:
    """Tries the stream of one route; `index` is the route's place in the settings."""

    def __init__(self, settings: Settings, index: int, tries: Tries) -> None:
        self._settings = settings
        self._route: RouteSettings = settings.routes[index]
        self._index = index
        self._tries = tries

    def use(self, lease: Lease, found: StreamDescribed | None, *, puts: bool) -> Iterator[Finding]:
        """Try what puts need; `puts`: what answers knows dry runs."""
        if found is None or not found.shards:
            refusal = self._tries.shards(self._route.name, lease)
            if refusal is not None:
                told = "its shards could not be listed, so there is one pace for all of them"
                yield self._refused("shards", FindingVerdict.WARNING, told, refusal, "kinesis:ListShards")
        if puts:
            yield self._put(lease)
            if found is not None and found.kms_key is not None and found.arn is not None:
                yield self._key(lease, found.kms_key, found.arn)

    def read(self, lease: Lease) -> Finding:
        """Try what an audit needs, with the lease of `audit.role`."""
        refused = self._tries.read(self._route.name, lease)
        if refused is None:
            return Finding("read", self._route.name, FindingVerdict.FINE, "can be read back")
        told = f"cannot be read back: {_said(refused.refusal)}"
        event = StreamRefused(self._route.name, *refused.refusal)
        region = stream_region(self._settings, self._route)
        cure = cure_for_reading(event, self._settings, self._route, self._index, region)
        facts = facts_of(*refused.refusal, refused.action)
        return Finding("read", self._route.name, FindingVerdict.FAILED, told, cure, facts)

    def _put(self, lease: Lease) -> Finding:
        refusal = self._tries.put(self._route.name, lease)
        if refusal is None:
            return Finding("put", self._route.name, FindingVerdict.FINE, "would be taken, by a dry run")
        if refusal.code == STORED:
            told = "what answers took the dry run for a put: one record of one byte is in the stream"
            cure = "leave --probe-writes out: it does not know DryRun"
            return Finding("put", self._route.name, FindingVerdict.FAILED, told, cure, {"code": STORED})
        if refusal.code in THROTTLED:
            told = f"not known: {_said(refusal)}; AWS takes one dry run a second of a stream"
            cure = "check again in a second"
            return Finding("put", self._route.name, FindingVerdict.WARNING, told, cure, {"code": refusal.code})
        return self._refused("put", FindingVerdict.FAILED, "would be refused", refusal, "kinesis:PutRecords")

    def _key(self, lease: Lease, key: str, stream_arn: str) -> Finding:
        _, partition, _, region, account, _ = stream_arn.split(":", 5)
        if key.endswith(KEY_OF_AWS):
            if lease.account_id in {None, account}:
                return Finding(
                    "key", self._route.name, FindingVerdict.FINE, f"{KEY_OF_AWS}, of the stream's own account"
                )
            told = f"{KEY_OF_AWS} is for account {account} alone, and puts are signed in {lease.account_id}"
            cure = "encrypt the stream with a key of yours, whose policy can admit another account"
            return Finding("key", self._route.name, FindingVerdict.FAILED, told, cure)
        path = key if "/" in key else f"key/{key}"
        arn = key if key.startswith("arn:") else f"arn:{partition}:kms:{region}:{account}:{path}"
        refusal = self._tries.encrypt(self._route.name, lease, arn, stream_arn)
        if refusal is None:
            return Finding("key", self._route.name, FindingVerdict.FINE, f"{arn} may be used, by a dry run")
        if refusal.code not in DENIED:
            told = f"not known: {_said(refusal)}; KMS was asked whether {arn} may be used"
            cure = f"let this host reach KMS in {region} for the time of a check; a put needs no way there"
            return Finding("key", self._route.name, FindingVerdict.WARNING, told, cure, {"code": refusal.code})
        # A policy that admits only what Kinesis asks refuses this question, and puts would work.
        found = self._refused("key", FindingVerdict.WARNING, f"{arn} may not be used", refusal, "kms:GenerateDataKey")
        return replace(found, cure=f"{found.cure}; where it asks for kms:ViaService, puts work all the same")

    def _refused(self, step: str, verdict: FindingVerdict, told: str, refusal: Refusal, action: str) -> Finding:
        event, region = StreamRefused(self._route.name, *refusal), stream_region(self._settings, self._route)
        facts: dict[str, str | None] = {"code": refusal.code}
        if refusal.code in DENIED:
            cure, facts = cure_for_use(event, action), facts_of(*refusal, action)
        else:
            cure = cure_for_stream(event, self._settings, self._route, self._index, region)
        return Finding(step, self._route.name, verdict, f"{told}: {_said(refusal)}", cure, facts)


def _said(refusal: Refusal) -> str:
    return f"{refusal.code} ({refusal.message.rstrip('.')})" if refusal.message else refusal.code
