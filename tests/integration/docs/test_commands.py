"""What a page tells to type is typed here, as it stands: a command on a page that does not work is worse than none.

The scheme: each command of a page is in `TYPED`, with how it ends, or in `ELSEWHERE`, with the reason why not here.
It is run as by a shell in a folder that looks as the page says: doka.yaml is the one of README, configs/dev.yaml a file of
the old service, examples/ and .venv those of the checkout. Kafka and AWS are those that the file names, and cannot be
reached: a command that needs them must say so and end with the code of the page, or run on until it is stopped.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT
from tests.architecture.test_docs import FENCED, fenced, inline
from tests.warm import DOKA, WarmProcess

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
A_PROMPT = re.compile(r"^\$ (.+?)(?:\s{2,}#.*)?$", re.MULTILINE)
A_PROGRAM = re.compile(r"(?:doka|\.venv/bin/\w+|make|docker|pip|git) .+")
OF_A_SHELL = re.compile(r"[^\w\s./:,='\"-]|--version")
"""What a shell makes something of; and one plain command is typed to a shell, too, so that doka is on the path."""
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ends:
    """How a command ends: its exit code, and what it says on the way."""

    code: int
    told: str = ""
    waits: bool = False
    """Whether it waits for a Kafka that does not answer, ten seconds and more: all such are typed at once."""


@dataclass(frozen=True, slots=True)
class Serves:
    """A command that serves until it is stopped; then it ends with 0."""

    started: str = '"event":"started"'


TYPED: dict[str, Ends | Serves] = {
    "doka --version": Ends(0, "doka 0."),
    "doka policy --config doka.yaml": Ends(0, "# account 210987654321, trust policy of the role "),
    (
        "doka policy --workload irsa --out policies --config doka.yaml "
        "--workload-role-arn arn:aws:iam::111122223333:role/doka-workload "
        "--oidc-provider oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE --service-account doka:doka "
        "--msk-cluster-arn arn:aws:kafka:eu-west-1:111122223333:cluster/example/11111111-2222-3333-4444-555555555555-1"
    ): Ends(0, "policies/trust-doka-workload.json: account 111122223333"),
    "doka policy --for keda --config doka.yaml": Ends(0, "kafka-cluster:DescribeGroup"),
    "{ echo config:; sed 's/^/  /' doka.yaml; } > config-values.yaml": Ends(0),
    "doka check --config doka.yaml": Ends(1, "✗", waits=True),
    "doka policy --for conformance --config doka.yaml": Ends(0, "kinesis:CreateStream"),
    **dict.fromkeys(
        ("doka conformance --config doka.yaml", "doka conformance --route orders --config doka.yaml"),
        Ends(2, "add --yes"),
    ),
    "doka run --config doka.yaml": Serves(),
    "doka run --config doka.yaml --workers 4": Serves(),
    "doka run --config doka.yaml --watch": Serves(),
    "doka run --config eu.yaml --config us.yaml": Serves(),
    "doka run --legacy-config configs/dev.yaml --allow-plaintext": Serves(),
    "doka config convert configs/dev.yaml > doka.yaml": Ends(0, "the old service spoke plaintext"),
    "doka config convert configs/dev.yaml --allow-plaintext > doka.yaml": Ends(0),
    'doka skip orders:3:200 --reason "cancelled, ticket 4711" --config doka.yaml': Ends(2, "add --yes"),
    "doka top": Ends(1, "nobody answers at 127.0.0.1:9400"),
    "doka lag --config doka.yaml": Ends(1, "doka: nothing is known: Kafka did not answer as it should", waits=True),
    "doka tail --config doka.yaml": Ends(
        1, "doka: nothing can be shown: Kafka did not answer as it should", waits=True
    ),
    "doka test --records orders.jsonl --config doka.yaml": Ends(2, "orders.jsonl cannot be read"),
    "doka test --records examples/orders.jsonl --config examples/transformed.yaml": Ends(
        0, "6 of 6 expectations hold."
    ),
    "doka test --route orders --from 2h --limit 1000 --config doka.yaml": Ends(
        1, "doka: nothing can be shown: Kafka did not answer as it should", waits=True
    ),
    "doka plan --config doka.yaml": Ends(
        1, "doka: nothing can be planned: Kafka did not answer as it should", waits=True
    ),
    "doka plan --last 1d --prices prices.yaml --config doka.yaml": Ends(2, "prices.yaml: there is no such file"),
    "doka replay --since 63h --until 1h --state weekend.state --config doka.yaml": Ends(2, "add --yes, or --dry-run"),
    **dict.fromkeys(
        (
            "doka audit --since 63h --config doka.yaml",
            "doka audit --since 63h --file weekend.duckdb --config doka.yaml",
            "doka audit --since 63h --file proof.duckdb --config doka.yaml",
            "doka audit --since 63h --group my-forwarder --match data --config doka.yaml",
        ),
        Ends(2, "doka: nothing was audited: role analytics gives no credentials"),
    ),
    "doka audit --last 1h --every 1h --config doka.yaml": Serves(),
    "doka replay --audit weekend.duckdb --dry-run --config doka.yaml": Ends(2, "weekend.duckdb does not exist"),
    "doka replay --audit weekend.duckdb --config doka.yaml": Ends(2, "add --yes, or --dry-run"),
    **dict.fromkeys(
        (
            "doka letters list --config doka.yaml",
            "doka letters show dead:0:17 --config doka.yaml",
            "doka letters resend --code RecordTooLarge --dry-run --config doka.yaml",
        ),
        Ends(2, "doka: dead_letters.topic is not set"),
    ),
    "doka letters resend --code RecordTooLarge --receipts sent.jsonl --config doka.yaml": Ends(2, "add --yes"),
    "doka config schema": Ends(0, '"kafka"'),
    "doka config show --config doka.yaml": Ends(0, "group_id: doka-orders"),
    "doka simulate run --scenario examples/scenarios/sts-outage.yaml": Ends(0, "doka: clean"),
    "doka simulate run --scenario examples/scenarios/sts-outage.yaml --config examples/doka.yaml": Ends(
        0, "doka: clean"
    ),
    "doka simulate run --scenario examples/scenarios/bad-hour.yaml --config examples/transformed.yaml "
    "--records examples/orders.jsonl": Ends(0, "doka: clean"),
    "doka simulate schema": Ends(0, '"traffic"'),
    'doka simulate compare --world "STS down 40 min" --tokens 1h': Ends(0, "STS down 40 min"),
}

MAKES = "it runs for minutes, and its own tests run a short form of it"
NAMES_A_COMMAND = "names a command, and is no line to type"
OF_THE_CHECKOUT = "it changes the checkout or its environment; CI does it"
ELSEWHERE: dict[str, str] = {
    "make demo": "tests/integration/app/cli/test_demo.py runs it",
    "make test": "this test is part of it",
    ".venv/bin/pytest -m failure_mode": "this test run plays the same rows",
    "make setup": OF_THE_CHECKOUT,
    "make check": OF_THE_CHECKOUT,
    "make docs": OF_THE_CHECKOUT,
    "make planted": MAKES,
    "git rev-parse HEAD:src": "it prints a figure that each commit changes; tests/simulation/test_planted.py runs it",
    "make chaos": MAKES,
    "make mutants": MAKES,
    "make simulate": MAKES,
    "make bench": MAKES,
    "make evidence": MAKES,
    ".venv/bin/python -m hatchling build -t wheel": "tests/architecture/test_packaging.py builds it, and installs it",
    "pip install dist/doka_connector-*.whl": "tests/architecture/test_packaging.py installs it",
    'pip install "$(ls dist/doka_connector-*.whl)[demo]"': "it downloads; the lock holds what the extra names",
    "pip install doka": "is what not to do",
    "docker build -t doka --build-arg COMMIT=$(git describe --always --dirty) .": "tests/containers/test_readme.py runs it",
    "docker build -t REGISTRY/doka:0.2.0 --build-arg COMMIT=$(git describe --always --dirty) .": "it is the one above, by a name of yours",
    "docker push REGISTRY/doka:0.2.0": "it needs a registry of yours",
    "scripts/chart-trial --yes": "tests/integration/chart/test_cluster.py runs it",
    "doka simulate incident": "tests/integration/app/cli/test_simulate.py runs a shorter weekend",
    "doka simulate incident --report incident.html": "tests/integration/app/cli/test_simulate.py runs a shorter weekend",
    "doka simulate compare": "it takes minutes; a part of it is typed here",
    "doka simulate fuzz --seeds 200": "tests/integration/app/simulate/test_fuzz.py runs fewer seeds",
    "jq '{dashboard: ., overwrite: true}' deploy/grafana/doka.json | "
    'curl -fsS -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" '
    "-d @- https://GRAFANA/api/dashboards/db": "it needs a Grafana",
    ".venv/bin/python -m scripts.dashboard_look --prometheus http://127.0.0.1:9090 --minutes 60": (
        "it needs a Prometheus; tests/integration/alerts/test_live.py draws from one"
    ),
    "doka run": NAMES_A_COMMAND,
    "doka check": NAMES_A_COMMAND,
    "doka config convert": NAMES_A_COMMAND,
    "doka policy": NAMES_A_COMMAND,
    "doka policy --for writer": NAMES_A_COMMAND,
    "doka policy --for reader": NAMES_A_COMMAND,
    "doka policy --operator-arn ARN": NAMES_A_COMMAND,
    "doka demo": "tests/integration/app/cli/test_demo.py runs it",
    ".venv/bin/doka demo --policy never --original": "tests/integration/app/cli/test_demo.py runs it with fewer records",
    ".venv/bin/doka demo --recover": "tests/integration/app/cli/test_demo.py runs it with fewer records",
    "doka demo --recover": "tests/integration/app/cli/test_demo.py runs it with fewer records",
    "doka simulate": NAMES_A_COMMAND,
    "doka simulate run": NAMES_A_COMMAND,
    "doka skip": NAMES_A_COMMAND,
    "doka conformance": NAMES_A_COMMAND,
    ".venv/bin/python -m scripts.conformance_page --node-modules FOLDER": (
        "it plays all cases on four servers, two of them of node; tests/contract/test_conformance.py plays them on two"
    ),
    "doka audit": NAMES_A_COMMAND,
    "doka lag": NAMES_A_COMMAND,
    "doka plan": NAMES_A_COMMAND,
    "doka tail": NAMES_A_COMMAND,
    "doka test": NAMES_A_COMMAND,
    "doka replay": NAMES_A_COMMAND,
    "doka letters": NAMES_A_COMMAND,
    "doka replay --audit doka-audit-ROUTE.duckdb": "names the file of an audit; it is typed with one here",
    "doka replay --audit FILE --config doka.yaml": "names the file of an audit; it is typed with one here",
}
IN_CONTAINERS = "tests/containers/test_readme.py runs it"
MAKE_WITH_WORDS = re.compile(r"make \w+( \w+=\S+)+")


def commands(page: Path) -> list[str]:
    """Give every command of a page: behind the prompt of a console, and in a sentence."""
    found = [line for block in fenced(page, "console") for line in A_PROMPT.findall(block)]
    found += [text for text in inline(page) if A_PROGRAM.fullmatch(text)]
    return [re.sub(r"\s+#.*", "", line) for line in found]


def reason_for(command: str) -> str | None:
    """Say why a command is not typed here; None where there is no reason."""
    if command.startswith("docker run "):
        return IN_CONTAINERS
    if MAKE_WITH_WORDS.fullmatch(command):
        return MAKES
    return ELSEWHERE.get(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_typed_or_has_a_reason(page: Path) -> None:
    """No page has a command that nobody has looked at."""
    assert [] == [command for command in commands(page) if command not in TYPED and reason_for(command) is None]


def test_nothing_is_looked_at_that_no_page_has() -> None:
    """What is listed here stands on a page, word for word."""
    on_pages = {command for page in PAGES for command in commands(page)}
    assert [] == sorted((TYPED.keys() | ELSEWHERE.keys()) - on_pages)


def test_each_reason_that_names_a_test_names_one_that_there_is() -> None:
    """A command is not excused by a file that has gone."""
    named = {name for reason in (*ELSEWHERE.values(), IN_CONTAINERS) for name in re.findall(r"tests/\S+\.py", reason)}
    assert [] == sorted(name for name in named if not (ROOT / name).exists())


def test_what_is_not_for_this_shell_is_for_an_account_or_a_cluster() -> None:
    """A block that is no console holds commands of AWS's own program, of Helm and of kubectl, and nothing else.

    Those of Helm and kubectl are typed on a cluster by tests/integration/chart/test_cluster.py, where there is one.
    """
    lines = [line for page in PAGES for block in fenced(page, "sh", "bash") for line in block.splitlines()]
    assert lines
    assert [] == [line for line in lines if not line.startswith(("aws ", "helm ", "kubectl "))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder as the pages assume it."""
    (block,) = (body for body in fenced(ROOT / "README.md", "yaml") if body.startswith("# doka.yaml"))
    for name in ("doka", "eu", "us"):
        (tmp_path / f"{name}.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "configs").mkdir()
    old = ROOT / "examples" / "legacy" / "dev.yaml"
    (tmp_path / "configs" / "dev.yaml").write_text(old.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """Give what a shell of a newcomer knows: doka on the path, a key of AWS that nobody takes, and a port that is free."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DOKA_"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DOKA_HTTP__PORT": "0",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "COLUMNS": "200",
    }


def typed(command: str, folder: Path) -> subprocess.Popen[str]:
    """Type a command: by a shell, but where it is nothing but words for doka, whose interpreter need not import anew."""
    program, *words = shlex.split(command)
    pipe, variables = subprocess.PIPE, environment(folder)
    if program == "doka" and not OF_A_SHELL.search(command):
        return WarmProcess([str(DOKA), *words], cwd=folder, env=variables, stdout=pipe, stderr=pipe, text=True)
    line = ["/bin/sh", "-c", command]
    return subprocess.Popen(line, cwd=folder, env=variables, stdout=pipe, stderr=pipe, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait until it ends; give its exit code, and what it said."""
    with process:
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    return process.returncode, out + err


ENDING = {command: ends for command, ends in TYPED.items() if isinstance(ends, Ends)}


@pytest.mark.parametrize("command", [command for command, ends in ENDING.items() if not ends.waits])
def test_a_command_ends_as_it_should(folder: Path, command: str) -> None:
    """Typed as it stands, it ends with its code and says what it is for; nothing is a traceback."""
    code, said = ended(typed(command, folder))
    assert ENDING[command].code == code, said
    assert ENDING[command].told in said
    assert "Traceback" not in said


def test_what_asks_a_kafka_that_does_not_answer_ends_as_it_should(folder: Path) -> None:
    """Typed as they stand, all at once since each waits for its answer, they end as the others do."""
    begun = {command: typed(command, folder) for command, ends in ENDING.items() if ends.waits}
    found = {command: ended(process) for command, process in begun.items()}
    assert len(found) >= 5
    for command, (code, said) in found.items():
        assert ENDING[command].code == code, f"{command}: {said}"
        assert ENDING[command].told in said
        assert "Traceback" not in said


@pytest.mark.parametrize("command", [command for command, ends in TYPED.items() if isinstance(ends, Serves)])
def test_a_command_serves_until_it_is_stopped(folder: Path, command: str) -> None:
    """Typed as it stands, it starts, though nothing that it needs can be reached, and a SIGTERM ends it with 0."""
    expected = TYPED[command]
    assert isinstance(expected, Serves)
    with typed(command, folder) as service:
        try:
            assert service.stdout is not None
            said = next((line for line in service.stdout if expected.started in line), "it ended before it served")
            assert expected.started in said
            service.send_signal(signal.SIGTERM)
            _out, err = service.communicate(timeout=PATIENCE_SECONDS)
        finally:
            service.kill()
    assert 0 == service.returncode, err
    assert "Traceback" not in err


def test_commands_are_found_where_they_stand() -> None:
    """Both places are seen, with what a comment behind them says left out."""
    assert FENCED.search("```console\n$ doka run\n```\n")
    found = commands(ROOT / "README.md")
    assert ".venv/bin/doka demo --policy never --original" in found
    assert "doka run --config doka.yaml --workers 4" in found
    assert [] == [command for command in found if "#" in command]
