"""A Kubernetes API server, where one answers, and namespaces of one's own on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

REQUIRED = "DOKA_KUBERNETES"
KUBECTL_SECONDS = 60.0
PROFILE = "pod-security.kubernetes.io"


def ask(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Let kubectl do something, whatever comes of it; `given` is its stdin."""
    return subprocess.run(
        ["kubectl", *words], input=given, capture_output=True, text=True, timeout=KUBECTL_SECONDS, check=False
    )


def kubectl(*words: str, given: str = "") -> str:
    """Let kubectl do something that must succeed, and give what it prints."""
    done = ask(*words, given=given)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
    return done.stdout


def listed(kind: str, namespace: str, *words: str) -> list[dict[str, Any]]:
    """Give the objects of a kind."""
    items: list[dict[str, Any]] = json.loads(kubectl("get", kind, "-n", namespace, "-o", "json", *words))["items"]
    return items


@cache
def _missing() -> str:
    """Say why there is no server to try things on; nothing where there is one."""
    if shutil.which("kubectl") is None:
        return "kubectl is not installed (scripts/helm fetches it)"
    server = ask("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").stdout
    # Whatever kubectl is set to may be somebody's production: unasked, only what runs on this machine is touched.
    if os.environ.get(REQUIRED) != "required" and not any(
        f"//{here}" in server for here in ("127.", "localhost", "[::1]")
    ):
        return f"no Kubernetes API server on this machine ({REQUIRED}=required takes the one that kubectl is set to)"
    if ask("get", "--raw", "/readyz", "--request-timeout=5s").returncode != 0:
        return "no Kubernetes API server answers"
    return ""


def find_cluster() -> None:
    """Skip where no API server answers, unless DOKA_KUBERNETES=required."""
    missing = _missing()
    if missing and os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{missing} (and {REQUIRED}=required)", pytrace=False)
    if missing:
        pytest.skip(missing)


@cache
def kinds() -> frozenset[str]:
    """Give the kinds that the server knows."""
    return frozenset(line.split()[-1] for line in kubectl("api-resources", "--no-headers").splitlines())


@contextmanager
def own_namespace() -> Iterator[str]:
    """Make a namespace in which nothing but `restricted` pods may run, and delete it in the end."""
    name = f"doka-test-{uuid4().hex[:8]}"
    labels = {f"{PROFILE}/{mode}": "restricted" for mode in ("enforce", "warn")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl("create", "-f", "-", given=json.dumps(namespace))
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether a pod is ready."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))
