from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.architecture.source_tree import ROOT, TESTS

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def compose() -> dict[str, Any]:
    """Give the compose file's services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.test.yml").read_text(encoding="utf-8"))[
        "services"
    ]
    return services


def last_stage() -> str:
    """Give the part of the Dockerfile that becomes the image."""
    return DOCKERFILE.split("\nFROM ")[-1]


def test_the_image_starts_doka_itself_as_nobody() -> None:
    """Entry point and command are in exec form, so SIGTERM reaches doka; the user is numeric and not root."""
    words = {key: re.search(rf"^{key} (.*)$", last_stage(), re.MULTILINE) for key in ("ENTRYPOINT", "CMD", "USER")}
    assert all(words.values())
    entry, command, user = (found[1] for found in words.values() if found)
    assert ["doka"] == json.loads(entry)
    assert ["run", "--config", "/etc/doka/doka.yaml"] == json.loads(command)
    assert "65532:65532" == user
    assert "\nSTOPSIGNAL SIGTERM\n" in last_stage()
    assert {"PYTHONSAFEPATH=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(last_stage().split())


def test_the_image_installs_only_what_is_locked() -> None:
    """Every install from an index asks for hashes and for wheels; nothing is installed in the last stage."""
    installs = re.findall(r"pip .*install (.*)", DOCKERFILE)
    assert len(installs) == 3
    assert all("--require-hashes --only-binary :all:" in line or "--no-index --no-deps" in line for line in installs)
    assert "install" not in last_stage()
    assert re.findall(r"apt-get|curl |wget |ADD ", DOCKERFILE) == []


def test_compose_waits_for_health_and_never_for_time() -> None:
    """Each service starts when what it needs is healthy or done, and no command waits for a time."""
    services = compose()
    conditions = {
        (name, needed): told["condition"]
        for name, service in services.items()
        for needed, told in service.get("depends_on", {}).items()
    }
    assert {
        ("prepare", "kafka"): "service_healthy",
        ("prepare", "moto"): "service_healthy",
        ("doka", "prepare"): "service_completed_successfully",
    } == conditions
    assert all("test" in services[name]["healthcheck"] for name in ("kafka", "moto"))
    assert "sleep" not in (ROOT / "docker-compose.test.yml").read_text(encoding="utf-8")


def test_compose_runs_doka_without_any_privilege() -> None:
    """The container of doka runs read-only, without capabilities, and cannot gain any; ports are open to this host only."""
    services = compose()
    for name in ("prepare", "doka"):
        assert services[name]["read_only"] is True
        assert ["ALL"] == services[name]["cap_drop"]
        assert ["no-new-privileges:true"] == services[name]["security_opt"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert 3 == len(ports)
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{DOKA_TEST_[A-Z]+_PORT:-\d+\}:\d+", port) for port in ports)


def test_one_version_of_each_image() -> None:
    """Compose and the tests run the same images, and the workflow pulls them all."""
    images = {service["image"] for service in compose().values() if not service["image"].startswith("doka:")}
    images |= set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    named = {
        image
        for path in (TESTS / "containers").glob("*.py")
        for image in re.findall(
            r"\"((?:apache/kafka|motoserver/moto|python):[\w.-]+)\"", path.read_text(encoding="utf-8")
        )
    }
    assert images == {"apache/kafka:4.1.1", "motoserver/moto:5.2.5", "python:3.11-slim-bookworm"}
    assert set() == named - images
    pulled = set(re.findall(r"docker pull --quiet (\S+)", "".join(path.read_text("utf-8") for path in WORKFLOWS)))
    assert images == pulled


def test_workflows_trust_nothing_they_need_not() -> None:
    """Workflows have no permission by default, and every action is pinned to a commit, with its version beside it."""
    assert WORKFLOWS
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        workflow = yaml.safe_load(text)
        assert {} == workflow["permissions"]
        assert all({"contents": "read"} == job["permissions"] for job in workflow["jobs"].values())
        uses = re.findall(r"uses: (.*)", text)
        assert uses
        assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)
        assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def test_the_workflow_covers_every_python_we_promise() -> None:
    """Each Python of the package's classifiers is in the matrix, and one job requires the container tests."""
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert promised == jobs["test"]["strategy"]["matrix"]["python"]
    assert {"run": ".ci/run"} in jobs["containers"]["steps"]
    assert "DOKA_CONTAINERS=required" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
