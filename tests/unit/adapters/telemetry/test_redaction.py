from __future__ import annotations

import time

import pytest

from doka.adapters.telemetry.redaction import HIDDEN, TEXT_CHARACTERS_MAX, redact, redacted

ACCESS_KEY = "ASIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzE" + "Jr3aB+/9x" * 30 + "=="


@pytest.mark.parametrize(
    "text",
    [
        f"The Access Key Id {ACCESS_KEY} is not subject to a service quota",
        f"secret {SECRET_KEY} in a sentence",
        f"AWS_SECRET_ACCESS_KEY={SECRET_KEY}",
        f"x-amz-security-token:{TOKEN}",
        "X-Amz-Security-Token: short-token-of-a-test",
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20260101, SignedHeaders=host, Signature=0123456789abcdef",
        "sasl.password=hunter2",
        f"canonical request was 'POST\n/\n\nhost:kinesis\nx-amz-security-token:{TOKEN}\n\nhost'",
        f"https://sts.example/?X-Amz-Signature=0123456789abcdef0123&X-Amz-Security-Token={TOKEN}",
    ],
)
def test_secrets_in_sentences(text: str) -> None:
    """Nothing that signs survives, in whatever sentence a service or a library wraps it."""
    shown = redact(text)
    assert HIDDEN in shown
    for secret in (ACCESS_KEY, SECRET_KEY, TOKEN, "short-token", "hunter2", "0123456789abcdef"):
        assert secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        "User: arn:aws:sts::210987654321:assumed-role/doka-writer/doka-host-1 is not authorized",
        "no permission for kinesis:PutRecords on resource: arn:aws:kinesis:eu-west-1:210987654321:stream/orders",
        "ProvisionedThroughputExceededException: Rate exceeded for shard shardId-000000000003",
        "commit 0f3c9c1f6f6e4a5f0b1c2d3e4f5a6b7c8d9e0f1a",
        "route orders: 500 records settled (12.1 KiB, slowest put 23 ms)",
        "b-1.example.kafka.eu-west-1.amazonaws.com:9098/bootstrap: connection refused",
        "the security token included in the request is expired",
    ],
)
def test_what_a_person_needs_stays(text: str) -> None:
    """ARNs, codes, hosts and counts are what a person looks for, and they stay."""
    assert text == redact(text)


def test_values() -> None:
    """What has a secret's name is hidden, bytes and unknown objects are never shown, figures stay."""

    class Holder:
        def __repr__(self) -> str:
            return SECRET_KEY

    assert {
        "route": "orders",
        "records": 5,
        "token": HIDDEN,
        "payload_bytes": 5,
        "secret_key": HIDDEN,
        "key": HIDDEN,
        "held": ["[3 bytes]", "[Holder]"],
        "nested": {"password": HIDDEN, "code": "x"},
        "left": None,
    } == redacted(
        {
            "route": "orders",
            "records": 5,
            "token": "t",
            "payload_bytes": 5,
            "secret_key": "s",
            "key": "k",
            "held": [b"abc", Holder()],
            "nested": {"password": "p", "code": "x"},
            "left": None,
        }
    )


def test_depth_is_bounded() -> None:
    """A structure that contains itself ends."""
    loop: list[object] = []
    loop.append(loop)
    assert HIDDEN in str(redacted(loop))


@pytest.mark.parametrize(
    "pattern", ["-A", "A", "a=", "AKIA", "x-amz-security-token ", "secret", "Signature=", "A1 ", "/+"]
)
def test_the_longest_text_is_searched_in_no_time(pattern: str) -> None:
    """A service or a box can answer megabytes of anything; the loop must not stand still for it."""
    text = pattern * (3_000_000 // len(pattern))
    began = time.process_time()
    assert len(redact(text)) <= TEXT_CHARACTERS_MAX + len(" [cut]")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("before", [0, 1, 7_900, 7_950, 7_999])
def test_a_secret_at_the_cut_is_hidden_whole(before: int) -> None:
    """Of a token of which the end was cut off, not one half is shown."""
    shown = redact("x" * before + " " + TOKEN + " tail" * 2_000)
    assert not any(TOKEN[at : at + 12] in shown for at in range(0, len(TOKEN) - 12, 4))


def test_what_cannot_be_written_is_escaped() -> None:
    """A lone surrogate, which JSON can hold and UTF-8 cannot, is no reason to lose the line."""
    assert {"code\\ud800": "a\\udfffb \N{EURO SIGN}"} == redacted({"code\ud800": "a\udfffb \N{EURO SIGN}"})
