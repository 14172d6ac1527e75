from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from doka.app.config_options import ConfigOptions
from doka.app.settings import SettingsError, load_settings
from doka.app.settings.convert import convert, page
from doka.app.settings.legacy import LegacySettings
from tests.unit.app.settings.test_legacy import OLD, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of the old service."""
    written = tmp_path / "dev.yaml"
    written.write_text(OLD)
    return written


@pytest.mark.parametrize("crosses", ["true", "false"])
def test_the_converted_page_means_the_same(file: Path, tmp_path: Path, crosses: str) -> None:
    """Read back, it gives the very settings that the old file gives."""
    file.write_text(OLD.replace("crossAccount: true", f"crossAccount: {crosses}"))
    new = tmp_path / "doka.yaml"
    new.write_text(convert(file, allow_plaintext=True))
    assert load_settings(ConfigOptions(new), environ={}, hostname="pod-1") == load(file)


def test_the_converted_page_does_not_permit_plaintext_by_itself(file: Path, tmp_path: Path) -> None:
    """The permission is a person's to give, in the page or as a flag."""
    new = tmp_path / "doka.yaml"
    new.write_text(convert(file, allow_plaintext=False))
    with pytest.raises(SettingsError, match="plaintext does not encrypt"):
        load_settings(ConfigOptions(new), environ={}, hostname="pod-1")
    assert load_settings(ConfigOptions(new, allow_plaintext=True), environ={}, hostname="pod-1") == load(file)


@pytest.mark.parametrize(
    "odd", ["a: b", "# no comment", "two\nlines", 'quo"te', "\u2028", "\x7f", "\U0001f600", "{x}", "*a", "yes", "1"]
)
def test_no_text_of_an_old_file_can_break_out_of_the_page(odd: str) -> None:
    """Whatever is in a name or a prefix stays a text, or a comment."""
    legacy = LegacySettings.model_validate(
        {
            "aws": {
                "region": odd,
                "crossAccountArn": odd,
                "kinesis": {"streamName": odd, "partitionKey": odd},
            },
            "msk": {"topic": odd, "brokers": [odd], "groupId": odd},
        }
    )
    assert yaml.safe_load(page(legacy, odd, allow_plaintext=True)) == {
        "kafka": {
            "bootstrap_servers": [odd],
            "group_id": odd,
            "start_from": "earliest",
            "security": {"protocol": "plaintext", "allow_plaintext": True},
        },
        "aws": {"region": odd},
        "roles": {"cross_account": {"hops": [{"role_arn": odd, "duration_seconds": 3600}]}},
        "routes": [
            {
                "topics": [odd],
                "stream": {"name": odd, "role": "cross_account"},
                "partition_key": "random",
                "ordering": "none",
            }
        ],
    }


def test_the_converted_page_explains_each_choice(file: Path) -> None:
    """What became of the prefix, of the offsets, of the permission, and how to keep order instead."""
    text = convert(file, allow_plaintext=True)
    for explained in (
        'written from "dev.yaml"',
        'a random key that began with "orders-"',
        "partition_key: kafka_key, ordering: key",
        "The old service spoke plaintext",
        "those offsets also moved on past",
        "earliest repeats what Kafka still holds and loses nothing",
    ):
        assert explained in text
