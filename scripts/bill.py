"""The bill of materials in CycloneDX that a wheel of doka carries (PEP 770), and how such a document is written.

doka's wheel holds nothing of others. Its bill says with what it is tested and shipped in the image: the pins of
requirements/runtime.txt, each with the SHA-256 of every file that the lock allows. The wheel's own metadata asks for more
versions than these; what is installed elsewhere is that installation's to list.

Of the standard library alone: the build backend loads this file where nothing else is installed.
The same sources give the same bytes, so there is no time in it, and its serial number comes from what it says.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SPECIFICATION = "1.6"
Json = dict[str, Any]

_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+?))? \\")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SPELLING = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a lock: an exact version, where it is wanted, and the SHA-256 of each file that may be installed."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]


def pins(lock: str) -> list[Pin]:
    """Give the pins of a lock file, in its order.

    Raises:
        ValueError: a line is neither a pin nor a hash, or a pin has no hash.
    """
    found: list[tuple[re.Match[str], list[str]]] = []
    for line in lock.splitlines():
        pin, hashed = _PIN.fullmatch(line), _HASH.search(line)
        if pin is not None:
            found.append((pin, []))
        elif hashed is not None and found:
            found[-1][1].append(hashed[1])
        else:
            raise ValueError(f"neither a pin nor its hash: {line}")
    bare = [pin["name"] for pin, hashes in found if not hashes]
    if bare:
        raise ValueError(f"pinned without a hash: {', '.join(bare)}")
    return [Pin(pin["name"], pin["version"], pin["marker"], tuple(hashes)) for pin, hashes in found]


def of_wheel(version: str, asked: Iterable[str], lock: str) -> Json:
    """Give the bill of doka's wheel of a version: what it asks for, by name, stands first behind it in the graph."""
    locked = pins(lock)
    refs = {pin.name: package_url(pin.name, pin.version) for pin in locked}
    wheel = doka(version)
    return document(
        wheel,
        [_pinned(pin) for pin in locked],
        {wheel["bom-ref"]: [refs[normal(name)] for name in asked]},
        # A lock is flat: who asks for what beyond the first step is not in it.
        incomplete=refs.values(),
    )


def doka(version: str) -> Json:
    """Give doka itself as a component."""
    ref = package_url("doka-connector", version)
    licence = [{"license": {"id": "Apache-2.0"}}]
    return {
        "type": "application",
        "bom-ref": ref,
        "name": "doka-connector",
        "version": version,
        "purl": ref,
        "licenses": licence,
    }


def package_url(name: str, version: str) -> str:
    """Give the package URL of a Python distribution; the character of a local version is written as the rules ask."""
    return f"pkg:pypi/{normal(name)}@{version.replace('+', '%2B')}"


def normal(name: str) -> str:
    """Give a distribution's name in the one spelling in which names are compared."""
    return _SPELLING.sub("-", name).lower()


def document(
    subject: Json, components: Iterable[Json], dependencies: Mapping[str, Iterable[str]], *, incomplete: Iterable[str]
) -> Json:
    """Give a whole document on a subject: components in the order of their references, and who depends on whom.

    `incomplete` names components of which more may be needed than `dependencies` says.
    """
    unsure = sorted(set(incomplete))
    told: Json = {
        "metadata": {"component": subject},
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(needs))} for ref, needs in sorted(dependencies.items())],
    }
    if unsure:
        told["compositions"] = [{"aggregate": "incomplete", "dependencies": unsure}]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        **told,
    }


def written(bill: Json) -> str:
    """Give a document as the text of its file."""
    return json.dumps(bill, indent=1, ensure_ascii=False) + "\n"


def _pinned(pin: Pin) -> Json:
    ref = package_url(pin.name, pin.version)
    files = {
        "type": "distribution",
        "url": ref,  # the lock names no index, so neither does this
        "comment": "any one of these files",
        "hashes": [{"alg": "SHA-256", "content": value} for value in pin.hashes],
    }
    told = {"type": "library", "bom-ref": ref, "name": pin.name, "version": pin.version, "purl": ref}
    if pin.marker is None:
        return {**told, "scope": "required", "externalReferences": [files]}
    where = {"name": "doka:marker", "value": pin.marker}
    return {**told, "scope": "optional", "externalReferences": [files], "properties": [where]}
