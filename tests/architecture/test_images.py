from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.architecture.source_tree import ROOT, TESTS

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MORE_THAN_READING = {
    ("release.yml", "image"): {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "release"): {"contents": "write", "id-token": "write", "attestations": "write"},
}
"""The jobs that may do more than read the sources, and what."""


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
    images |= set(re.findall(r"^ARG BASE=(\S+)", DOCKERFILE, re.MULTILINE))
    assert {"$BASE"} == set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
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
    assert {"audit.yml", "ci.yml", "release.yml"} == {path.name for path in WORKFLOWS}
    pinned: dict[str, set[str]] = {}
    more: dict[tuple[str, str], Any] = {}
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        workflow = yaml.safe_load(text)
        assert {} == workflow["permissions"]
        given = {(path.name, name): job["permissions"] for name, job in workflow["jobs"].items()}
        more |= {job: permissions for job, permissions in given.items() if permissions != {"contents": "read"}}
        uses = re.findall(r"uses: (.*)", text)
        assert uses
        for use in uses:
            action = re.fullmatch(r"((?:actions|pypa)/[\w-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", use)
            assert action is not None, use
            pinned.setdefault(action[1], set()).add(action[2])
        assert text.count("actions/checkout@") == text.count("persist-credentials: false")
    assert MORE_THAN_READING == more
    assert [] == [action for action, commits in pinned.items() if len(commits) > 1]


def test_zizmor_finds_nothing_in_the_workflows(tmp_path: Path) -> None:
    """A linter that looks for what attackers look for is content with each file, and would not be with a loose pin."""
    found = zizmor(ROOT / ".github")
    assert 0 == found.returncode, found.stdout
    loose = tmp_path / ".github" / "workflows" / "ci.yml"
    loose.parent.mkdir(parents=True)
    pinned = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    loose.write_text(re.sub(r"@[0-9a-f]{40}", "@v5", pinned), encoding="utf-8")
    assert "unpinned-uses" in zizmor(loose).stdout


def zizmor(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter without a network; a file that it cannot read is an error as well."""
    program = Path(sys.executable).with_name("zizmor")
    words = [str(program), "--offline", "--no-progress", "--strict-collection", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_what_is_not_known_to_be_sound_fails_the_audit() -> None:
    """A package that the source of vulnerabilities does not know, or a grave one with a cure in the image, is red."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "audit.yml").read_text(encoding="utf-8"))["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    audits = [run for run in runs if run.startswith("pip-audit ")]
    assert ["requirements/runtime.txt", "requirements/dev.txt"] == [run.split()[-1] for run in audits]
    assert all({"--strict", "--require-hashes", "--disable-pip"} <= set(run.split()) for run in audits)
    assert 1 == sum("grype" in run and "--fail-on high" in run for run in runs)


def test_pins_of_actions_are_renewed_after_a_while() -> None:
    """Dependabot renews the actions, and takes no version that is younger than two weeks."""
    (update,) = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert ("github-actions", 14) == (update["package-ecosystem"], update["cooldown"]["default-days"])


def test_a_release_is_tested_before_anything_leaves() -> None:
    """Every job of the release that may write waits for the one that holds the tag to the version and runs all tests."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    runs = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert any("scripts.release" in run for run in runs)
    assert ".ci/run" in runs
    assert all("build" in job["needs"] for name, job in jobs.items() if name != "build")


def test_the_workflow_covers_every_python_we_promise() -> None:
    """Each Python of the package's classifiers is in the matrix, and one job requires the container tests."""
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert promised == jobs["test"]["strategy"]["matrix"]["python"]
    assert {"run": ".ci/run"} in jobs["containers"]["steps"]
    assert "DOKA_CONTAINERS=required" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
