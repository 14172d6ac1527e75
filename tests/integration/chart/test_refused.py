"""What the chart refuses, and in what words: each names the value and the cure."""

from __future__ import annotations

import pytest

from tests.integration.chart.helm import RefusedError, find_helm, given, rendered

pytestmark = pytest.mark.xdist_group("chart")
REFUSED = {
    "a grace period below the drain": (
        "msk-iam",
        ["terminationGracePeriodSeconds=45"],
        "terminationGracePeriodSeconds is 45 and must be at least 46",
    ),
    "no image": ("minimal", ["image.repository="], "image.repository is missing"),
    "no configuration": ("minimal", ["config=null"], "config is missing"),
    "two configurations": (
        "minimal",
        ["existingConfigMap.name=mine"],
        "config and existingConfigMap.name are both set",
    ),
    "an unknown setting": ("minimal", ["config.limits.held_mb=64"], "additional properties 'held_mb' not allowed"),
    "a setting of another kind": ("minimal", ["config.limits.held_mib=much"], "/config/limits/held_mib"),
    "a missing setting": ("minimal", ["config.kafka.group_id=null"], "/config/kafka/group_id"),
    "an unknown value": ("minimal", ["replicaCount=3"], "additional properties 'replicaCount' not allowed"),
    "a password": (
        "minimal",
        ["config.kafka.security.password=secret"],
        "config.kafka.security.password would stand in a ConfigMap",
    ),
    "a key's password": (
        "minimal",
        ["config.kafka.security.key_password=secret"],
        "DOKA_KAFKA__SECURITY__KEY_PASSWORD",
    ),
    "a member's name for all": (
        "minimal",
        ["config.kafka.group_instance_id=one"],
        "config.kafka.group_instance_id would be the name of all pods",
    ),
    "a member's name for all, by variable": (
        "minimal",
        ["env[0].name=DOKA_KAFKA__GROUP_INSTANCE_ID,env[0].value=one"],
        "set kind: StatefulSet",
    ),
    "a second name of a member": (
        "static-members",
        ["env[0].name=DOKA_KAFKA__GROUP_INSTANCE_ID,env[0].value=one"],
        "takes from the pod's name",
    ),
    "the drain behind its back": (
        "minimal",
        ["env[0].name=DOKA_LIMITS__DRAIN_SECONDS,env[0].value=90"],
        "Set config.limits.drain_seconds instead",
    ),
    "the port behind its back, in small letters": (
        "minimal",
        ["env[0].name=DOKA_http__port,env[0].value=1"],
        "Set config.http.port instead",
    ),
    "any free port": ("minimal", ["config.http.port=0"], "config.http.port is 0"),
    "an address that no probe reaches": ("minimal", ["config.http.host=127.0.0.1"], "which no probe reaches"),
    "unknown memory": ("existing-configmap", ["resources=null"], "resources is missing"),
    "unknown brokers": ("existing-configmap", ["networkPolicy.kafkaPorts=null"], "networkPolicy.kafkaPorts is missing"),
    "more members than partitions": (
        "autoscaling",
        ["workers=2"],
        "autoscaling.maxReplicas times workers is 16, above autoscaling.partitions 8",
    ),
    "a least above the most": ("autoscaling", ["autoscaling.minReplicas=9"], "above autoscaling.maxReplicas 8"),
    "a lag that nobody can be asked for": (
        "autoscaling",
        ["autoscaling.prometheus.serverAddress="],
        "autoscaling.prometheus.serverAddress is missing",
    ),
    "a log-in without a secret": ("scram", ["autoscaling.kafkaSecret="], "autoscaling.kafkaSecret is missing"),
    "a digest that is none": ("minimal", ["image.digest=latest"], "/image/digest"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_in_words(what: str) -> None:
    """What cannot work is not rendered, and what is said names the value."""
    name, sets, said = REFUSED[what]
    words = [word for each in sets for word in ("--set", each)]
    rendered(find_helm(), given(name))
    with pytest.raises(RefusedError) as refused:
        rendered(find_helm(), given(name), *words)
    assert said in str(refused.value)


def test_a_grace_period_that_fits_is_taken() -> None:
    """What is long enough stands, and so does exactly enough."""
    assert rendered(find_helm(), given("msk-iam"), "--set", "terminationGracePeriodSeconds=46")


def test_both_helms_refuse_alike() -> None:
    """The older Helm judges by the same schema and the same templates."""
    helm = find_helm("3")
    with pytest.raises(RefusedError, match="additional properties 'held_mb' not allowed"):
        rendered(helm, given("minimal"), "--set", "config.limits.held_mb=64")
