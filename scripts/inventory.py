"""Says what is in an image, from inside it: sent to the image's own interpreter on stdin, it prints one JSON document.

It only collects. What belongs to what is decided by scripts/image_bill.py, outside.
Of the standard library alone, since the image has nothing else that it could use, and written in no folder: the container
is read-only.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SHARED_OBJECT = re.compile(r".+\.so(\.\d[\w.]*)?")
"""The names of shared objects: extension modules, and libraries with or without the version behind."""

NOT_OF_THE_IMAGE = frozenset({"/proc", "/sys", "/dev"})
BLOCK_BYTES = 1 << 20

TEXTS = {
    "openssl": rb"OpenSSL (\d+\.\d+\.\d+[a-z]?) +\d+ \w{3} \d{4}",
    "zlib": rb"(?:de|in)flate (\d+\.\d+(?:\.\d+)*) Copyright",
    "curl": rb"libcurl/(\d+\.\d+\.\d+)",
    "krb5": rb"KRB5_BRAND: krb5-(\d+\.\d+(?:\.\d+)?)-",
}
"""Texts by which a library is known wherever its code is, also where it was linked statically into another."""


class _Version(ctypes.Structure):
    """What nghttp2 and its relatives answer: the age of the struct, the version as a number and as a text."""

    _fields_ = (("age", ctypes.c_int), ("number", ctypes.c_int), ("text", ctypes.c_char_p))


def _text(symbol: str, *given: Any) -> Callable[[ctypes.CDLL], str]:
    def ask(library: ctypes.CDLL) -> str:
        function = library[symbol]
        function.restype = ctypes.c_char_p
        return str((function(*given) or b"").decode())

    return ask


def _struct(symbol: str) -> Callable[[ctypes.CDLL], str]:
    def ask(library: ctypes.CDLL) -> str:
        function = library[symbol]
        function.restype = ctypes.POINTER(_Version)
        return str(function(0).contents.text.decode())

    return ask


def _brotli(library: ctypes.CDLL) -> str:
    number = int(library.BrotliDecoderVersion())
    return f"{number >> 24}.{number >> 12 & 0xFFF}.{number & 0xFFF}"


def _unistring(library: ctypes.CDLL) -> str:
    number = ctypes.c_int.in_dll(library, "_libunistring_version").value
    return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}".removesuffix(".0")


TELLERS: dict[str, Callable[[ctypes.CDLL], str]] = {
    "libbrotlidec": _brotli,
    "libcrypto": _text("OpenSSL_version", 0),
    "libcurl": _text("curl_version"),
    "libidn2": _text("idn2_check_version", None),
    "libnghttp2": _struct("nghttp2_version"),
    "libnghttp3": _struct("nghttp3_version"),
    "libngtcp2": _struct("ngtcp2_version"),
    "libpsl": _text("psl_get_version"),
    "librdkafka": _text("rd_kafka_version_str"),
    "libssh2": _text("libssh2_version", 0),
    "libunistring": _unistring,
}
"""Libraries inside wheels that say their version when asked: how each is asked, by the beginning of its file's name."""


def inventory() -> Json:
    """Give all of it."""
    paths, folders = walked("/")
    found = list(_distributions(folders))
    return {
        "os": platform.freedesktop_os_release(),
        "machine": platform.machine(),
        "python": _python(),
        "packages": _packages(),
        "package_files": _package_files({*paths, os.path.realpath(sys.executable)}),
        "distributions": found,
        "objects": [_object(path) for path in paths],
        "versions": dict(_versions(found)),
        "texts": dict(_texts(found)),
    }


def walked(root: str) -> tuple[list[str], list[str]]:
    """Give each shared object below a folder, and each folder that holds distributions; no link is followed or given."""
    paths: list[str] = []
    folders: list[str] = []
    for name, inside, files in os.walk(root, onerror=_fail):
        folder = Path(name)
        inside[:] = sorted(part for part in inside if str(folder / part) not in NOT_OF_THE_IMAGE)
        places = [folder / part for part in sorted(files) if SHARED_OBJECT.fullmatch(part)]
        paths += [str(path) for path in places if path.is_file() and not path.is_symlink()]
        # What Debian packs itself stands in a folder of another name, and among its packages.
        if folder.name == "site-packages" and any(part.endswith(".dist-info") for part in inside):
            folders.append(name)
    return paths, folders


def _fail(error: OSError) -> None:
    """End at a folder that cannot be looked into: what is not seen would be missing in silence."""
    raise error


def stem(path: str) -> str:
    """Give the name of a library without what was put behind it: `libcurl` of libcurl-330bcbb6.so.4.8.0."""
    return re.split(r"-[0-9a-f]{8}\b|\.", Path(path).name)[0]


def _object(path: str) -> Json:
    return {"path": path, "sha256": _sha256(path)}


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _python() -> Json:
    program = os.path.realpath(sys.executable)
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "base": os.path.realpath(sys.base_prefix),
        "program": _object(program),
    }


def _packages() -> list[Json]:
    words = ["name", "version", "architecture", "source", "source_version"]
    form = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    told = subprocess.run(["dpkg-query", "--show", f"--showformat={form}"], capture_output=True, text=True, check=True)
    return [dict(zip(words, line.split("\t"), strict=True)) for line in told.stdout.splitlines()]


def _package_files(paths: set[str]) -> dict[str, str]:
    """Give for each of these files the Debian package that it came with; the lists may name it by a folder that is a link."""
    owners: dict[str, str] = {}
    for listing in sorted(Path("/var/lib/dpkg/info").glob("*.list")):
        package = listing.stem.partition(":")[0]
        for line in listing.read_text(encoding="utf-8").splitlines():
            if SHARED_OBJECT.fullmatch(line.rpartition("/")[2]) or line.startswith("/usr/bin/python3"):
                owners[os.path.realpath(line)] = package
    return {path: owners[path] for path in sorted(paths) if path in owners}


def _distributions(folders: list[str]) -> Iterator[Json]:
    """Tell every Python distribution of these folders, whichever interpreter looks at them."""
    for distribution in sorted(distributions(path=folders), key=_place):
        place = Path(_place(distribution))
        yield {
            "name": distribution.metadata["Name"],
            "version": distribution.version,
            "place": str(place),
            "licence": distribution.metadata.get("License-Expression"),
            "requires": distribution.requires or [],
            "objects": [
                os.path.realpath(str(distribution.locate_file(file)))
                for file in distribution.files or ()
                if SHARED_OBJECT.fullmatch(file.name)
            ],
            "bills": {
                path.name: path.read_text(encoding="utf-8")
                for path in sorted((place / "sboms").glob("*"))
                if path.is_file()
            },
        }


def _place(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path"))  # noqa: B009 - the library has no public name for it, nor has its type


def _versions(found: list[Json]) -> Iterator[tuple[str, str]]:
    """Ask each library inside a wheel for its version, where one knows how."""
    for path in _of_wheels(found):
        teller = TELLERS.get(stem(path))
        if teller is not None:
            yield path, teller(ctypes.CDLL(path))


def _texts(found: list[Json]) -> Iterator[tuple[str, dict[str, str]]]:
    """Look in each shared object of a wheel for the texts by which the code of others is known; some say it when asked."""
    for path in _of_wheels(found):
        held = Path(path).read_bytes()
        hits = {name: match[1].decode() for name, text in TEXTS.items() if (match := re.search(text, held))}
        if stem(path) == "_yaml":
            hits["libyaml"] = importlib.import_module("yaml._yaml").get_version_string()
        if stem(path) == "_zstd":
            hits["zstd"] = importlib.import_module("backports.zstd").zstd_version
        if hits:
            yield path, hits


def _of_wheels(found: list[Json]) -> Iterator[str]:
    for told in found:
        yield from (path for path in told["objects"] if Path(path).exists())


if __name__ == "__main__":
    json.dump(inventory(), sys.stdout)
