from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from doka.adapters.system.collector import begin_without_the_collector
from doka.app.cli.run import run
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.runtime import Ending
from doka.app.settings.load import read_configuration
from doka.app.workers.together import Configured
from doka.domain.errors import UsageError

ENDING = Ending(3, "it could not go on")
PLAINTEXT = """\
kafka: {bootstrap_servers: [127.0.0.1:1], group_id: doka, security: {protocol: plaintext}}
aws: {region: eu-west-1}
roles: {writer: {hops: [{role_arn: 'arn:aws:iam::210987654321:role/doka-writer'}]}}
routes: [{topics: [orders], stream: {name: orders, role: writer}}]
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of the host in."""
    for name in [name for name in os.environ if name.startswith("DOKA_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a configuration that needs a permission."""
    written = tmp_path / "doka.yaml"
    written.write_text(PLAINTEXT)
    return written


def test_a_file_that_cannot_be_used_is_a_usage_error(file: Path) -> None:
    """The error names it, in the new form and the old, and nothing was started."""
    file.write_bytes(b"kafka: [\n")
    for options in (ConfigOptions(config=file), ConfigOptions(legacy_config=file)):
        with pytest.raises(UsageError, match=r"doka\.yaml"):
            run([options])


def test_permissions_reach_the_settings_and_the_code_is_that_of_the_ending(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """What the command line permits is in the settings of the service that is run."""
    served: list[Container] = []
    doubted: list[str] = []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")

    def keep(container: Container, doubts: Iterable[str]) -> Ending:
        served.append(container)
        doubted.extend(doubts)
        return ENDING

    monkeypatch.setattr("doka.app.service.serve", keep)
    with pytest.raises(UsageError, match="plaintext"):
        run([ConfigOptions(file)])
    assert ENDING.code == run([ConfigOptions(file, allow_plaintext=True, allow_insecure_endpoints=True)])
    settings = served[0].settings()
    assert (True, True) == (settings.kafka.security.allow_plaintext, settings.aws.allow_insecure_endpoints)
    assert os.uname().nodename == served[0].hostname()
    assert [True] == ["OTEL_EXPORTER_OTLP_COMPRESSION" in doubt for doubt in doubted]


def test_more_than_one_worker_is_supervised(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """One worker is the service itself; more, one that is watched, and several files, are processes under a supervisor, with all that was given."""
    supervised: list[tuple[list[Configured], str, int, int, bool]] = []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")  # which is told as not obeyed

    def supervise(
        configured: Sequence[Configured], hostname: str, workers: int, doubts: Sequence[str], *, watch: bool
    ) -> Ending:
        supervised.append(([*configured], hostname, workers, len(doubts), watch))
        return ENDING

    monkeypatch.setattr("doka.app.workers.service.supervise", supervise)
    monkeypatch.setattr("doka.app.service.serve", lambda _container, _doubts: Ending(0, "served as one"))
    options, host = ConfigOptions(file, allow_plaintext=True), os.uname().nodename
    other = ConfigOptions(file.with_name("other.yaml"), allow_plaintext=True)
    file.with_name("other.yaml").write_text(PLAINTEXT)
    assert ENDING.code == run([options], 2)
    assert 0 == run([options], 1)
    assert ENDING.code == run([options], 1, watch=True)
    assert ENDING.code == run([options, other])
    settings = read_configuration(options)
    alone = [Configured(options, settings)]
    both = [Configured(options, settings, "doka"), Configured(other, settings, "other")]
    assert [(alone, host, 2, 1, False), (alone, host, 1, 1, True), (both, host, 1, 1, False)] == supervised


@pytest.mark.parametrize("workers", [1, 2])
def test_whatever_serves_has_its_collector(monkeypatch: pytest.MonkeyPatch, file: Path, workers: int) -> None:
    """A start goes without it; who serves for weeks does not, supervisor or service."""
    seen: list[bool] = []

    def serve(*_: object, **__: object) -> Ending:
        seen.append(gc.isenabled())
        return ENDING

    monkeypatch.setattr("doka.app.workers.service.supervise", serve)
    monkeypatch.setattr("doka.app.service.serve", serve)
    begin_without_the_collector()
    try:
        assert ENDING.code == run([ConfigOptions(file, allow_plaintext=True)], workers)
    finally:
        gc.enable()
    assert [True] == seen
