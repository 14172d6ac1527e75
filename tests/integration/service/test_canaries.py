"""A secret that is pasted with a character too many is named, and never told: in no log at debug, and by no check."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, FakeAws
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC
from tests.waiting import eventually
from tests.warm import DOKA, run_warm

CANARY = "Qx7canaryVz"
LONG = CANARY * 12  # as long as a real token, so that it could be wrapped
ODD = {
    "a line break at its end": f"{LONG}\n",
    "wrapped": f"{LONG[:76]}\n{LONG[76:]}",
    "a carriage return": f"{LONG}\r{CANARY}",
    "a control character": f"{LONG}\x1b[2J{CANARY}",
    "not ASCII": f"{LONG}\N{EURO SIGN}{CANARY}",
    "a byte that is no text": f"{LONG}\udcff{CANARY}",
    "a blank at its end": f"{LONG} ",
}
VARIABLES = {
    "access key": "AWS_ACCESS_KEY_ID",
    "secret key": "AWS_SECRET_ACCESS_KEY",
    "session token": "AWS_SESSION_TOKEN",
}


@pytest.fixture(scope="module")
def given() -> Iterator[dict[str, Any]]:
    """What an operator writes, for a world that works."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        cluster.create_topic(TOPIC, PARTITIONS)
        aws.create_stream(STREAM)
        log = {"level": "debug"}
        yield settings(cluster.bootstrap_servers, aws.url, {TOPIC: STREAM}, group_id=GROUP, log=log)


def checked(given: dict[str, Any], folder: Path, environment: dict[str, str]) -> str:
    """Give all that `doka check` writes."""
    config = folder / "doka.yaml"
    config.write_text(yaml.safe_dump(given), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOKA_", "AWS_"))}
    workload = {
        "AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key,
        "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = run_warm([DOKA, "check", "--config", config], env=kept | workload | environment, timeout=60)
    assert 0 != done.returncode
    said: bytes = done.stdout + done.stderr
    return said.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("secret", "odd"),
    [*(("session token", odd) for odd in ODD), ("access key", "wrapped"), ("secret key", "a line break at its end")],
)
def test_check_names_the_variable_and_never_tells_its_value(
    given: dict[str, Any], tmp_path: Path, secret: str, odd: str
) -> None:
    """Whatever is wrong with it, it is said in which variable, and no part of it is shown."""
    told = checked(given, tmp_path, {VARIABLES[secret]: ODD[odd]})
    assert CANARY not in told
    assert f"the {secret} of AWS_ACCESS_KEY_ID" in " ".join(told.split())
    assert "Traceback" not in told


@pytest.mark.parametrize("odd", ["wrapped", "not ASCII"])
def test_an_external_id_that_cannot_be_is_not_told(given: dict[str, Any], tmp_path: Path, odd: str) -> None:
    """Settings that are refused are named by their path, and this one's value is nobody's business."""
    roles = {"writer": {"hops": [{"role_arn": WRITER_ROLE, "external_id": ODD[odd]}]}}
    told = checked({**given, "roles": roles}, tmp_path, {})
    assert CANARY not in told
    assert "external_id" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("secret", ["access key", "session token"])
def test_a_run_at_debug_tells_why_it_has_no_lease_and_not_what_was_wrong_with_it(
    given: dict[str, Any], tmp_path: Path, secret: str
) -> None:
    """The log and the pages hold the name of the variable, again at each try, and nothing of what it holds."""
    environment = {VARIABLES[secret]: ODD["wrapped"]}
    with DokaProcess(given, tmp_path, environment=environment) as doka:
        eventually(lambda: len(doka.lines("lease_renewal_failed")) > 1, within=30, what="two tries")
        pages = "".join(doka.page(path)[1] for path in ("/metrics", "/readyz", "/healthz"))
        assert 0 == doka.stop()
    assert CANARY not in doka.said() + pages
    lines = doka.lines("lease_renewal_failed")
    assert all(f"the {secret} of " in line["message"] for line in lines)
    cure = "write the value anew, in one line and without blanks around it; pasted secrets are often wrapped"
    assert {(cure, True)} == {(line["cure"], f"; {cure}" in line["message"]) for line in lines}
