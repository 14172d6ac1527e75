from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.architecture.source_tree import ROOT, SRC, imports, modules, shown

pytestmark = pytest.mark.xdist_group("sources")  # test_tidy.py parses the same files

DOMAIN_MAY_IMPORT = {
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "collections.abc", "dataclasses", "enum", "functools",
    "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "struct", "types", "typing",
}  # fmt: skip
"""Pure parts of the standard library: no clock, no I/O, no thread, no randomness. A deny-list would forget some."""

NOT_LOADED_BY_THE_DOMAIN = {
    "asyncio", "boto3", "botocore", "confluent_kafka", "concurrent.futures", "dependency_injector", "duckdb", "fastavro", "google", "logging", "orjson",
    "prometheus_client", "pycurl", "pydantic", "queue", "random", "selectors", "signal", "socket", "ssl", "subprocess",
    "threading", "yaml",
}  # fmt: skip
"""`os` and `time` are not among them: the interpreter and `dataclasses` load these themselves (measured)."""


def domain_names() -> list[str]:
    """Give the names of all modules of the domain."""
    names = [
        "doka." + path.relative_to(SRC).with_suffix("").as_posix().replace("/", ".") for path in modules(SRC / "domain")
    ]
    return [name.removesuffix(".__init__") for name in names]


def test_the_domain_imports_only_what_is_pure() -> None:
    """A module of the domain imports itself and the pure parts of the standard library, and nothing else."""
    strays = [
        f"{shown(path)} imports {name}"
        for path in modules(SRC / "domain")
        for name in sorted(imports(path) - DOMAIN_MAY_IMPORT)
        if not name.startswith("doka.domain.")
    ]
    assert [] == strays


def test_the_domain_loads_nothing_that_touches_the_world() -> None:
    """A fresh interpreter that has imported the whole domain has loaded no socket, thread, logger or client."""
    names = domain_names()
    assert len(names) > 10
    program = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
before = set(sys.modules)
for name in {names!r}:
    __import__(name)
print(json.dumps(sorted(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(ran.stdout))
    assert set(names) <= loaded
    assert set() == loaded & NOT_LOADED_BY_THE_DOMAIN


def test_only_the_container_knows_the_injector() -> None:
    """`dependency_injector` is imported in src/app/container.py and nowhere else in src."""
    knowing = {shown(path) for path in modules(SRC) if any(n.startswith("dependency_injector") for n in imports(path))}
    assert knowing == {"src/app/container.py"}


def test_each_outside_thing_is_known_in_one_place() -> None:
    """A client library is imported only by the adapters of its own outside thing; the app knows none of them."""
    homes = {
        "pycurl": {"adapters", "adapters/aws/kinesis", "adapters/registry", "adapters/telemetry/otlp"},
        "fastavro": {"adapters/registry"},
        "google": {"adapters/registry"},
        "prometheus_client": {"adapters/telemetry", "adapters/telemetry/otlp"},
        "confluent_kafka": {"adapters/kafka", "adapters/embedded", "app/demo"},
        "duckdb": {"adapters/audit"},
        "moto": {"adapters/embedded"},
    }
    strays = [
        f"{shown(path)} imports {name}"
        for path in modules(SRC)
        for name in imports(path)
        for library, allowed in homes.items()
        if name.split(".")[0] == library and path.parent.relative_to(SRC).as_posix() not in allowed
    ]
    assert [] == strays
