"""Writes docs/conformance.md: plays `doka conformance` on what stands in for AWS, and says where they differ.

    .venv/bin/python -m scripts.conformance_page [--node-modules FOLDER]

The fake AWS of the tests and moto are always there. kinesalite and kinesis-local are played where they are in the folder,
as `npm install kinesalite kinesis-local` makes it; without it they have no column.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml
from moto.server import ThreadedMotoServer

from doka.app.cli.conformance import Wanted, conformance
from doka.app.config_options import ConfigOptions
from doka.app.conformance.bench import Amounts
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.waiting import eventually

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
AMOUNTS: Final = Amounts(burst_requests=4, burst_mib=2, keys=400, rounds=4)
"""Less than AWS is sent: most of these take a hundredth of what a shard takes."""
HEAD: Final = """\
<!-- Written by `.venv/bin/python -m scripts.conformance_page --node-modules FOLDER`. Edit that instead. -->

# Conformance: does AWS do what doka leans on?

doka's tests run against stand-ins. What its [guarantees](guarantees.md) lean on is what AWS does, and only whoever has an account can see that:

```console
$ doka conformance --route orders --config doka.yaml
```

It makes a stream of one shard in the account of the route's role, named `doka-conformance-` and eight digits, asks its questions by the service's own adapters, and removes the stream, also at Ctrl-C and where a case fails. First it says what it costs, some cents, and asks.
Each answer stands on a page of evidence (`doka-conformance-ROUTE.md`, and JSON beside it): what was asked, what was answered, whether doka's design holds, and the sentence of guarantees.md that leans on it. There is no payload, no secret, and without `--with-account` no account number on it.

| a case | means |
|---|---|
| holds | AWS does what doka leans on |
| differs | AWS answers otherwise than it documents, and the design holds all the same |
| fails | the design leans on something that is not so: tell us, with the page |
| not known | it was asked, and could not be judged |
| left out | nothing to ask here, or an option is missing |

The exit code is 0 where all that was asked holds or differs, and nothing is left behind.

- `--wait-for-expiry` waits for the end of a session of 15 minutes. `--on-demand` makes two more streams, on demand, one of them in AUTO.
- It needs more rights than a writer: `doka policy --for conformance --config doka.yaml` prints them, on streams of that name and no others. Give them to a role of its own, and name that in a configuration for this; a role that forwards should make no streams.
- The route's own stream is asked only where it is in another account than the role, by one dry run.
- A session that was revoked is left out: to revoke it needs rights that no writer should have.
- What could not be removed is named with the command that removes it. After a `kill -9` they are found by their name:

```sh
aws kinesis list-streams --query "StreamNames[?starts_with(@, 'doka-conformance-')]"
```

## What stands in for AWS

**Nobody has run it on AWS yet: what follows is of stand-ins**, and says how far they are to be trusted in a test.
`expired` waits for a quarter of an hour and is not played here; `tests/integration/app/conformance/test_refusals.py` plays it on the fake AWS, for which time passes at once.
"""
A_PORT: Final = re.compile(r"127\.0\.0\.1:\d+")
MARKS: Final = {
    "holds": "holds",
    "differs": "*differs*",
    "fails": "**fails**",
    "not known": "not known",
    "left out": "-",
}


@dataclass(frozen=True, slots=True)
class StandIn:
    """What answers for Kinesis and for STS."""

    name: str
    kinesis: str
    sts: str


def main(arguments: Sequence[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node-modules", type=Path)
    given = parser.parse_args(arguments)
    os.environ |= {"AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key, "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key}
    with ExitStack() as running, TemporaryDirectory() as folder:
        found = {each.name: played(each, Path(folder)) for each in stand_ins(given.node_modules, running)}
    PAGE.write_text(page(found), encoding="utf-8")
    return 0


def stand_ins(node_modules: Path | None, running: ExitStack) -> Iterator[StandIn]:
    """Start one after the other; STS is the fake's, where a stand-in has none."""
    fake = running.enter_context(FakeAws())
    fake.limit_rates(wanted=True)
    yield StandIn("the fake AWS of doka's tests", fake.url, fake.url)
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    running.callback(moto.stop)
    host, port = moto.get_host_and_port()
    yield StandIn(f"moto {version('moto')}", f"http://{host}:{port}", f"http://{host}:{port}")
    for name, words in (("kinesalite", ("cli.js", "--port")), ("kinesis-local", ("main.js",))):
        home = None if node_modules is None else node_modules / name
        if home is not None and home.is_dir():
            of = json.loads((home / "package.json").read_text(encoding="utf-8"))["version"]
            yield StandIn(f"{name} {of}", running.enter_context(_node(home, words)), fake.url)


@contextmanager
def _node(home: Path, words: Sequence[str]) -> Iterator[str]:
    """Run a server of node on a free port, and give its address."""
    plain, tls = _free_port(), _free_port()
    environ = os.environ | {"KINESIS_MOCK_PLAIN_PORT": str(plain), "KINESIS_MOCK_TLS_PORT": str(tls)}
    typed = ["node", *words, *([str(plain)] if "--port" in words else [])]
    with subprocess.Popen(
        typed, cwd=home, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: _listens(plain))
            yield f"http://127.0.0.1:{plain}"
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def played(stand_in: StandIn, folder: Path) -> Mapping[str, Any]:
    """Play every case that can be played on it, as a user would, and give the evidence."""
    file, evidence = folder / "doka.yaml", folder / "evidence.md"
    evidence.with_suffix(".json").unlink(missing_ok=True)
    given = settings("b-1.example:9098", stand_in.kinesis, {"orders": "orders"}, group_id="doka")
    given["aws"]["endpoint_urls"]["sts"] = stand_in.sts
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    conformance(ConfigOptions(file), Wanted(None, (), on_demand=True, page=evidence, yes=True, amounts=AMOUNTS))
    found: Mapping[str, Any] = json.loads(evidence.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the page: a table of all, and what is not as doka expects it."""
    return HEAD + "\n" + "\n".join((*_table(found), "", *_differences(found))) + "\n"


def _table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| case | asked | " + " | ".join(found) + " |"
    yield "|---|---|" + "---|" * len(found)
    for cases in zip(*(each["cases"] for each in found.values()), strict=True):
        yield f"| `{cases[0]['name']}` | {cases[0]['asked']} | " + " | ".join(MARKS[c["outcome"]] for c in cases) + " |"


def _differences(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, evidence in found.items():
        bad = [case for case in evidence["cases"] if case["outcome"] not in {"holds", "left out"}]
        yield f"### {name[:1].upper()}{name[1:]}"
        yield ""
        if not bad:
            yield "All that can be asked of it holds."
        for case in bad:
            told = f"{case['outcome']}: {case['answered']}; {case['design']}"
            yield f"- `{case['name']}` {A_PORT.sub('127.0.0.1', told)}."
        yield ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
