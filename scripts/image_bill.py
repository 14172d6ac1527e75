"""Decides what belongs to what in an image, and writes it as a bill of materials in CycloneDX.

Every shared object stands in it as a file with its SHA-256, under the component that it came with: a Debian package, the
interpreter, a wheel, or a library that a wheel carries. An object that belongs to none of them is an error, not a gap.
Wheels that carry C libraries seldom say so themselves, so these are told by their files; what was linked statically is
told where its code names itself. Wheels that have bills of their own (PEP 770) bring them along.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from packaging.markers import default_environment
from packaging.requirements import Requirement

from scripts.bill import Json, document, doka, normal, package_url
from scripts.inventory import stem

OURS = "doka-connector"
_NUMBER = re.compile(r"\d+(?:\.\d+)+[a-z]?")

PROJECTS = {
    "libbrotlicommon": "brotli",
    "libbrotlidec": "brotli",
    "libbrotlienc": "brotli",
    "libcom_err": "krb5",
    "libcrypto": "openssl",
    "libcurl": "curl",
    "libgssapi_krb5": "krb5",
    "libidn2": "libidn2",
    "libk5crypto": "krb5",
    "libkrb5": "krb5",
    "libkrb5support": "krb5",
    "libnghttp2": "nghttp2",
    "libnghttp3": "nghttp3",
    "libngtcp2": "ngtcp2",
    "libngtcp2_crypto_ossl": "ngtcp2",
    "libpsl": "libpsl",
    "librdkafka": "librdkafka",
    "libsfparse": "sfparse",
    "libssh2": "libssh2",
    "libssl": "openssl",
    "libunistring": "libunistring",
}
"""Which project a library inside a wheel is from, by the beginning of its file's name; any other is its own."""

VENDORS = {
    "brotli": "google:brotli",
    "curl": "haxx:curl",
    "krb5": "mit:kerberos_5",
    "libidn2": "gnu:libidn2",
    "libssh2": "libssh2:libssh2",
    "libunistring": "gnu:libunistring",
    "libyaml": "pyyaml:libyaml",
    "nghttp2": "nghttp2:nghttp2",
    "openssl": "openssl:openssl",
    "python": "python:python",
    "zlib": "zlib:zlib",
    "zstd": "facebook:zstandard",
}
"""Under which vendor and product vulnerabilities of a project are filed (CPE), so that a scanner finds them by the bill."""


class NobodysError(ValueError):
    """Files of the image belong to no component."""


def of_image(told: Mapping[str, Any]) -> Json:
    """Give the bill of an image, of what scripts/inventory.py tells of it.

    Raises:
        NobodysError: a shared object came with nothing that is known; the text names each.
    """
    return _Image(told).bill()


class _Image:
    """One image: its facts, and the graph as it grows."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told
        self._sums: dict[str, str] = {entry["path"]: entry["sha256"] for entry in told["objects"]}
        self._needs: dict[str, list[str]] = {}
        self._incomplete: list[str] = []
        self._refs = {normal(entry["name"]): _ref(entry) for entry in told["distributions"]}
        python = told["python"]["version"]
        self._environment = default_environment() | {
            "extra": "",
            "platform_machine": told["machine"],
            "platform_python_implementation": told["python"]["implementation"],
            "platform_system": "Linux",
            "python_full_version": python,
            "python_version": ".".join(python.split(".")[:2]),
            "sys_platform": "linux",
        }

    def bill(self) -> Json:
        """Give the whole document."""
        wheels = [self._distribution(entry) for entry in self._told["distributions"]]
        python, packages, system = self._python(), list(self._packages()), self._system()
        ours = [entry for entry in self._told["distributions"] if normal(entry["name"]) == OURS]
        version = ours[0]["version"] if ours else ""
        image: Json = {"type": "container", "bom-ref": "image", "name": "doka", "version": version}
        self._needs["image"] = [system["bom-ref"], python["bom-ref"], *(_ref(entry) for entry in ours)]
        bill = document(image, [*wheels, python, *packages, system], self._needs, incomplete=self._incomplete)
        nobodys = sorted(self._sums.keys() - {name for name, _ in files(bill)})
        if nobodys:
            raise NobodysError(f"these belong to nothing that is known: {', '.join(nobodys)}")
        return bill

    # --- Debian and the interpreter ----------------------------------------------------------------------------------

    def _system(self) -> Json:
        told = self._told["os"]
        return {
            "type": "operating-system",
            "bom-ref": "system",
            "name": told["ID"],
            "version": told["VERSION_ID"],
            "description": told["PRETTY_NAME"],
        }

    def _packages(self) -> Iterator[Json]:
        of: dict[str, list[str]] = defaultdict(list)
        for path, package in self._told["package_files"].items():
            if path in self._sums:
                of[package].append(path)
        told = self._told["os"]
        for package in self._told["packages"]:
            rest = f"arch={package['architecture']}&distro={told['ID']}-{told['VERSION_ID']}"
            if package["source"] != package["name"]:
                rest += f"&upstream={quote(package['source'])}"
            ref = f"pkg:deb/{told['ID']}/{quote(package['name'])}@{quote(package['version'])}?{rest}"
            self._incomplete.append(ref)
            yield _with_files(
                {
                    "type": "library",
                    "bom-ref": ref,
                    "name": package["name"],
                    "version": package["version"],
                    "purl": ref,
                },
                self._files(of[package["name"]]),
            )

    def _python(self) -> Json:
        """Give the interpreter, with what stands in its own folders and came with no package and no wheel."""
        told = self._told["python"]
        program = told["program"]
        taken = {path for entry in self._told["distributions"] for path in entry["objects"]}
        taken |= self._told["package_files"].keys()
        library = f"{told['base']}/lib"
        version = ".".join(told["version"].split(".")[:2])
        own = [
            path
            for path in self._sums
            if path not in taken and path.startswith((f"{library}/python{version}/", f"{library}/libpython"))
        ]
        component = {"type": "platform", "bom-ref": "python", **_named("python", told["version"])}
        return _with_files(component, [_file(program["path"], program["sha256"]), *self._files(own)])

    # --- wheels ------------------------------------------------------------------------------------------------------

    def _distribution(self, entry: Mapping[str, Any]) -> Json:
        ref = _ref(entry)
        component: Json = {
            "type": "application" if normal(entry["name"]) == OURS else "library",
            "bom-ref": ref,
            "name": entry["name"],
            "version": entry["version"],
            "purl": package_url(entry["name"], entry["version"]),
        }
        if normal(entry["name"]) == OURS:
            component = doka(entry["version"])
        elif entry["licence"]:
            component["licenses"] = [{"expression": entry["licence"]}]
        carried = [path for path in entry["objects"] if _is_carried(path)]
        modules = [path for path in entry["objects"] if not _is_carried(path)]
        natives = [*self._carried(ref, carried), *self._linked(ref, entry["objects"])]
        self._needs[ref] = [*self._required(entry["requires"]), *(native["bom-ref"] for native in natives)]
        # What is linked into a module need not name itself, so that a module without a bill may hold more.
        self._incomplete += [ref] if modules and not entry["bills"] else []
        brought = [] if normal(entry["name"]) == OURS else list(self._brought(ref, entry["bills"]))
        return _with_files(component, [*natives, *brought, *self._files(modules)])

    def _required(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            needed = Requirement(line)
            ref = self._refs.get(normal(needed.name))
            if ref is not None and (needed.marker is None or needed.marker.evaluate(dict(self._environment))):
                yield ref

    def _carried(self, wheel: str, paths: Iterable[str]) -> Iterator[Json]:
        """Give each project whose libraries lie in a wheel, with their files, and its version if one of them told it."""
        of: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            of[PROJECTS.get(stem(path), stem(path))].append(path)
        for project, own in sorted(of.items()):
            asked = [self._told["versions"][path] for path in own if path in self._told["versions"]]
            read = [found[project] for path in own if project in (found := self._told["texts"].get(path, {}))]
            told = next(iter((*asked, *read)), None)
            yield _with_files(_native(f"{wheel}#{project}", project, told), self._files(own))

    def _linked(self, wheel: str, paths: Iterable[str]) -> Iterator[Json]:
        """Give what was linked statically into an object of a wheel, as far as its code names itself."""
        for path in paths:
            for project, version in self._told["texts"].get(path, {}).items():
                if project != PROJECTS.get(stem(path)):
                    component = _native(f"{wheel}#{stem(path)}/{project}", project, version)
                    component["properties"] = [{"name": "doka:linked-into", "value": path}]
                    yield component

    def _brought(self, wheel: str, bills: Mapping[str, str]) -> Iterator[Json]:
        """Give what the bills inside a wheel list, under references that are the wheel's own; the graph takes their edges."""
        for name, text in sorted(bills.items()):
            bill = json.loads(text)
            prefix = f"{wheel}#{name}/"
            subject = bill["metadata"]["component"]
            self._needs[wheel].append(prefix + subject["bom-ref"])
            for edge in bill.get("dependencies", ()):
                needs = [prefix + ref for ref in edge.get("dependsOn", ())]
                self._needs[prefix + edge["ref"]] = needs
            for component in (subject, *bill.get("components", ())):
                yield _prefixed(component, prefix)

    def _files(self, paths: Iterable[str]) -> list[Json]:
        return [_file(path, self._sums[path]) for path in sorted(paths) if path in self._sums]


def files(bill: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give path and SHA-256 of every file of a bill, wherever it stands."""
    for component in bill.get("components", ()):
        if component["type"] == "file":
            yield component["name"], component["hashes"][0]["content"]
        yield from files(component)


def _ref(entry: Mapping[str, Any]) -> str:
    """Give the reference of a distribution; one that lies elsewhere than doka's environment says where."""
    ref = package_url(entry["name"], entry["version"])
    return ref if entry["place"].startswith("/opt/doka/") else f"{ref}#{PurePath(entry['place']).parent}"


def _is_carried(path: str) -> bool:
    """Say whether a shared object of a wheel is a library that was put beside its modules."""
    return PurePath(path).parent.name.endswith(".libs")


def _native(ref: str, project: str, told: str | None) -> Json:
    number = None if told is None else _NUMBER.search(told)
    return {"type": "library", "bom-ref": ref, **_named(project, None if number is None else number[0])}


def _named(project: str, version: str | None) -> Json:
    """Give name, version, package URL and CPE of a project that no package system knows here."""
    if version is None:
        return {"name": project, "purl": f"pkg:generic/{project}"}
    told = {"name": project, "version": version, "purl": f"pkg:generic/{project}@{version}"}
    if project in VENDORS:
        told["cpe"] = f"cpe:2.3:a:{VENDORS[project]}:{version}:*:*:*:*:*:*:*"
    return told


def _file(path: str, sha256: str) -> Json:
    return {
        "type": "file",
        "bom-ref": f"file:{path}",
        "name": path,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }


def _with_files(component: Json, parts: Sequence[Json]) -> Json:
    return {**component, "components": list(parts)} if parts else component


def _prefixed(component: Mapping[str, Any], prefix: str) -> Json:
    """Give a component under a reference that is unique in a larger document, its parts as well."""
    told = dict(component)
    if "bom-ref" in told:
        told["bom-ref"] = prefix + told["bom-ref"]
    if "components" in told:
        told["components"] = [_prefixed(part, prefix) for part in told["components"]]
    return told
