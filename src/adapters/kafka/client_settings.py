"""From doka's settings to librdkafka's keys, each with its reason.

A key that decides about loss, order, verification or running code can never be set by an operator: further keys come
from an allow-list, because a deny-list forgets (`plugin.library.paths` runs a library's code when it is merely read).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, Protocol

from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings
from doka.domain.errors import UsageError


class Oauth(Protocol):
    """A source of tokens to log in with."""

    last_error: str | None
    """Why the last token could not be made; None when it could."""

    def __call__(self, config: str, /) -> tuple[str, float]:
        """Give (token, its end in seconds since the epoch); called on librdkafka's background thread."""
        ...

    def refused(self) -> None:
        """Take notice that a broker refused a login by a token."""
        ...

    @property
    def signer(self) -> str:
        """Say, for a person, whose credentials signed the last token."""
        ...


POLL_INTERVAL_MS_MIN: Final = 300_000
SESSION_TIMEOUT_MS: Final = 45_000
QUEUE_SHARE: Final = 8  # an eighth of the held bytes may wait in librdkafka's queue
ANSWER_SHARE: Final = 85
"""One answer of a broker may have so small a share of the queue's bytes, 96 KiB by default: it is unpacked whole, whatever
the queue holds. 128 KiB of compressed headers came to 98 MB, 1 MiB of tiny records, at librdkafka's 500 bytes for each, to
300 MiB. It cannot be less than one batch, which is its producers' to decide."""
ANSWER_BYTES_MIN: Final = 64 * 1024
RECORD_IN_QUEUE_BYTES: Final = 4_096
"""What a queued record may take that librdkafka does not count among the queue's bytes: its own structures, key, headers."""
QUEUE_LOOK_MS: Final = 1
"""How soon a full queue is looked at again. What it holds must last as long: 2,048 records are 7 ms of work. With 10 ms the
loop ran dry each time, and took few records at a time; with librdkafka's default of 1 s it does half. It costs nothing while
partitions are paused, as they are soon where nothing moves."""
QUEUE_BYTES_MAX: Final = 2_097_151 * 1024  # librdkafka's own bound of queued.max.messages.kbytes
FETCH_BYTES_MAX: Final = 50 * 1024 * 1024  # librdkafka's and the broker's usual bound of one answer

ALLOWED_CLIENT_KEYS: Final = frozenset(
    {
        "broker.address.family",
        "broker.address.ttl",
        "client.dns.lookup",
        "client.rack",
        "connections.max.idle.ms",
        "debug",
        "enable.metrics.push",
        "fetch.error.backoff.ms",
        "fetch.max.bytes",
        "fetch.min.bytes",
        "fetch.queue.backoff.ms",
        "fetch.wait.max.ms",
        "heartbeat.interval.ms",
        "log.connection.close",
        "log_level",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "message.max.bytes",
        "metadata.max.age.ms",
        "metadata.recovery.rebootstrap.trigger.ms",
        "metadata.recovery.strategy",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "receive.message.max.bytes",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "session.timeout.ms",
        "socket.connection.setup.timeout.ms",
        "socket.keepalive.enable",
        "socket.nagle.disable",
        "socket.receive.buffer.bytes",
        "socket.send.buffer.bytes",
        "ssl.cipher.suites",
        "ssl.crl.location",
        "ssl.curves.list",
        "ssl.sigalgs.list",
        "topic.metadata.refresh.interval.ms",
    },
)


def consumer_settings(settings: MemberSettings, oauth: Oauth | None = None) -> dict[str, Any]:
    """Give all keys of the group member; raises UsageError for what cannot be."""
    queue_bytes = min(QUEUE_BYTES_MAX, max(1024 * 1024, settings.held_bytes // QUEUE_SHARE))
    fetch_bytes = min(FETCH_BYTES_MAX, max(ANSWER_BYTES_MIN, queue_bytes // ANSWER_SHARE))
    keys: dict[str, Any] = {
        **connection_settings(settings, oauth),
        "group.id": settings.group_id,
        # Offsets are committed by the ledger alone, after records have settled.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A position outside the log is a gap to be told, never a silent jump to an end of it.
        "auto.offset.reset": "error",
        # Only the end of a partition completes offsets that no record has (transaction markers, compaction).
        "enable.partition.eof": True,
        # What an aborted transaction wrote was never said.
        "isolation.level": "read_committed",
        # A damaged batch is an error in the stream, not other bytes in Kinesis.
        "check.crcs": True,
        # A missing topic is to be reported; making it here would hide a misspelt name.
        "allow.auto.create.topics": False,
        # The local queue is our prefetch; its default of 64 MiB is for itself as large as all that doka may hold.
        "queued.max.messages.kbytes": queue_bytes // 1024,
        "queued.min.messages": min(100_000, max(500, queue_bytes // RECORD_IN_QUEUE_BYTES)),
        "fetch.max.bytes": fetch_bytes,
        "max.partition.fetch.bytes": min(1024 * 1024, fetch_bytes),
        "message.max.bytes": min(1_000_000, fetch_bytes),  # librdkafka wants fetch.max.bytes to be at least this
        "fetch.queue.backoff.ms": QUEUE_LOOK_MS,
        # A revoke blocks polling for the whole drain, and starting positions are asked for inside a callback.
        "max.poll.interval.ms": max(POLL_INTERVAL_MS_MIN, int(settings.drain_seconds * 4_000)),
        # New partitions and cured topics are noticed within this time.
        "topic.metadata.refresh.interval.ms": 10_000,
        **_group_settings(settings),
        **checked_client_keys(settings.client),
    }
    if keys["max.poll.interval.ms"] < 2_000 * settings.drain_seconds:
        raise UsageError(
            f"kafka.client: max.poll.interval.ms is {keys['max.poll.interval.ms']}, but a drain may take "
            f"{settings.drain_seconds:g} s; raise it to at least {2_000 * settings.drain_seconds:.0f} or lower "
            "limits.drain_seconds",
        )
    return keys


def connection_settings(settings: MemberSettings, oauth: Oauth | None = None) -> dict[str, Any]:
    """Give the keys by which any client of ours (group member, preflight) reaches the cluster."""
    return {
        "bootstrap.servers": ",".join(settings.bootstrap_servers),
        "client.id": settings.client_id,
        # Answers to commits come, at the latest, after this; domain.limits.COMMIT_GIVEN_UP_NS leans on it.
        "socket.timeout.ms": 60_000,
        # Firewalls forget idle connections in silence; a frozen broker is else noticed only by the time-out.
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 5_000,
        # Brokers close idle connections; that is no news.
        "log.connection.close": False,
        # Statistics cost a JSON document of all partitions each time; what doka shows it counts itself.
        "statistics.interval.ms": 0,
        # Nothing about this process is sent to brokers unless the operator asks for it.
        "enable.metrics.push": False,
        **_security_settings(settings.security, oauth),
    }


def checked_client_keys(client: Mapping[str, str | int | float | bool]) -> dict[str, Any]:
    """Give the operator's further keys; raises UsageError for one that is not on the allow-list."""
    for key in client:
        if key not in ALLOWED_CLIENT_KEYS:
            near = difflib.get_close_matches(key, ALLOWED_CLIENT_KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else "it is not among the keys that doka passes on"
            raise UsageError(f"kafka.client: {key} may not be set here; {hint}")
    return dict(client)


def _group_settings(settings: MemberSettings) -> dict[str, Any]:
    keys: dict[str, Any] = {"group.protocol": settings.group_protocol}
    if settings.group_protocol == "classic":
        # With the newer protocol these three belong to the broker, and librdkafka refuses them.
        keys |= {
            # Partitions that stay with a member are not stopped by a rebalance.
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": 3_000,
        }
    if settings.rack is not None:
        keys["client.rack"] = settings.rack
    if settings.group_instance_id is not None:
        keys["group.instance.id"] = settings.group_instance_id
    return keys


def _security_settings(security: KafkaSecurity, oauth: Oauth | None) -> dict[str, Any]:
    keys: dict[str, Any] = {"security.protocol": security.protocol}
    if security.protocol in {"ssl", "sasl_ssl"}:
        # A certificate that verifies but names another host is somebody else's.
        keys["ssl.endpoint.identification.algorithm"] = "https"
        given = {
            "ssl.ca.location": security.ca_file,
            "ssl.certificate.location": security.certificate_file,
            "ssl.key.location": security.key_file,
            "ssl.key.password": security.key_password,
        }
        keys |= {key: value for key, value in given.items() if value is not None}
    if security.protocol in {"sasl_plaintext", "sasl_ssl"}:
        keys |= _sasl_settings(security, oauth)
    elif security.mechanism is not None:
        raise UsageError(
            f"kafka.security: mechanism {security.mechanism} needs protocol sasl_ssl, not {security.protocol}",
        )
    return keys


def _sasl_settings(security: KafkaSecurity, oauth: Oauth | None) -> dict[str, Any]:
    if security.mechanism is None:
        raise UsageError(
            f"kafka.security: protocol {security.protocol} needs a mechanism: "
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or aws_msk_iam",
        )
    if security.mechanism == "aws_msk_iam":
        if security.protocol != "sasl_ssl":
            raise UsageError("kafka.security: mechanism aws_msk_iam needs protocol sasl_ssl")
        if oauth is None:
            raise UsageError("kafka.security: mechanism aws_msk_iam needs the cluster's region: set aws.region")
        # MSK takes an IAM-signed token where others take one of an OAuth server.
        return {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": oauth}
    if security.username is None or security.password is None:
        raise UsageError(f"kafka.security: mechanism {security.mechanism} needs username and password")
    return {
        "sasl.mechanism": security.mechanism,
        "sasl.username": security.username,
        "sasl.password": security.password,
    }
