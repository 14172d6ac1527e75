"""What is in the image: nothing that could be left out, nothing that could be changed, and all of it in its bill of materials."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.bill import pins, written
from scripts.image_bill import PROJECTS, files
from scripts.sbom import CannotTellError, image_bill
from tests.architecture.source_tree import ROOT

IMAGE = "doka:image-test"
BUILD_SECONDS = 600
LOOK_SECONDS = 120
ANYBODYS = {"/tmp", "/var/tmp", "/run/lock"}  # noqa: S108 - of the base; --read-only makes them read-only as well
UNCHECKED = 0b01  # the flags of byte code that knows its source by a hash, and is taken without a look at it

LISTING = "find / -xdev -type f \\( -name '*.so' -o -name '*.so.[0-9]*' \\) ! -name '*.py' -exec sha256sum {} +"
BYTE_CODE = """
import importlib.util, pathlib
for code in pathlib.Path('/opt/doka').rglob('*.py[c]'):
    head = code.read_bytes()[:16]
    source = pathlib.Path(importlib.util.source_from_cache(str(code)))
    print(int.from_bytes(head[4:8], 'little'), head[8:] == importlib.util.source_hash(source.read_bytes()), code, sep='\\t')
"""
ELF = """
import pathlib
for path in pathlib.Path('/opt/doka').rglob('*'):
    if path.is_file() and not path.is_symlink() and path.open('rb').read(4) == b'\\x7fELF':
        print(path)
"""


@pytest.fixture(scope="module")
def image(container_engine: None) -> Iterator[str]:
    """Give the image; where the compose file has built it, or README's line, the engine takes their layers."""
    build = ["docker", "build", "--quiet", "--tag", IMAGE, "."]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=BUILD_SECONDS, check=True)
    yield IMAGE
    subprocess.run(["docker", "image", "rm", "--force", IMAGE], capture_output=True, check=False)


@pytest.fixture(scope="module")
def bill(image: str) -> dict[str, Any]:
    """Give the image's bill of materials."""
    return image_bill(image)


def said(image: str, *words: str, everywhere: bool = False) -> list[str]:
    """Run a program in the image, with as few rights as the service has or as one that may read all, and give its lines."""
    command = ["docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"]
    command += ["--user", "0:0", "--cap-add", "DAC_READ_SEARCH"] if everywhere else []
    command += ["--entrypoint", words[0], image, *words[1:]]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_SECONDS, check=True)
    return ran.stdout.splitlines()


def test_each_shared_object_is_in_the_bill_with_its_hash(image: str, bill: dict[str, Any]) -> None:
    """What find and sha256sum see in the image, and nothing else, stands in the bill as files of components."""
    lines = [line.split(maxsplit=1) for line in said(image, "sh", "-c", LISTING, everywhere=True)]
    seen = {path: sha256 for sha256, path in lines}
    told = dict(files(bill))
    program = {path for path in told if ".so" not in path}
    assert 1 == len(program), "the interpreter itself"
    assert len(seen) > 100
    assert seen == {path: told[path] for path in told.keys() - program}


def test_no_code_of_ours_hides_under_another_name(image: str, bill: dict[str, Any]) -> None:
    """Every ELF file in doka's environment, however it is called, is a file of the bill."""
    assert [] == [path for path in said(image, "python3", "-c", ELF) if path not in dict(files(bill))]


def test_every_library_inside_a_wheel_is_named(bill: dict[str, Any]) -> None:
    """Libraries that wheels carry have their project's name and its version; the one that tells none is known by name."""
    natives = {part["bom-ref"]: part for wheel in bill["components"] for part in wheel.get("components", ())}
    carried = {ref: part for ref, part in natives.items() if part.get("purl", "").startswith("pkg:generic/")}
    assert {part["name"] for part in carried.values()} <= {*PROJECTS.values(), "zlib", "libyaml", "zstd"}
    assert ["sfparse"] == sorted(part["name"] for part in carried.values() if "version" not in part)
    assert {"curl", "openssl", "librdkafka", "libyaml", "zstd"} <= {part["name"] for part in carried.values()}


def test_the_bill_has_what_the_lock_pins(bill: dict[str, Any]) -> None:
    """Each pin of the lock is a component with that version; so are the interpreter, Debian and its packages."""
    urls = {part.get("purl") for part in bill["components"]}
    lock = pins((ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8"))
    assert [] == [pin.name for pin in lock if pin.marker is None and f"pkg:pypi/{pin.name}@{pin.version}" not in urls]
    assert {"platform", "operating-system", "application"} <= {part["type"] for part in bill["components"]}
    assert 50 < sum(1 for url in urls if url and url.startswith("pkg:deb/debian/"))


def test_the_bill_is_one_that_cyclonedx_allows(bill: dict[str, Any]) -> None:
    """The schema takes one of each kind: wheels with libraries and with a bill, Debian's, the interpreter (all take a minute)."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # only here, as in test_packaging.py

    kinds = {"doka-connector", "confluent-kafka", "pycurl", "pybase64", "python", "debian", "zlib1g"}
    parts = [part for part in bill["components"] if part["name"] in kinds]
    assert kinds == {part["name"] for part in parts}
    edges = [edge for edge in bill["dependencies"] if edge["ref"] in {part["bom-ref"] for part in parts}]
    text = written({**bill, "components": parts, "dependencies": edges})
    assert None is JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_an_image_that_is_not_there_is_told(container_engine: None) -> None:
    """Whoever asks for the bill of an image that was not built hears what to type."""
    with pytest.raises(CannotTellError, match="build it first: docker build -t doka:never-built"):
        image_bill("doka:never-built")


def test_nobody_becomes_another_user(image: str) -> None:
    """No file of the image runs with the rights of its owner or group instead of the caller's."""
    assert [] == said(image, "find", "/", "-xdev", "-type", "f", "-perm", "/6000", everywhere=True)


def test_nothing_can_be_installed_or_changed(image: str) -> None:
    """Doka's environment has no pip, is owned by root, and nothing in it may be written by anybody else."""
    assert [] == said(image, "find", "/opt/doka", "-iname", "pip*", "-path", "*site-packages*", "-maxdepth", "5")
    assert ["None"] == said(image, "python3", "-c", "import importlib.util as i; print(i.find_spec('pip'))")
    assert [] == said(image, "find", "/opt", "(", "!", "-user", "0", "-o", "!", "-group", "0", ")")
    assert [] == said(image, "find", "/opt", "!", "-type", "l", "-perm", "/022")


def test_the_user_can_write_nowhere(image: str) -> None:
    """What the image's user may write is what everybody may, in the base's own folders for that, and empty."""
    words = ["find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/dev", ")", "-prune"]
    writable = [*words, "-o", "!", "-type", "l", "-perm", "-002", "-print"]
    assert set(said(image, *writable, everywhere=True)) <= ANYBODYS
    assert [] == said(image, "find", "/", "-xdev", "-user", "65532", "-print", everywhere=True)


def test_byte_code_is_the_same_whenever_it_was_made(image: str) -> None:
    """Byte code in doka's environment holds the hash of its source instead of a time, and each file has one time."""
    told = [line.split("\t") for line in said(image, "python3", "-c", BYTE_CODE)]
    assert len(told) > 1000
    assert [] == [line for line in told if line[:2] != [str(UNCHECKED), "True"]]
    assert ["1580601600"] == sorted(set(said(image, "find", "/opt/doka", "-mindepth", "1", "-printf", "%Ts\\n")))
