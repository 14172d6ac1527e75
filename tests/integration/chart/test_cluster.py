"""The chart on a real Kubernetes API server with its controllers: what it is told, and how it behaves.

No image runs there: something that stands in for the kubelet makes pods ready, or not where the annotation
`stand-in/ready: "false"` says so. Where no server answers these skip, and with DOKA_KUBERNETES=required they fail.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.architecture.source_tree import ROOT
from tests.architecture.test_docs import fenced
from tests.integration.chart import cluster, helm
from tests.integration.chart.cluster import is_ready, kubectl, listed
from tests.integration.chart.helm import GIVEN, find_helm, given, rendered
from tests.waiting import eventually

pytestmark = [pytest.mark.xdist_group("kubernetes"), pytest.mark.slow]

QUICK = ("--set", "minReadySeconds=0", "--set", "replicas=3")
UNREADY = ("--set-string", "podAnnotations.stand-in/ready=false")
RELEASE = "orders"


@pytest.fixture
def namespace() -> Iterator[str]:
    """Give a namespace of one's own, where pods must be `restricted`."""
    cluster.find_cluster()
    find_helm()
    with cluster.own_namespace() as name:
        yield name


def install(namespace: str, *words: str) -> None:
    """Install the chart, or bring it to other values."""
    values = ("--values", str(given("minimal")), *QUICK, *words)
    helm.ask(find_helm(), "upgrade", "--install", RELEASE, helm.CHART, "--namespace", namespace, *values)


def pods(namespace: str) -> list[str]:
    """Give the names of the pods that are ready and stay."""
    there = listed("pods", namespace, "-l", "app.kubernetes.io/component=service")
    return sorted(
        pod["metadata"]["name"] for pod in there if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
    )


def rolled_out(namespace: str) -> list[str]:
    """Wait for the rollout, and give the pods that are then there."""
    kubectl("rollout", "status", f"deployment/{RELEASE}-doka", "-n", namespace, "--timeout=50s")
    return ready(namespace, 3)


def ready(namespace: str, count: int) -> list[str]:
    """Wait until so many pods are ready, and no other is, and give their names."""

    def names() -> list[str]:
        found = pods(namespace)
        return found if len(found) == count else []

    return eventually(names, what=f"{count} ready pods", every=0.3)


def mounted(namespace: str) -> str:
    """Give the ConfigMap that the Deployment's pods read."""
    path = "jsonpath={.spec.template.spec.volumes[0].configMap.name}"
    return kubectl("get", "deployment", f"{RELEASE}-doka", "-n", namespace, "-o", path)


def evict(namespace: str, pod: str) -> int:
    """Ask for an eviction, as draining a node does; give the status of the answer."""
    wanted = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    done = cluster.ask("create", "--raw", path, "-f", "-", given=json.dumps(wanted))
    if done.returncode != 0:
        assert "disruption budget" in done.stderr, done.stderr
        return 429
    return 201


@pytest.mark.parametrize("values", GIVEN, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_the_server_takes_it_without_a_warning(values: Path, namespace: str) -> None:
    """Server-side apply takes every object, in a namespace that warns of whatever is not `restricted`."""
    manifests = rendered(find_helm(), values)
    unknown = {manifest["kind"] for manifest in manifests} - cluster.kinds()
    if unknown:
        pytest.skip(f"the server has no {', '.join(sorted(unknown))}")
    # A pod is refused, also by a dry run, where its service account is not.
    kubectl(
        "apply",
        "--server-side",
        "-n",
        namespace,
        "-f",
        "-",
        given=yaml.safe_dump_all(helm.of_kind(manifests, "ServiceAccount")),
    )
    applying = ("apply", "--server-side", "--dry-run=server", "--namespace", namespace, "-f", "-")
    done = cluster.ask(*applying, given=yaml.safe_dump_all(manifests))
    assert (0, "") == (done.returncode, done.stderr)
    assert len(manifests) == len(done.stdout.splitlines())


def test_a_pod_that_is_not_restricted_is_told(namespace: str) -> None:
    """The namespace of these tests does warn."""
    manifests = rendered(find_helm(), given("minimal"), "--set", "podSecurityContext.runAsNonRoot=null")
    applying = ("apply", "--server-side", "--dry-run=server", "--namespace", namespace, "-f", "-")
    (found,) = helm.of_kind(manifests, "Deployment")
    assert "runAsNonRoot" in cluster.ask(*applying, given=yaml.safe_dump(dict(found))).stderr


def test_install_upgrade_and_rollback(namespace: str) -> None:
    """An upgrade replaces the pods by such with the new configuration, and a rollback brings the one before."""
    install(namespace)
    first, old = mounted(namespace), rolled_out(namespace)
    install(namespace, "--set", "config.limits.held_mib=65")
    second, new = mounted(namespace), rolled_out(namespace)
    assert first != second
    assert not set(old) & set(new)
    assert "held_mib: 65" in kubectl("get", "configmap", second, "-n", namespace, "-o", "jsonpath={.data}")
    helm.ask(find_helm(), "rollback", RELEASE, "--namespace", namespace)
    rolled_out(namespace)
    assert first == mounted(namespace)
    assert "held_mib" not in kubectl("get", "configmap", first, "-n", namespace, "-o", "jsonpath={.data}")
    told = json.loads(helm.ask(find_helm(), "history", RELEASE, "--namespace", namespace, "-o", "json"))
    assert ["superseded", "superseded", "deployed"] == [entry["status"] for entry in told]


def test_a_version_that_does_not_become_ready_replaces_nothing(namespace: str) -> None:
    """The pods of the version before stay, all of them, and the rollout is told to have failed."""
    install(namespace)
    old = rolled_out(namespace)
    install(namespace, *UNREADY, "--set", "progressDeadlineSeconds=3")
    status = ("rollout", "status", f"deployment/{RELEASE}-doka", "-n", namespace, "--timeout=50s")
    assert "exceeded its progress deadline" in cluster.ask(*status).stderr
    assert old == pods(namespace)
    there = listed("pods", namespace, "-l", "app.kubernetes.io/component=service")
    assert 4 == len(there)
    helm.ask(find_helm(), "rollback", RELEASE, "--namespace", namespace)
    assert old == rolled_out(namespace)


def test_pods_that_are_not_ready_do_not_hold_up_maintenance(namespace: str) -> None:
    """While routes are blocked all pods can be evicted; with Kubernetes' own policy none could. Ready ones go one by one."""
    install(namespace, *UNREADY)
    budget = f"pdb/{RELEASE}-doka"

    def blocked() -> list[str]:
        there = listed("pods", namespace, "-l", "app.kubernetes.io/component=service")
        names = [pod["metadata"]["name"] for pod in there if pod["status"].get("phase") == "Running"]
        seen = json.loads(kubectl("get", budget, "-n", namespace, "-o", "json")).get("status", {})
        return names if len(names) == 3 == seen.get("expectedPods") and seen.get("currentHealthy") == 0 else []

    names = eventually(blocked, what="three pods that run and are not ready", every=0.3)
    healthy_only = '{"spec":{"unhealthyPodEvictionPolicy":"IfHealthyBudget"}}'
    kubectl("patch", budget, "-n", namespace, "--type=merge", "-p", healthy_only)
    assert 429 == evict(namespace, names[0])
    kubectl(
        "patch", budget, "-n", namespace, "--type=merge", "-p", healthy_only.replace("IfHealthyBudget", "AlwaysAllow")
    )
    assert [201, 201, 201] == [evict(namespace, name) for name in names]


def test_ready_pods_are_taken_one_at_a_time(namespace: str) -> None:
    """Where all is well a second pod is not taken before the first one has been replaced."""
    install(namespace)
    names = rolled_out(namespace)
    budget = f"pdb/{RELEASE}-doka"
    eventually(
        lambda: kubectl("get", budget, "-n", namespace, "-o", "jsonpath={.status.disruptionsAllowed}") == "1",
        what="the budget to know the pods",
        every=0.3,
    )
    assert [201, 429] == [evict(namespace, name) for name in names[:2]]


def test_static_members_start_together_with_their_own_names(namespace: str) -> None:
    """A StatefulSet of the chart makes all of its pods at once, numbered."""
    words = ("--values", str(given("static-members")), "--set", "minReadySeconds=0")
    helm.ask(find_helm(), "install", RELEASE, helm.CHART, "--namespace", namespace, *words)
    assert [f"{RELEASE}-doka-{number}" for number in range(4)] == ready(namespace, 4)


def test_the_page_leads_to_pods_that_run(namespace: str, tmp_path: Path) -> None:
    """What docs/kubernetes.md tells to type installs the chart by the configuration of the page, and shows what it says.

    Left out is what needs an image that runs: `helm test`, logs, forwarded ports, and a pod's own pages.
    """
    page = ROOT / "docs" / "kubernetes.md"
    for block in fenced(page, "yaml"):
        name = block.splitlines()[0].removeprefix("# ")
        if name.endswith(".yaml"):
            # An image's name is in small letters; the page's is in capitals so that nobody forgets to put another there.
            (tmp_path / name).write_text(block.replace("REGISTRY", "registry.example"), encoding="utf-8")
    (laid,) = (line[2:] for block in fenced(page, "console") for line in block.splitlines() if "config-values" in line)
    needs_an_image = ("helm test", "kubectl -n doka logs", "kubectl -n doka port-forward", "kubectl get --raw")
    typed = [
        line
        for block in fenced(page, "sh")
        for line in block.splitlines()
        if line.startswith(("helm ", "kubectl ")) and not line.startswith(needs_an_image)
    ]
    assert 3 == len(typed)
    for line in (laid, *typed):
        here = line.replace("deploy/helm", str(ROOT / "deploy/helm")).replace(
            "--namespace doka", f"--namespace {namespace}"
        )
        here = here.replace("-n doka", f"-n {namespace}").replace("helm upgrade", f"{find_helm()} upgrade")
        done = subprocess.run(
            ["/bin/sh", "-c", here], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"{here}: {done.stderr}"
    assert 2 == len(ready(namespace, 2))


def test_the_trial_runs() -> None:
    """The script for anybody's cluster does what it says, and leaves nothing behind."""
    cluster.find_cluster()
    find_helm()
    done = subprocess.run(
        [ROOT / "scripts" / "chart-trial", "--yes", "--ready"], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "doka-trial" not in kubectl("get", "namespaces", "--field-selector=status.phase=Active", "-o", "name")
