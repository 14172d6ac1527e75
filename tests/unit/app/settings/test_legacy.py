from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings import Settings, SettingsError, load_settings, settings_from

OLD = """\
aws:
  region: eu-west-1
  crossAccount: true
  crossAccountArn: arn:aws:iam::210987654321:role/writer
  kinesis: {streamName: orders, partitionKey: orders-}
msk:
  topic: orders-topic
  brokers: ["b-1.example:9092", "b-2.example:9092"]
  groupId: orders-forwarder
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of the old service."""
    written = tmp_path / "dev.yaml"
    written.write_text(OLD)
    return written


def load(file: Path, *, allow_plaintext: bool = True) -> Settings:
    """Load a file of the old service."""
    return load_settings(ConfigOptions(None, file, allow_plaintext), environ={}, hostname="pod-1")


def refusal(file: Path, *, allow_plaintext: bool = True) -> str:
    """Give the lines that a file of the old service is refused with."""
    with pytest.raises(SettingsError) as refused:
        load(file, allow_plaintext=allow_plaintext)
    return str(refused.value)


def test_the_old_file_means_what_it_meant(file: Path) -> None:
    """The same brokers, group, topic, stream and role; random keys, in no order, as the old service wrote."""
    assert load(file) == settings_from(
        {
            "kafka": {
                "bootstrap_servers": ["b-1.example:9092", "b-2.example:9092"],
                "group_id": "orders-forwarder",
                "security": {"protocol": "plaintext", "allow_plaintext": True},
            },
            "aws": {"region": "eu-west-1"},
            "roles": {"cross_account": {"hops": [{"role_arn": "arn:aws:iam::210987654321:role/writer"}]}},
            "routes": [
                {
                    "topics": ["orders-topic"],
                    "stream": {"name": "orders", "role": "cross_account"},
                    "partition_key": "random",
                    "ordering": "none",
                }
            ],
        },
        hostname="pod-1",
    )


def test_plaintext_needs_the_flag(file: Path) -> None:
    """The old service spoke plaintext; that is permitted anew or not done."""
    assert refusal(file, allow_plaintext=False) == (
        f"{file}:8: kafka.security.protocol plaintext does not encrypt; take ssl or sasl_ssl, "
        "or permit it with kafka.security.allow_plaintext: true (or --allow-plaintext)"
    )


@pytest.mark.parametrize(
    ("before", "after", "role"),
    [
        ("crossAccount: true", "crossAccount: false", None),
        ("  crossAccount: true\n", "", "cross_account"),
        (
            "  crossAccount: true\n  crossAccountArn: arn:aws:iam::210987654321:role/writer\n",
            "",
            None,
        ),
    ],
)
def test_a_role_is_assumed_where_the_old_service_did(file: Path, before: str, after: str, role: str | None) -> None:
    """`crossAccount` decides; where it is not there, the role's ARN does."""
    file.write_text(OLD.replace(before, after))
    assert load(file).routes[0].stream.role == role


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "  crossAccountArn: arn:aws:iam::210987654321:role/writer\n",
            "",
            (
                "3: aws.crossAccountArn is missing although crossAccount is true; "
                "name the role that writes, or set crossAccount: false"
            ),
        ),
        ("  topic: orders-topic\n", "", "6: msk.topic is missing; write it like `topic: orders`"),
        ("groupId", "groupID", "9: msk.groupID is unknown; did you mean msk.groupId?"),
        ("streamName: orders", "streamName: 7", "5: aws.kinesis.streamName must be text; put the number in quotes"),
        ("crossAccount: true", 'crossAccount: "yes"', "3: aws.crossAccount must be true or false, without quotes"),
        (
            ":role/writer",
            ":user/writer",
            (
                "4: roles.cross_account.hops[0].role_arn is not the ARN of an IAM role (it names an IAM user); "
                "write it like arn:aws:iam::210987654321:role/doka-writer"
            ),
        ),
        (
            "orders-topic",
            "orders topic",
            "7: routes[0].topics[0] is not the name of a Kafka topic: 1 to 249 letters, digits, dots, dashes or underscores; a * in it makes a pattern",
        ),
    ],
)
def test_what_is_wrong_in_an_old_file_is_told_with_its_line(file: Path, before: str, after: str, expected: str) -> None:
    """Also when only the new form can tell that it is wrong."""
    assert before in OLD
    file.write_text(OLD.replace(before, after))
    assert f"{file}:{expected}" in refusal(file).splitlines()


def test_brokers_may_be_written_with_commas(file: Path) -> None:
    """Some of the old files do."""
    file.write_text(OLD.replace('["b-1.example:9092", "b-2.example:9092"]', "b-1.example:9092, b-2.example:9092"))
    assert load(file).kafka.bootstrap_servers == ("b-1.example:9092", "b-2.example:9092")


def test_the_new_form_under_the_old_option_is_told(file: Path) -> None:
    """One line instead of a list of everything that is missing."""
    file.write_text("kafka: {}\n")
    assert refusal(file) == f"{file}: is of the new form; run it with --config"
    file.write_text("")
    assert refusal(file) == f"{file}: is empty"


def test_variables_go_before_the_old_file_too(file: Path) -> None:
    """A deployment that sets variables need not convert its file first."""
    environ = {"DOKA_KAFKA__SECURITY__PROTOCOL": "ssl", "DOKA_ROUTES__0__ORDERING": "none"}
    given = load_settings(ConfigOptions(legacy_config=file), environ=environ, hostname="pod-1")
    assert given.kafka.security.protocol == "ssl"
