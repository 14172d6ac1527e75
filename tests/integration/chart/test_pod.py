"""The container of the chart's pod, run as a process: what a kubelet would start, ask and stop, without one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.containers.feeding import Feeder
from tests.containers.kafka_broker import free_port
from tests.containers.pages import status
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.integration.chart.helm import Manifest, container, find_helm, of_kind, rendered, workload
from tests.waiting import eventually

TOPIC = STREAM = "orders"
RECORDS = 200
CHECK_SECONDS = 60


def variables(started: Manifest) -> dict[str, str]:
    """Give what a container is given, and the credentials that the platform would bring."""
    given = {entry["name"]: entry["value"] for entry in started["env"]}
    return given | {
        "AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key,
        "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_what_the_pod_starts_passes_its_check_becomes_ready_forwards_and_stops(tmp_path: Path) -> None:
    """By the rendered file, words, variables and probes; the stop takes less than the grace period."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        cluster.create_topic(TOPIC, 2)
        aws.create_stream(STREAM, shards=2)
        port = free_port()
        config = settings(cluster.bootstrap_servers, aws.url, {TOPIC: STREAM}, group_id="doka-pod", http={"port": port})
        values = tmp_path / "values.yaml"
        values.write_text(yaml.safe_dump({"image": {"repository": "doka"}, "config": config}), encoding="utf-8")
        manifests = rendered(find_helm(), values)
        (config_map,) = of_kind(manifests, "ConfigMap")
        mounted: dict[str, Any] = yaml.safe_load(config_map["data"]["doka.yaml"])
        started = container(manifests)
        assert ["run", "--config", "/etc/doka/doka.yaml"] == started["args"]

        service = DokaProcess(mounted, tmp_path, environment=variables(started))
        check(manifests, tmp_path / "doka.yaml")
        with service:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = (f"127.0.0.1:{port}", started[probe]["httpGet"]["path"])
                eventually(lambda asked=asked: status(*asked) == 200, what=f"an answer to the {probe}")  # type: ignore[misc]
            feeder = Feeder(cluster.bootstrap_servers, TOPIC, 2)
            feeder.feed(RECORDS)
            eventually(lambda: RECORDS <= aws.landed_count(STREAM), what="all records")
            began = time.monotonic()
            assert 0 == service.stop()
            assert (
                time.monotonic() - began
                < workload(manifests)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            )


def check(manifests: list[Manifest], file: Path) -> None:
    """Run what `helm test` runs; it must find nothing wrong."""
    (pod,) = of_kind(manifests, "Pod")
    (started,) = pod["spec"]["containers"]
    words = [str(file) if word == "/etc/doka/doka.yaml" else word for word in started["args"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOKA_", "AWS_"))}
    done = subprocess.run(
        [Path(sys.executable).parent / "doka", *words],
        env=kept | variables(started),
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
