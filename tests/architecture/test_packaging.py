from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from scripts.sbom import wheel_bill
from tests.architecture.source_tree import ROOT, SRC, TESTS, modules, shown

PACKAGE = "doka"
APPROVED = {
    "aws-msk-iam-sasl-signer-python", "backports-zstd", "boto3", "confluent-kafka", "dependency-injector", "duckdb", "fastavro",
    "orjson",    "prometheus-client", "protobuf", "pybase64", "pycurl", "pydantic", "pyyaml", "rich", "typer",
}  # fmt: skip
"""Each with its reason in docs/adr/0002-dependencies.md; one more needs a decision there first."""
APPROVED_BEFORE_314 = {"backports-zstd"}
"""Of these, what the standard library has from Python 3.14 on."""
APPROVED_FOR_THE_DEMO = {"flask", "flask-cors", "moto"}

LOCKS = [ROOT / "requirements" / "runtime.txt", ROOT / "requirements" / "dev.txt"]
AUDIT = ROOT / "requirements" / "audit.txt"
"""What CI looks for vulnerabilities with; nobody installs it beside doka."""
_PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)(\[[a-z0-9,._-]+\])?==(?P<version>[^ ;\\]+)(?P<marker> ; [^\\]+)? \\")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?P<more> \\)?")


def build(folder: Path, kind: str = "wheel", source: Path = ROOT, **environ: str) -> Path:
    """Build the wheel, or the sdist, of a source tree into a folder with the locked backend, and give its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, env=os.environ | environ)
    (built,) = folder.glob("doka_connector-*")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the built wheel."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder into which the wheel was installed alone."""
    target = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_the_wheel_holds_all_sources_and_nothing_else(wheel: Path) -> None:
    """Every module and every py.typed of src is in the wheel, beside its metadata only."""
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    assert f"{PACKAGE}/py.typed" in inside
    assert {f"{PACKAGE}/{path.relative_to(SRC).as_posix()}" for path in modules(SRC)} <= inside
    assert {name.split("/")[0] for name in inside} == {PACKAGE}
    assert 1 == len([name for name in names if name.endswith(".dist-info/licenses/LICENSE")])


def test_the_wheel_asks_for_the_approved_libraries_only(wheel: Path) -> None:
    """The wheel's requirements are exactly the approved set, those of the demo apart."""
    (metadata,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")]
    told = message_from_string(zipfile.ZipFile(wheel).read(metadata).decode())
    asked = [Requirement(text) for text in told.get_all("Requires-Dist", [])]
    by_marker = {
        marker: {r.name for r in asked if str(r.marker) == marker} for marker in {str(r.marker) for r in asked}
    }
    assert {
        "None": APPROVED - APPROVED_BEFORE_314,
        'python_version < "3.14"': APPROVED_BEFORE_314,
        'extra == "demo"': APPROVED_FOR_THE_DEMO,
    } == by_marker
    assert told["Requires-Python"] == ">=3.11"


def test_each_approved_library_has_its_reason() -> None:
    """The decision record names every library that a user has to install."""
    record = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text(encoding="utf-8")
    assert set() == {name for name in APPROVED | APPROVED_FOR_THE_DEMO if f"`{name}`" not in record}


def test_a_build_is_reproducible(wheel: Path, tmp_path: Path) -> None:
    """Two builds of the same sources are the same bytes."""
    again = build(tmp_path)
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel,)] == [
        hashlib.sha256(again.read_bytes()).hexdigest()
    ]


def test_a_wheel_of_the_sdist_is_the_same(tmp_path: Path) -> None:
    """The sdist brings all that a wheel is built with: both ways give the same bytes, where the commit is told."""
    sdist = build(tmp_path / "sdist", "sdist")
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path], check=True)  # Python 3.11.2 has no `filter` to unpack by
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    wheels = [
        build(tmp_path / name, source=source, BUILD_COMMIT="v0.0.0") for name, source in (("a", ROOT), ("b", unpacked))
    ]
    assert 1 == len({hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels})


def test_the_wheel_carries_its_bill_of_materials(wheel: Path) -> None:
    """Its .dist-info has one CycloneDX document, which the schema allows, of this version and what it asks for."""
    # Only here: every process that collects the tests would make the grammars of the schema's formats, a second each.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        text = archive.read(name).decode()
    assert None is JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    bill = json.loads(text)
    ours = bill["metadata"]["component"]
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert name.endswith("/sboms/doka-connector.cdx.json")
    assert ours["purl"] == f"pkg:pypi/doka-connector@{wheel.name.split('-')[1]}"
    assert APPROVED == {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in edges[ours["bom-ref"]]}


def test_the_bill_of_the_wheel_is_what_others_read_in_the_lock(wheel: Path) -> None:
    """cyclonedx-py, which knows nothing of ours, finds the same packages and the same hashes in the same lock."""
    lock = str(LOCKS[0])
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", lock, "--no-validate"]
    ran = subprocess.run(command, check=True, capture_output=True)
    assert hashes(json.loads(ran.stdout)) == hashes(wheel_bill(wheel))


def hashes(bill: dict[str, Any]) -> dict[str, set[str]]:
    """Give for each package URL of a bill the hashes of the files that are allowed."""
    return {
        part["purl"]: {entry["content"] for files in part["externalReferences"] for entry in files["hashes"]}
        for part in bill["components"]
    }


def test_our_package_is_ours_alone(installed: Path) -> None:
    """The wheel brings one name into site-packages, and nobody else brings that: it would shadow ours, or ours it."""
    others = importlib.metadata.packages_distributions()
    assert {"doka-connector"} >= set(others.get(PACKAGE, ()))
    (doka,) = importlib.metadata.distributions(path=[str(installed)])
    tops = {Path(str(file)).parts[0] for file in doka.files or () if file.suffix == ".py"}
    assert "doka-connector" == doka.metadata["Name"]
    assert {PACKAGE} == tops


def test_the_installed_wheel_runs(installed: Path, tmp_path: Path) -> None:
    """The command works from the wheel alone, started in a folder that has a `doka` of its own."""
    (tmp_path / "doka.py").write_text("raise SystemExit('the wrong doka')\n", encoding="utf-8")
    program = (
        "import sys, doka.app.__main__ as ours; print(ours.__file__); sys.argv = ['doka', '--version']; ours.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    where, version = ran.stdout.split("\n", 1)
    assert (0, str(installed / "doka" / "app" / "__main__.py")) == (ran.returncode, where)
    assert version.startswith("doka ")


@pytest.mark.parametrize("lock", [*LOCKS, AUDIT], ids=lambda path: path.name)
def test_locks_pin_everything_by_hash_and_name_no_host(lock: Path) -> None:
    """A lock consists of exact versions and SHA-256 hashes, and of nothing else: so it names no host either."""
    pins: dict[str, int] = {}
    current = ""
    expect_hash = False
    for line in lock.read_text(encoding="utf-8").splitlines():
        pin, hashed = _PIN.fullmatch(line), _HASH.fullmatch(line)
        assert (hashed if expect_hash else pin) is not None, f"{shown(lock)}: {line}"
        if pin is not None:
            current = f"{pin['name']}{pin['marker'] or ''}"
            pins[current] = 0
            expect_hash = True
        elif hashed is not None:
            pins[current] += 1
            expect_hash = hashed["more"] is not None
    assert not expect_hash
    assert len(pins) > 20
    assert [] == [name for name, hashes in pins.items() if not hashes]


def test_the_locks_agree_and_hold_what_is_asked_for() -> None:
    """What is tested is what runs: each run-time pin stands in the development lock with the same version."""
    runtime, dev = ({m["name"]: m["version"] for m in map(_PIN.fullmatch, _lines(lock)) if m} for lock in LOCKS)
    assert runtime.items() <= dev.items()
    assert set() == APPROVED - set(runtime)
    assert set() == {name for name in APPROVED_FOR_THE_DEMO if name in runtime}


def _lines(lock: Path) -> list[str]:
    return lock.read_text(encoding="utf-8").splitlines()


def test_no_fixture_at_the_top() -> None:
    """Fixtures stand beside the tests that use them; a global one would hide what a test needs."""
    assert "fixture" not in (TESTS / "conftest.py").read_text(encoding="utf-8")
