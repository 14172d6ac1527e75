"""What belongs to what in an image, by the facts of one as the official Python image lays it out."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from scripts.bill import Json, written
from scripts.image_bill import NobodysError, files, of_image
from scripts.inventory import SHARED_OBJECT, stem

SITE = "/opt/doka/lib/python3.11/site-packages"
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
LIBPYTHON, DYNLOAD = "/usr/local/lib/libpython3.11.so.1.0", "/usr/local/lib/python3.11/lib-dynload/_ssl.so"
CURL, CRYPTO, SSL = (f"{SITE}/pycurl.libs/lib{name}" for name in ("curl-0a1b2c3d.so.4", "crypto-0a1b2c3d.so.3", "ssl-0a1b2c3d.so.3"))  # fmt: skip
KAFKA, JSON, PYCURL = (
    f"{SITE}/confluent_kafka.libs/librdkafka-0a1b2c3d.so.1",
    f"{SITE}/orjson/orjson.so",
    f"{SITE}/pycurl.so",
)
OBJECTS = [LIBC, LIBPYTHON, DYNLOAD, CURL, CRYPTO, SSL, KAFKA, JSON, PYCURL]
CRATE = {"type": "library", "bom-ref": "crate", "name": "itoa", "version": "1.0", "purl": "pkg:cargo/itoa@1.0"}
RUST = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {
        "component": {
            "type": "library",
            "bom-ref": "root",
            "name": "orjson",
            "version": "3",
            "components": [{"type": "library", "bom-ref": "root 0", "name": "orjson"}],
        }
    },
    "components": [CRATE],
    "dependencies": [{"ref": "root", "dependsOn": ["crate"]}, {"ref": "crate"}],
}


def wheel(
    name: str, version: str, *objects: str, requires: tuple[str, ...] = (), bills: dict[str, str] | None = None
) -> Json:
    """Give what the inventory tells of one distribution."""
    place = f"{SITE}/{name}-{version}.dist-info"
    told: Json = {"name": name, "version": version, "place": place, "licence": "MIT", "requires": list(requires)}
    return {**told, "objects": list(objects), "bills": bills or {}}


FACTS: dict[str, Any] = {
    "os": {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian 12"},
    "machine": "x86_64",
    "python": {
        "version": "3.11.9",
        "implementation": "CPython",
        "base": "/usr/local",
        "program": {"path": "/usr/local/bin/python3.11", "sha256": "c" * 64},
    },
    "packages": [
        {
            "name": "libc6",
            "version": "2.36-9+deb12u1",
            "architecture": "amd64",
            "source": "glibc",
            "source_version": "2.36",
        }
    ],
    "package_files": {LIBC: "libc6"},
    "distributions": [
        wheel(
            "doka-connector",
            "0.3.0",
            requires=("pycurl>=7", "orjson", 'colorama; sys_platform == "win32"', 'moto; extra == "demo"'),
            bills={"doka-connector.cdx.json": json.dumps({"not": "merged"})},
        ),
        wheel("pycurl", "7.49.0", PYCURL, CURL, CRYPTO, SSL),
        wheel("confluent-kafka", "2.16.1", KAFKA),
        wheel("orjson", "3.13.0", JSON, bills={"orjson.cdx.json": json.dumps(RUST)}),
    ],
    "objects": [{"path": path, "sha256": f"{number:064x}"} for number, path in enumerate(OBJECTS)],
    "versions": {CURL: "libcurl/8.23.0 OpenSSL/3.6.5", CRYPTO: "OpenSSL 3.6.5 29 Sep 2026", KAFKA: "2.16.0"},
    "texts": {KAFKA: {"openssl": "3.5.8"}, CRYPTO: {"openssl": "3.6.5"}},
}


@pytest.fixture
def facts() -> dict[str, Any]:
    """Give the facts, to be changed at will."""
    return copy.deepcopy(FACTS)


def owners(bill: Json) -> dict[str, str]:
    """Give for each file the component right above it."""

    def below(component: Json) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in component.get("components", ()):
            found |= {part["name"]: component["bom-ref"]} if part["type"] == "file" else below(part)
        return found

    return below(bill)


def parts(bill: Json, ref: str) -> dict[str, Json]:
    """Give the parts of a component that are no files, by their reference."""
    (component,) = (part for part in bill["components"] if part["bom-ref"] == ref)
    return {part["bom-ref"]: part for part in component.get("components", ()) if part["type"] != "file"}


def test_each_object_has_its_owner_and_its_hash(facts: dict[str, Any]) -> None:
    """Every object stands under what it came with: package, interpreter, wheel, or the library that a wheel carries."""
    bill = of_image(facts)
    assert {
        LIBC: "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc",
        LIBPYTHON: "python",
        DYNLOAD: "python",
        "/usr/local/bin/python3.11": "python",
        CURL: "pkg:pypi/pycurl@7.49.0#curl",
        CRYPTO: "pkg:pypi/pycurl@7.49.0#openssl",
        SSL: "pkg:pypi/pycurl@7.49.0#openssl",
        PYCURL: "pkg:pypi/pycurl@7.49.0",
        KAFKA: "pkg:pypi/confluent-kafka@2.16.1#librdkafka",
        JSON: "pkg:pypi/orjson@3.13.0",
    } == owners(bill)
    assert {entry["path"]: entry["sha256"] for entry in facts["objects"]}.items() <= dict(files(bill)).items()


def test_libraries_of_a_wheel_are_named_with_their_versions(facts: dict[str, Any]) -> None:
    """A carried library has the version that it told, and the name under which its vulnerabilities are filed."""
    told = parts(of_image(facts), "pkg:pypi/pycurl@7.49.0")
    curl, openssl = told["pkg:pypi/pycurl@7.49.0#curl"], told["pkg:pypi/pycurl@7.49.0#openssl"]
    assert ("8.23.0", "cpe:2.3:a:haxx:curl:8.23.0:*:*:*:*:*:*:*") == (curl["version"], curl["cpe"])
    assert ("3.6.5", "pkg:generic/openssl@3.6.5") == (openssl["version"], openssl["purl"])


def test_what_is_linked_statically_is_named_beside_its_carrier(facts: dict[str, Any]) -> None:
    """The OpenSSL inside librdkafka is another one than pycurl's, and stands in the bill as well, without a file."""
    told = parts(of_image(facts), "pkg:pypi/confluent-kafka@2.16.1")
    inside = told["pkg:pypi/confluent-kafka@2.16.1#librdkafka/openssl"]
    assert ("3.5.8", [{"name": "doka:linked-into", "value": KAFKA}]) == (inside["version"], inside["properties"])
    assert "components" not in inside


def test_a_library_that_nobody_knows_is_named_by_its_file(facts: dict[str, Any]) -> None:
    """A wheel that carries something new brings it into the bill, without a version that nobody told."""
    new = f"{SITE}/pycurl.libs/libnew-0a1b2c3d.so.1"
    facts["objects"].append({"path": new, "sha256": "d" * 64})
    facts["distributions"][1]["objects"].append(new)
    told = parts(of_image(facts), "pkg:pypi/pycurl@7.49.0")["pkg:pypi/pycurl@7.49.0#libnew"]
    assert ("libnew", None) == (told["name"], told.get("version"))


def test_an_object_of_nobody_is_an_error(facts: dict[str, Any]) -> None:
    """A shared object that came with nothing is told by its path."""
    facts["objects"].append({"path": "/opt/stray.so", "sha256": "d" * 64})
    with pytest.raises(NobodysError, match=r"belong to nothing that is known: /opt/stray\.so"):
        of_image(facts)


def test_the_bill_inside_a_wheel_is_merged(facts: dict[str, Any]) -> None:
    """What a wheel's own bill lists stands in the image's, with its edges, under references that clash with none."""
    bill = of_image(facts)
    prefix = "pkg:pypi/orjson@3.13.0#orjson.cdx.json/"
    assert {prefix + "root", prefix + "crate"} == parts(bill, "pkg:pypi/orjson@3.13.0").keys()
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert [prefix + "root"] == edges["pkg:pypi/orjson@3.13.0"]
    assert [prefix + "crate"] == edges[prefix + "root"]


def test_the_graph_is_of_this_image(facts: dict[str, Any]) -> None:
    """A requirement counts where its marker holds in the image: nothing of Windows, nothing of an extra."""
    edges = {edge["ref"]: edge["dependsOn"] for edge in of_image(facts)["dependencies"]}
    assert ["pkg:pypi/orjson@3.13.0", "pkg:pypi/pycurl@7.49.0"] == edges["pkg:pypi/doka-connector@0.3.0"]
    assert ["pkg:pypi/doka-connector@0.3.0", "python", "system"] == edges["image"]


def test_the_schema_allows_it_and_can_refuse(facts: dict[str, Any]) -> None:
    """CycloneDX's own schema takes the bill; one reference twice, or an unknown field, it would not."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # only here, as in test_packaging.py

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    bill = of_image(facts)
    assert None is validator.validate_str(written(bill))
    assert None is not validator.validate_str(written({**bill, "parts": []}))


@pytest.mark.parametrize("name", ["cimpl.cpython-311-x86_64-linux-gnu.so", "libcurl-330bcbb6.so.4.8.0", "libm.so.6"])
def test_shared_objects_are_known_by_their_names(name: str) -> None:
    """Extension modules and libraries are, with or without a version behind."""
    assert SHARED_OBJECT.fullmatch(name)


@pytest.mark.parametrize("name", ["ld.so.cache", "ld.so.conf", "so.py", "libm.a"])
def test_what_is_no_shared_object_is_none(name: str) -> None:
    """The loader's cache and configuration are not code."""
    assert not SHARED_OBJECT.fullmatch(name)


def test_the_stem_is_what_the_project_called_it() -> None:
    """What a wheel's repair put into the name is taken off, and what Python did."""
    assert ["libcurl", "libngtcp2_crypto_ossl", "_yaml"] == [
        stem(f"/x/{name}")
        for name in (
            "libcurl-330bcbb6.so.4.8.0",
            "libngtcp2_crypto_ossl-741c35a5.so.0.3.1",
            "_yaml.cpython-311-x86_64-linux-gnu.so",
        )
    ]
