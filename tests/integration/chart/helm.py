"""Helm, as far as it is installed, and what it makes of the chart."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.source_tree import ROOT

CHART = ROOT / "deploy" / "helm" / "doka"
GIVEN = tuple(sorted((CHART / "ci").glob("*-values.yaml")))
"""Values of installations as there might be some."""
REQUIRED = "HELM_TESTS"
HELM_SECONDS = 60.0
KUBERNETES = "1.37"
"""What it is rendered for where no server is asked."""
RELEASE, NAMESPACE = "orders", "data"

Manifest = Mapping[str, Any]


class RefusedError(AssertionError):
    """Helm did not do it; the text is what it said."""


@cache
def helms() -> Mapping[str, str]:
    """Give each major version of Helm that is installed (`3`, `4`), as helm, helm3 or helm4: its command."""
    found: dict[str, str] = {}
    for name in ("helm", "helm3", "helm4"):
        command = shutil.which(name)
        if command is not None:
            told = subprocess.run(
                [command, "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=False
            )
            found.setdefault(told.stdout.removeprefix("v")[:1], command)
    return found


def find_helm(major: str = "") -> str:
    """Give its command; skip where there is none, unless HELM_TESTS=required and there is none of any version."""
    found = helms()
    if major in found:
        return found[major]
    if found and not major:
        return found[max(found)]
    missing = f"Helm {major} is not installed".replace("  ", " ")
    if not found and os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{missing} (and {REQUIRED}=required)", pytrace=False)
    pytest.skip(f"{missing} (scripts/helm fetches Helm 4)")


def ask(helm: str, *words: str | Path) -> str:
    """Let Helm do something, and give what it prints.

    Raises:
        RefusedError: with what it said instead.
    """
    done = subprocess.run([helm, *map(str, words)], capture_output=True, text=True, timeout=HELM_SECONDS, check=False)
    if done.returncode != 0:
        raise RefusedError(done.stderr + done.stdout)
    return done.stdout


@cache
def _rendered(helm: str, values: Path, words: tuple[str, ...]) -> str:
    # A Helm that was built by `go install` takes Kubernetes for 1.20 where it is not told.
    asked = ("template", RELEASE, CHART, "--kube-version", KUBERNETES, "--namespace", NAMESPACE, "--values", values)
    return ask(helm, *asked, *words)


def rendered(helm: str, values: Path, *words: str) -> list[Manifest]:
    """Give all that the chart becomes with these values, in the order in which Helm prints it; `words` are `--set` and such."""
    return [document for document in yaml.safe_load_all(_rendered(helm, values, words)) if document]


def of_kind(manifests: list[Manifest], *kinds: str) -> Iterator[Manifest]:
    """Give those of these kinds."""
    return (manifest for manifest in manifests if manifest["kind"] in kinds)


def workload(manifests: list[Manifest]) -> Manifest:
    """Give the Deployment or StatefulSet."""
    (found,) = of_kind(manifests, "Deployment", "StatefulSet")
    return found


def container(manifests: list[Manifest]) -> Manifest:
    """Give the container that forwards."""
    (found,) = workload(manifests)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def given(name: str) -> Path:
    """Give the file of ci/ that begins with a name."""
    return CHART / "ci" / f"{name}-values.yaml"
