"""The values of the Helm chart: one table, from which its values.yaml, its schema and the table of its README are written.

`make docs` writes them, and the copies of deploy/alerts.yaml and deploy/grafana/doka.json that the chart carries, since a
chart reads no file outside its own folder; a test compares all with what is committed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from doka.app.settings.show import schema as settings_schema
from scripts import alerts

CHART = "deploy/helm/doka"
WRITTEN = "Written by `make docs` from scripts/chart.py. Edit that instead."
_TABLE = re.compile(rf"(<!-- {re.escape(WRITTEN)} -->\n).*?(<!-- Its end. -->)", re.DOTALL)
_NOT_OF_GO = re.compile(r"\(\?[=!<]|\{\d*,?\d{4,}\}")
"""What looks ahead or behind in a pattern, or repeats more than 1,000 times: Go, and so Helm, refuses a schema that has it.
doka itself judges these when it starts."""

Json = Mapping[str, Any]
_MAP: Json = {"type": "object"}
_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "object", "additionalProperties": {"type": "string"}}
_FLAG: Json = {"type": "boolean"}
_OBJECTS: Json = {"type": "array", "items": {"type": "object"}}
_WORDS: Json = {"type": "array", "items": {"type": "string"}}
_PORTS: Json = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65_535}}


@dataclass(frozen=True)
class Value:
    """One value: where it stands, what it takes, and what it does."""

    path: str
    takes: Json
    default: Any
    meaning: str


def _whole(low: int, high: int | None = None) -> Json:
    return {"type": "integer", "minimum": low} | ({} if high is None else {"maximum": high})


def _one_of(*words: str) -> Json:
    return {"enum": list(words)}


def _or_null(takes: Json) -> Json:
    return {**takes, "type": [takes["type"], "null"]}


VALUES: tuple[Value, ...] = (
    Value("image.repository", _TEXT, "", "Where your image of doka is; it is in no public registry."),
    Value("image.tag", _TEXT, "", "Its tag; by default the chart's appVersion."),
    Value(
        "image.digest",
        {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
        "",
        "Its digest, sha256:..., which goes before the tag.",
    ),
    Value("image.pullPolicy", _one_of("IfNotPresent", "Always", "Never"), "IfNotPresent", "When it is pulled."),
    Value("imagePullSecrets", _OBJECTS, [], "Secrets for its registry, as in a pod: `[{name: ...}]`."),
    Value("nameOverride", _TEXT, "", "The chart's part of all names."),
    Value("fullnameOverride", _TEXT, "", "The whole name instead; 40 letters at most are used."),
    Value(
        "config",
        _MAP,
        {},
        "The content of doka.yaml, as docs/settings.md has it and `doka config schema` checks it. No password: see envFrom.",
    ),
    Value("existingConfigMap.name", _TEXT, "", "A ConfigMap of yours instead of config."),
    Value("existingConfigMap.key", {"type": "string", "minLength": 1}, "doka.yaml", "The key in it."),
    Value(
        "existingConfigMap.drainSeconds",
        {"type": "number", "minimum": 1, "maximum": 3_600},
        25,
        "limits.drain_seconds, whatever it says: the grace period follows from it.",
    ),
    Value("existingConfigMap.port", _whole(1, 65_535), 9400, "http.port, whatever it says."),
    Value(
        "existingConfigMap.watch",
        _FLAG,
        default=False,
        meaning="Let pods take a changed one without a rollout (`doka run --watch`); resources need one worker more.",
    ),
    Value(
        "rackFromZone",
        _FLAG,
        default=False,
        meaning="Say each pod's zone as kafka.rack, from its label topology.kubernetes.io/zone, which pods have from Kubernetes 1.35 "
        "on; on MSK, config.kafka.racks says which rack each zone is.",
    ),
    Value(
        "env",
        {"type": "array", "items": {"type": "object", "required": ["name"]}},
        [],
        "Variables, as in a container; they go before the file.",
    ),
    Value(
        "envFrom",
        _OBJECTS,
        [],
        "Secrets and ConfigMaps as variables: `[{secretRef: {name: doka}}]` with a key DOKA_KAFKA__SECURITY__PASSWORD.",
    ),
    Value("extraVolumes", _OBJECTS, [], "Volumes of the pod, such as a Secret with certificates."),
    Value("extraVolumeMounts", _OBJECTS, [], "Where they are mounted."),
    Value(
        "kind",
        _one_of("Deployment", "StatefulSet"),
        "Deployment",
        "StatefulSet makes static members of the group: each has its pod's name, and keeps its partitions while it restarts.",
    ),
    Value("replicas", _whole(0), 2, "Pods; no more than partitions. Not set at all where autoscaling is on."),
    Value("workers", _whole(1, 64), 1, "Processes in a pod, each a member of the group; more pods are better."),
    Value("minReadySeconds", _whole(0), 10, "How long a new pod must be ready before the next one is replaced."),
    Value("progressDeadlineSeconds", _whole(1), 600, "When a rollout that stands still is told to have failed."),
    Value(
        "terminationGracePeriodSeconds",
        _or_null(_whole(1)),
        None,
        "By default limits.drain_seconds and 5; less is refused.",
    ),
    Value(
        "resources",
        _MAP,
        {},
        "By default 250m of CPU without a limit, and limits.held_mib and 192 MiB of memory, for each worker.",
    ),
    Value("nodeSelector", _TEXTS, {}, "As in a pod."),
    Value("tolerations", _OBJECTS, [], "As in a pod."),
    Value("affinity", _MAP, {}, "As in a pod."),
    Value("priorityClassName", _TEXT, "", "As in a pod."),
    Value(
        "topologySpreadConstraints",
        _or_null(_OBJECTS),
        None,
        "By default over zones and hosts, as far as it goes.",
    ),
    Value("podLabels", _TEXTS, {}, "Further labels of pods."),
    Value("podAnnotations", _TEXTS, {}, "Annotations of pods."),
    Value("serviceAccount.create", _FLAG, default=True, meaning="Make one."),
    Value("serviceAccount.name", _TEXT, "", "Its name; by default that of the release."),
    Value(
        "serviceAccount.roleArn",
        _TEXT,
        "",
        "The role of IRSA. With EKS Pod Identity leave it out, and associate the role with the account.",
    ),
    Value("serviceAccount.annotations", _TEXTS, {}, "Further annotations."),
    Value(
        "podSecurityContext",
        _MAP,
        {
            "runAsNonRoot": True,
            "runAsUser": 65_532,
            "runAsGroup": 65_532,
            "fsGroup": 65_532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "Fits the profile `restricted`. Set the three numbers to null where the platform gives them (OpenShift).",
    ),
    Value(
        "securityContext",
        _MAP,
        {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "Of the container; fits `restricted`, and doka writes no file.",
    ),
    Value(
        "podDisruptionBudget.enabled",
        _FLAG,
        default=True,
        meaning="One pod at a time is taken for maintenance, one that is not ready always. None for a single replica.",
    ),
    Value(
        "networkPolicy.enabled",
        _FLAG,
        default=False,
        meaning="Let in metrics, and out names, brokers and AWS, and nothing else.",
    ),
    Value("networkPolicy.ingressFrom", _OBJECTS, [], "Who may ask for metrics and the page; by default everybody."),
    Value("networkPolicy.kafkaPorts", _PORTS, [], "Ports of the brokers; by default those of kafka.bootstrap_servers."),
    Value("networkPolicy.kafkaCidrs", _WORDS, [], "Where the brokers are; by default anywhere."),
    Value(
        "networkPolicy.awsCidrs",
        _WORDS,
        [],
        "Where 443 leads to: the networks of interface endpoints; by default anywhere.",
    ),
    Value("networkPolicy.extraEgress", _OBJECTS, [], "Further rules for what goes out, such as a proxy."),
    Value("podMonitor.enabled", _FLAG, default=False, meaning="Let the Prometheus operator scrape each pod."),
    Value("podMonitor.interval", _TEXT, "30s", "How often; the rules hold for 15 to 60 s."),
    Value("podMonitor.labels", _TEXTS, {}, "By which your Prometheus selects it, such as `release`."),
    Value("podMonitor.relabelings", _OBJECTS, [], "As in a PodMonitor."),
    Value(
        "prometheusRule.enabled",
        _FLAG,
        default=False,
        meaning="Bring the alerts of deploy/alerts.yaml. They are about all of doka, so one release is enough.",
    ),
    Value("prometheusRule.labels", _TEXTS, {}, "By which your Prometheus selects it, such as `release`."),
    Value(
        "prometheusRule.runbookUrl",
        _TEXT,
        "",
        "Where your copy of this repository can be read; it is put before the alerts' runbook_url.",
    ),
    Value(
        "dashboard.enabled", _FLAG, default=False, meaning="Bring the dashboard as a ConfigMap for Grafana's sidecar."
    ),
    Value("dashboard.labels", _TEXTS, {"grafana_dashboard": "1"}, "By which the sidecar finds it."),
    Value("dashboard.annotations", _TEXTS, {}, "Such as the folder that the sidecar puts it into."),
    Value("autoscaling.enabled", _FLAG, default=False, meaning="Let KEDA decide how many pods there are."),
    Value("autoscaling.minReplicas", _whole(1), 2, "Never less: a group without members lets data wait."),
    Value("autoscaling.maxReplicas", _whole(1), 4, "Never more."),
    Value(
        "autoscaling.partitions",
        _whole(0),
        0,
        "Partitions of the largest topic; where it is given, more members than that are refused.",
    ),
    Value("autoscaling.pollingSeconds", _whole(5), 60, "How often KEDA asks."),
    Value(
        "autoscaling.trigger",
        _one_of("prometheus", "apache-kafka"),
        "prometheus",
        "The lag in seconds, from Prometheus; or in records, from Kafka itself (KEDA calls that scaler experimental).",
    ),
    Value("autoscaling.lagSeconds", _whole(1), 60, "prometheus: with more lag there are more pods, slowly."),
    Value("autoscaling.prometheus.serverAddress", _TEXT, "", "prometheus: its URL."),
    Value(
        "autoscaling.prometheus.metadata", _TEXTS, {}, "prometheus: further metadata of the trigger, such as authModes."
    ),
    Value("autoscaling.lagRecords", _whole(1), 10_000, "apache-kafka: records of lag for each pod."),
    Value(
        "autoscaling.kafkaSecret",
        _TEXT,
        "",
        "apache-kafka with a password: the Secret that has `username` and `password` for KEDA.",
    ),
    Value("autoscaling.authenticationRef", _TEXT, "", "A TriggerAuthentication of yours, instead of the chart's."),
    Value("check.enabled", _FLAG, default=True, meaning="Let `helm test` run `doka check`."),
    Value("check.args", _WORDS, [], "Further arguments of it, such as `--json`."),
)
"""In the order in which a reader wants them."""


def files(root: Path, dashboard: str) -> Mapping[str, str]:
    """Give each file of the chart that is written, wholly or in part: its path -> its whole text; `dashboard` is one."""
    return {
        f"{CHART}/values.yaml": values_file(),
        f"{CHART}/values.schema.json": json.dumps(values_schema(), indent=1) + "\n",
        f"{CHART}/README.md": _TABLE.sub(
            lambda found: f"{found[1]}{_table()}\n{found[2]}", (root / CHART / "README.md").read_text(encoding="utf-8")
        ),
        f"{CHART}/files/alerts.yaml": alerts.rule_file(),
        f"{CHART}/files/dashboard.json": dashboard,
    }


# --- values.yaml ----------------------------------------------------------------------------------------------------


def values_file() -> str:
    """Give values.yaml: each value with its meaning above it."""
    lines = [f"# The values of the chart, with what they do; README.md has them as a table. {WRITTEN}"]
    above: list[str] = []
    for value in VALUES:
        *groups, name = value.path.split(".")
        if not groups or groups[0] != (above[0] if above else None):
            lines.append("")
        for depth, group in enumerate(groups):
            if groups[: depth + 1] != above[: depth + 1]:
                lines.append(f"{'  ' * depth}{group}:")
        above = groups
        indent = "  " * len(groups)
        lines += [f"{indent}# {value.meaning}", *(f"{indent}{line}" for line in _as_yaml(name, value.default))]
    return "\n".join(lines) + "\n"


def _as_yaml(name: str, default: Any) -> list[str]:
    text: str = yaml.safe_dump({name: default}, sort_keys=False, width=120)
    return text.replace(": ''", ': ""').splitlines()


# --- values.schema.json ---------------------------------------------------------------------------------------------


def values_schema() -> dict[str, Any]:
    """Give the schema by which Helm judges values before it renders anything: ours, and the settings' own below config."""
    settings = settings_schema()
    definitions = {"Settings": {name: part for name, part in settings.items() if name not in {"$defs", "$schema"}}}
    top: dict[str, Any] = {
        # The draft that Helm has known since there are schemas; `$defs` are found by their path.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart doka",
        "$comment": WRITTEN,
        "type": "object",
        "additionalProperties": False,
        "properties": {"global": {"type": "object"}},  # Helm adds it where the chart is a dependency
    }
    for value in VALUES:
        *groups, name = value.path.split(".")
        place = top
        for group in groups:
            fresh = {"type": "object", "additionalProperties": False, "properties": {}}
            place = place["properties"].setdefault(group, fresh)
        place["properties"][name] = {**value.takes, "description": value.meaning, "default": value.default}
    # An empty one is told of by the templates, in words and with the cure.
    top["if"] = {"properties": {"config": {"minProperties": 1}}}
    top["then"] = {"properties": {"config": {"$ref": "#/$defs/Settings"}}}
    top["$defs"] = _for_go({**settings["$defs"], **definitions})
    return top


def _for_go(part: Any) -> Any:
    """Leave out what Helm cannot read, and what nobody reads there."""
    if isinstance(part, list):
        return [_for_go(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _for_go(item)
        for name, item in part.items()
        if not (name == "pattern" and isinstance(item, str) and _NOT_OF_GO.search(item))
        and not (name == "title" and isinstance(item, str))
    }


# --- README.md ------------------------------------------------------------------------------------------------------


def _table() -> str:
    return "\n".join(_rows())


def _rows() -> Iterator[str]:
    yield "| value | takes | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for value in VALUES:
        yield f"| `{value.path}` | {_kind(value.takes)} | {_shown(value.default)} | {value.meaning} |"


def _kind(takes: Json) -> str:
    if "enum" in takes:
        return ", ".join(f"`{word}`" for word in takes["enum"])
    kind = takes["type"] if isinstance(takes["type"], str) else takes["type"][0]
    names = {"boolean": "`true`, `false`", "string": "text", "object": "map", "array": "list", "number": "number"}
    return names.get(kind, "whole number")


def _shown(default: Any) -> str:
    if default is None or default in ("", [], {}):
        return "-"
    if isinstance(default, dict):
        return "as in values.yaml"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"
