"""What the chart becomes with each file of ci/: Helm takes it, Kubernetes' schemas take it, and so does doka."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.app.config_options import ConfigOptions
from doka.app.settings import Settings, load_settings
from scripts.alerts import rule_file
from scripts.chart import values_schema
from tests.architecture.source_tree import ROOT
from tests.integration.chart.helm import (
    CHART,
    GIVEN,
    KUBERNETES,
    Manifest,
    ask,
    container,
    find_helm,
    given,
    of_kind,
    rendered,
    workload,
)
from tests.promtool import PROMTOOL_SECONDS, find_promtool

VERSIONS = ("1.29", KUBERNETES)
"""The oldest that the chart names, and the newest of which the schemas are here."""
OTHERS = frozenset({"PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"})
"""Kinds that are not Kubernetes' own; a server that knows them judges them in test_cluster.py."""
SECRETS = {"doka-kafka": {"DOKA_KAFKA__SECURITY__PASSWORD": "not-a-password"}}
"""What stands in the Secrets that the files of ci/ name in envFrom."""
EXISTING = ROOT / "examples" / "minimal.yaml"
"""What stands in the ConfigMap that they name."""

pytestmark = pytest.mark.xdist_group("chart")  # what one process has rendered it renders once
files = pytest.mark.parametrize("values", GIVEN, ids=lambda file: file.name.removesuffix("-values.yaml"))
majors = pytest.mark.parametrize("major", ["3", "4"])


def test_there_are_values() -> None:
    """The tests below cannot pass by finding nothing."""
    assert len(GIVEN) >= 6


@majors
@files
def test_helm_takes_it(values: Path, major: str) -> None:
    """Both versions of Helm that are in use lint it without a warning, and render the same."""
    helm = find_helm(major)
    ask(helm, "lint", "--strict", CHART, "--values", values)
    assert rendered(find_helm(), values) == rendered(helm, values)


@files
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(values: Path, version: str) -> None:
    """Each object is one of the schemas of the oldest and of the newest Kubernetes, without an unknown field."""
    import kubernetes_validate  # only here: it loads jsonschema's formats, which takes two seconds

    judged = [manifest for manifest in rendered(find_helm(), values) if manifest["kind"] not in OTHERS]
    assert {"Pod", "ServiceAccount"} < {manifest["kind"] for manifest in judged}
    for manifest in judged:
        kubernetes_validate.validate(dict(manifest), version, strict=True)


def test_a_misspelt_field_is_found() -> None:
    """The schemas can say no."""
    import kubernetes_validate

    manifest: dict[str, Any] = {**workload(rendered(find_helm(), given("minimal")))}
    manifest["spec"] = {**manifest["spec"], "replicsa": 2}
    with pytest.raises(kubernetes_validate.ValidationError, match="replicsa"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def settings_of(manifests: list[Manifest], folder: Path) -> Settings:
    """Load what the container reads, with the variables that it has, as the pod orders-0."""
    file = folder / "doka.yaml"
    file.write_text(
        next(
            (found["data"]["doka.yaml"] for found in of_kind(manifests, "ConfigMap") if "doka.yaml" in found["data"]),
            "",
        )
        or EXISTING.read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    given_to = container(manifests)
    environ: dict[str, str] = {}
    for source in given_to.get("envFrom", []):
        environ |= SECRETS[source["secretRef"]["name"]]
    environ |= {entry["name"]: entry.get("value", "orders-0") for entry in given_to["env"]}
    assert given_to["args"][:3] == ["run", "--config", "/etc/doka/doka.yaml"]
    return load_settings(ConfigOptions(file), environ=environ, hostname="orders-0")


@files
def test_doka_loads_it_and_the_pod_fits(values: Path, tmp_path: Path) -> None:
    """The configuration that comes out is one that doka takes, with all that was in it, and the pod is made for it."""
    manifests = rendered(find_helm(), values)
    settings = settings_of(manifests, tmp_path)
    pod = workload(manifests)["spec"]["template"]["spec"]
    (port,) = container(manifests)["ports"]
    assert settings.http.port == port["containerPort"]
    assert settings.http.host in {"0.0.0.0", "::"}
    assert settings.limits.drain_seconds + 5 <= pod["terminationGracePeriodSeconds"]
    memory = container(manifests)["resources"]["limits"]["memory"]
    assert settings.limits.held_mib + 92 < int(memory.removesuffix("Mi"))
    stands_in = yaml.safe_load(values.read_text(encoding="utf-8")).get("config")
    if stands_in is not None:
        plain = tmp_path / "plain.yaml"
        plain.write_text(yaml.safe_dump(stands_in), encoding="utf-8")
        same = load_settings(
            ConfigOptions(plain), environ=SECRETS["doka-kafka"] if "scram" in values.name else {}, hostname="orders-0"
        )
        ours = {"http": {"host", "port"}, "kafka": {"group_instance_id"}}
        assert same.model_dump(exclude=ours) == settings.model_dump(exclude=ours)


@files
def test_it_is_restricted(values: Path) -> None:
    """Each pod, that of `helm test` too, asks for no right at all, writes nowhere, and has no token of Kubernetes."""
    manifests = rendered(find_helm(), values)
    (check,) = of_kind(manifests, "Pod")
    for pod in (workload(manifests)["spec"]["template"]["spec"], check["spec"]):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        (only,) = pod["containers"]
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert check["spec"]["containers"][0]["args"][0] == "check"
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"


@files
def test_probes_mean_what_they_are_for(values: Path) -> None:
    """Liveness never asks readiness, and every probe asks the port of the pages."""
    given_to = container(rendered(find_helm(), values))
    asked = {kind: given_to[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "http"},
        "liveness": {"path": "/healthz", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
    }


def test_selectors_find_the_pods_that_forward_and_no_other() -> None:
    """What selects pods selects those of the workload; the network's policy covers the check as well."""
    manifests = rendered(find_helm(), given("msk-iam"))
    (check,) = of_kind(manifests, "Pod")
    forwards = workload(manifests)["spec"]["template"]["metadata"]["labels"].items()
    checks = check["metadata"]["labels"].items()
    (budget,) = of_kind(manifests, "PodDisruptionBudget")
    (monitor,) = of_kind(manifests, "PodMonitor")
    (policy,) = of_kind(manifests, "NetworkPolicy")
    for selecting in (workload(manifests), budget, monitor):
        wanted = selecting["spec"]["selector"]["matchLabels"].items()
        assert wanted <= forwards
        assert not wanted <= checks
    both = policy["spec"]["podSelector"]["matchLabels"].items()
    assert both <= forwards
    assert both <= checks


def test_a_single_pod_has_no_budget_and_others_let_what_is_unready_go() -> None:
    """A budget of one pod would stop maintenance for ever; another one never holds back a pod that is not ready."""
    assert [] == list(of_kind(rendered(find_helm(), given("minimal")), "PodDisruptionBudget"))
    (budget,) = of_kind(rendered(find_helm(), given("msk-iam")), "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_keda_alone_says_how_many() -> None:
    """Where it scales, an upgrade does not set the number back; the budget follows from its least."""
    manifests = rendered(find_helm(), given("autoscaling"))
    assert "replicas" not in workload(manifests)["spec"]
    assert [2] == [found["spec"]["minReplicaCount"] for found in of_kind(manifests, "ScaledObject")]
    assert 1 == len(list(of_kind(manifests, "PodDisruptionBudget")))


def test_keda_asks_kafka_for_each_topic_as_doka_reads_it() -> None:
    """One trigger for a topic, by name, from where doka begins, with a log-in of its own."""
    manifests = rendered(find_helm(), given("scram"))
    (scaled,) = of_kind(manifests, "ScaledObject")
    (log_in,) = of_kind(manifests, "TriggerAuthentication")
    asked = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]]
    assert ["clicks", "2026", "on"] == [metadata["topic"] for metadata in asked]
    assert {"earliest"} == {metadata["offsetResetPolicy"] for metadata in asked}
    assert {("enable", "scram_sha512", "true")} == {
        (metadata["tls"], metadata["sasl"], metadata["excludePersistentLag"]) for metadata in asked
    }
    assert {log_in["metadata"]["name"]} == {
        trigger["authenticationRef"]["name"] for trigger in scaled["spec"]["triggers"]
    }
    assert ["username", "password"] == [wanted["parameter"] for wanted in log_in["spec"]["secretTargetRef"]]


def test_keda_asks_msk_by_its_own_role() -> None:
    """With IAM there is no secret: the operator's identity signs, over TLS, in the region of the configuration."""
    words = ("--set", "autoscaling.enabled=true,autoscaling.trigger=apache-kafka")
    manifests = rendered(find_helm(), given("msk-iam"), *words)
    (scaled,) = of_kind(manifests, "ScaledObject")
    (log_in,) = of_kind(manifests, "TriggerAuthentication")
    assert {("enable", "aws_msk_iam", "eu-west-1")} == {
        (trigger["metadata"]["tls"], trigger["metadata"]["sasl"], trigger["metadata"]["awsRegion"])
        for trigger in scaled["spec"]["triggers"]
    }
    assert log_in["spec"] == {"podIdentity": {"provider": "aws"}}


def test_static_members_have_names_of_their_own() -> None:
    """A StatefulSet gives each pod's name to the group, and starts all of them at once."""
    manifests = rendered(find_helm(), given("static-members"))
    found = workload(manifests)
    assert ("StatefulSet", "Parallel") == (found["kind"], found["spec"]["podManagementPolicy"])
    named = {entry["name"]: entry for entry in container(manifests)["env"]}["DOKA_KAFKA__GROUP_INSTANCE_ID"]
    assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert ["--workers", "2"] == container(manifests)["args"][-2:]
    assert 120 == found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]


def test_a_configmap_of_yours_may_be_watched() -> None:
    """What changes below a running pod is taken by it; the chart's own never changes, so nothing watches that."""
    watch = ["--set", "existingConfigMap.watch=true"]
    watched = rendered(find_helm(), given("existing-configmap"), *watch)
    assert ["/etc/doka/doka.yaml", "--watch"] == container(watched)["args"][-2:]
    assert "--watch" not in container(rendered(find_helm(), given("existing-configmap")))["args"]
    assert "--watch" not in container(rendered(find_helm(), given("minimal"), *watch))["args"]


def test_the_grace_period_is_the_drain_and_five_seconds() -> None:
    """It follows the configuration, up to the next whole second."""
    pods = [workload(rendered(find_helm(), given(name)))["spec"]["template"]["spec"] for name in ("minimal", "msk-iam")]
    assert [25 + 5, 41 + 5] == [pod["terminationGracePeriodSeconds"] for pod in pods]


def test_a_changed_configuration_is_another_config_map() -> None:
    """So pods are replaced, and nothing that runs by the one before comes up with the new one."""

    def config_map(*words: str) -> str:
        manifests = rendered(find_helm(), given("minimal"), *words)
        (found,) = of_kind(manifests, "ConfigMap")
        (mounted,) = workload(manifests)["spec"]["template"]["spec"]["volumes"]
        assert found["immutable"]
        assert found["metadata"]["name"] == mounted["configMap"]["name"]
        return str(mounted["configMap"]["name"])

    assert config_map() == config_map("--set", "replicas=3")
    assert config_map() != config_map("--set", "config.limits.held_mib=65")


def test_the_network_is_open_for_what_doka_needs() -> None:
    """Names, the brokers' ports as they stand in the configuration, AWS, and the agent of Pod Identity."""
    (policy,) = of_kind(rendered(find_helm(), given("msk-iam")), "NetworkPolicy")
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]]
    assert [[53, 53], [9098], [443], [80]] == ports
    assert [{"port": "http"}] == policy["spec"]["ingress"][0]["ports"]


@pytest.mark.parametrize(
    ("otlp", "ports"),
    [
        ({"endpoint": "http://collector.monitoring:4318"}, [4318]),
        ({"endpoint": "http://collector1/otlp"}, [80]),
        ({"endpoint": "https://[fd00::1]"}, [443]),
        ({"endpoint": "https://[fd00::1]:4318/v1"}, [4318]),
        (
            {"metrics.endpoint": "http://one:4318/v1/metrics", "traces.endpoint": "http://two:4418/v1/traces"},
            [4318, 4418],
        ),
        ({"endpoint": "http://one:4318", "traces.endpoint": "http://two:4318/v1/traces"}, [4318]),
    ],
)
def test_the_network_is_open_for_the_collector_that_the_configuration_names(
    otlp: dict[str, str], ports: list[int]
) -> None:
    """Its port, or that of its scheme; what the configuration does not name stays closed."""
    words = [word for name, url in otlp.items() for word in ("--set", f"config.otlp.{name}={url}")]
    (policy,) = of_kind(rendered(find_helm(), given("msk-iam"), *words), "NetworkPolicy")
    assert [{"port": port, "protocol": "TCP"} for port in ports] == policy["spec"]["egress"][-1]["ports"]
    assert len(policy["spec"]["egress"]) == 5


def test_the_alerts_are_those_of_the_repository(tmp_path: Path) -> None:
    """The rules come through the template unharmed, with links that can be followed, and Prometheus takes them."""
    (rule,) = of_kind(rendered(find_helm(), given("msk-iam")), "PrometheusRule")
    base = "https://git.example/data/doka/blob/main/"
    said = [
        entry["annotations"].pop("runbook_url")
        for group in rule["spec"]["groups"]
        for entry in group["rules"]
        if "alert" in entry
    ]
    ours = yaml.safe_load(rule_file())
    links = [
        entry["annotations"].pop("runbook_url")
        for group in ours["groups"]
        for entry in group["rules"]
        if "alert" in entry
    ]
    assert [base + link for link in links] == said
    assert ours == rule["spec"]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")
    command = [find_promtool(), "check", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROMTOOL_SECONDS, check=False)
    assert done.returncode == 0, done.stderr


def test_the_dashboard_is_that_of_the_repository() -> None:
    """It comes through the template as it stands, under the label by which Grafana's sidecar finds it."""
    found = [
        each
        for each in of_kind(rendered(find_helm(), given("msk-iam")), "ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    assert [(ROOT / "deploy" / "grafana" / "doka.json").read_text(encoding="utf-8").strip()] == [
        each["data"]["doka.json"].strip() for each in found
    ]


def test_the_lag_that_keda_asks_for_is_one_number(tmp_path: Path) -> None:
    """The query gives the largest lag of the release's pods, and leaves out what is blocked."""
    (scaled,) = of_kind(rendered(find_helm(), given("autoscaling")), "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    of = 'namespace="data",pod="forwarder-1"'
    series = [
        {"series": f'doka_lag_seconds{{{of},route="orders",topic="orders",partition="0"}}', "values": "30 30"},
        {"series": f'doka_lag_seconds{{{of},route="clicks",topic="clicks",partition="0"}}', "values": "900 900"},
        {"series": f'doka_route_blocked{{{of},route="clicks",reason="x"}}', "values": "1 1"},
        {"series": f'doka_route_blocked{{{of},route="orders",reason="x"}}', "values": "0 0"},
        {"series": 'doka_lag_seconds{namespace="other",pod="forwarder-1",route="orders"}', "values": "5000 5000"},
    ]
    asked = {"expr": trigger["metadata"]["query"], "eval_time": "1m", "exp_samples": [{"labels": "{}", "value": 30}]}
    file = tmp_path / "test.yaml"
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}), encoding="utf-8")
    command = [find_promtool(), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROMTOOL_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_the_one_of_doka() -> None:
    """The image that the chart asks for by default is that of this repository's version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{chart["appVersion"]}"\n' in project


def test_the_settings_that_the_chart_computes_with_have_the_defaults_of_doka() -> None:
    """Drain, port and memory, where the configuration says nothing."""
    settings = values_schema()["$defs"]
    assert 25 == settings["LimitSettings"]["properties"]["drain_seconds"]["default"]
    assert 64 == settings["LimitSettings"]["properties"]["held_mib"]["default"]
    assert 9400 == settings["HttpSettings"]["properties"]["port"]["default"]


def test_a_pod_says_its_zone_where_it_is_asked_to() -> None:
    """From the label that Kubernetes puts on it; what the brokers call that zone stands in the configuration."""
    asked = rendered(find_helm(), given("minimal"), "--set", "rackFromZone=true")
    named = {entry["name"]: entry for entry in container(asked)["env"]}["DOKA_KAFKA__RACK"]
    assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.labels['topology.kubernetes.io/zone']"}}
    plain = container(rendered(find_helm(), given("minimal")))["env"]
    assert "DOKA_KAFKA__RACK" not in {entry["name"] for entry in plain}
