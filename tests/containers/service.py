"""`doka run` as users start it: the console command as a process, a file of settings, JSON lines on stdout, signals.

`DokaProcess` is always gone when its block ends, and what it said is then in `log`, so that a failed test can tell why.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import yaml

from tests.containers.pages import page
from tests.failure_modes import Sample, Seen
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE
from tests.waiting import eventually
from tests.warm import DOKA, WarmProcess

READY_SECONDS = 90.0  # a deadline, no promise: beside other work a start with workers has taken more than 30 s
STOP_SECONDS = 40.0  # above the default of limits.drain_seconds
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def settings(
    bootstrap_servers: str,
    aws_url: str,
    routes: Mapping[str, str],
    *,
    group_id: str,
    **others: Mapping[str, Any],
) -> dict[str, Any]:
    """Give what an operator writes for these routes (stream by topic); `others` are merged into the sections."""
    given: dict[str, Any] = {
        "kafka": {
            "bootstrap_servers": bootstrap_servers.split(","),
            "group_id": group_id,
            "security": {"protocol": "plaintext", "allow_plaintext": True},
        },
        "aws": {
            "region": "eu-west-1",
            "allow_insecure_endpoints": True,
            "endpoint_urls": {"kinesis": aws_url, "sts": aws_url},
        },
        "roles": {"writer": {"hops": [{"role_arn": WRITER_ROLE}]}},
        "routes": [
            {"topics": [topic], "stream": {"name": stream, "role": "writer"}} for topic, stream in routes.items()
        ],
        "http": {"port": 0},
    }
    for section, more in others.items():
        given[section] = {**given.get(section, {}), **more}
    return given


class DokaProcess:
    """One `doka run`. Start it with `with`; leaving kills what still runs, by its own id."""

    def __init__(
        self,
        given: Mapping[str, Any],
        folder: Path,
        name: str = "doka",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        cold: bool = False,
    ) -> None:
        """Write the settings to `folder`; nothing runs yet. `options` are further words of the command line.

        `environment` replaces or adds to what the workload is given. `cold`: as users start it, where what it costs counts.
        """
        self.name = name
        self._options = tuple(options)
        self._environment = dict(environment or {})
        self._process: type[subprocess.Popen[bytes]] = subprocess.Popen if cold else WarmProcess
        self._config = folder / f"{name}.yaml"
        self._config.write_text(yaml.safe_dump(dict(given)), encoding="utf-8")
        self.stdout = folder / f"{name}.stdout"
        self.stderr = folder / f"{name}.stderr"
        self._child: subprocess.Popen[bytes] | None = None
        self._port: int | None = None
        self._from_line = 0  # of stdout: what came before is of an earlier run

    def __enter__(self) -> Self:
        """Start the process; it may not be ready yet."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it, unless it has ended; after a failure show what it said, and how it had ended."""
        code = None if self._child is None else self.exit_code
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        if error is not None:
            sys.stderr.write(f"--- {self.name} (exit code {code}) said:\n{self.said()[-6000:]}\n")

    def start(self) -> None:
        """Start the process, after an end of it again; what it says is added to the same files."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOKA_", "AWS_", "OTEL_"))}
        workload = {
            "AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key,
            "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._port = None
        self._from_line = len(self.lines()) if self.stdout.exists() else 0
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._child = self._process(
                [DOKA, "run", "--config", self._config, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=kept | workload | self._environment,
                start_new_session=True,
            )

    @property
    def config(self) -> Path:
        """The file of its settings."""
        return self._config

    def write(self, given: Mapping[str, Any] | str) -> None:
        """Put other settings, or a text that is none, in the place of its file, as an editor does."""
        text = given if isinstance(given, str) else yaml.safe_dump(dict(given))
        beside = self._config.with_suffix(".new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(self._config)

    # --- what it says ----------------------------------------------------------------------------------------------

    def said(self) -> str:
        """Give all that it has written, stdout and stderr."""
        return self.stdout.read_text(encoding="utf-8") + self.stderr.read_text(encoding="utf-8")

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Give its log lines so far, all or those of one event; a line that is not JSON is a failure."""
        whole = self.stdout.read_bytes().rpartition(b"\n")[0]
        lines = [orjson.loads(line) for line in whole.splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    def lines_of_this_run(self, event: str) -> list[dict[str, Any]]:
        """Give the log lines of an event that it has written since it was last started."""
        return [line for line in self.lines()[self._from_line :] if line["event"] == event]

    def told(self, event: str, **fields: Any) -> bool:
        """Say whether it has written a line of this event with these fields."""
        return any(fields.items() <= line.items() for line in self.lines(event))

    @property
    def port(self) -> int:
        """The port of its pages; waits until it listens."""
        if self._port is None:
            eventually(self._says_its_port, within=READY_SECONDS, what=f"{self.name} to listen")
            assert self._port is not None
        return self._port

    def _says_its_port(self) -> bool:
        assert self.runs, f"{self.name} ended with {self.exit_code} at its start: {self.said()}"
        started = self.lines_of_this_run("started")
        if started:
            self._port = int(started[0]["port"])
        return bool(started)

    def page(self, path: str) -> tuple[int, str]:
        """Ask one of its pages; gives the status and the body."""
        return page(f"127.0.0.1:{self.port}", path)

    def readiness(self) -> tuple[bool, list[str]]:
        """Give what /readyz says: ready or not, and the reasons."""
        status, body = self.page("/readyz")
        answer = orjson.loads(body)
        assert (status == 200) == answer["ready"], (status, body)
        return answer["ready"], answer["reasons"]

    def look(self, after: float | None = None) -> Seen:
        """Give all that it shows at this moment, so many seconds `after` something befell it; of one that has ended, its log."""
        if not self.runs:
            return Seen(log=self.lines(), exit_code=self.exit_code, after=after)
        healthy = orjson.loads(self.page("/healthz")[1])
        return Seen(self.samples(), self.readiness()[1], healthy["reasons"], self.lines(), after=after)

    def wait_until_ready(self, within: float = READY_SECONDS) -> None:
        """Wait until it says that nothing stops it from forwarding."""
        eventually(lambda: self.readiness()[0], within=within, what=f"{self.name} to be ready", every=0.05)

    def samples(self) -> list[Sample]:
        """Give all series of its page of metrics."""
        return Sample.of_page(self.page("/metrics")[1])

    def metric(self, name: str, **labels: str) -> float:
        """Add up all samples of a metric that have these labels; 0 where there is none."""
        return sum(each.value for each in self.samples() if each.name == name and labels.items() <= each.labels.items())

    # --- how it ends -----------------------------------------------------------------------------------------------

    @property
    def child(self) -> subprocess.Popen[bytes]:
        """The process itself."""
        assert self._child is not None, f"{self.name} was not started"
        return self._child

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.child.poll()

    @property
    def cpu_seconds(self) -> float:
        """CPU time that it has used so far, its own and the kernel's."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.child.send_signal(number)

    def wait(self, within: float = STOP_SECONDS) -> int:
        """Wait until it has ended; gives the exit code (negative: the signal that killed it).

        One that halted is shown with what it said: whoever awaited another code wants to know why.
        """
        code = self.child.wait(timeout=within)
        if code > 0:
            sys.stderr.write(f"--- {self.name} ended with {code} and said:\n{self.said()[-6000:]}\n")
        return code

    def stop(self, within: float = STOP_SECONDS) -> int:
        """Ask it to end as an orchestrator does; gives the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(within)

    def kill(self) -> None:
        """Kill it, without a chance to say anything."""
        self.signal(signal.SIGKILL)
        assert -signal.SIGKILL == self.wait()

    def kill_all(self) -> None:
        """Kill it and its workers at one stroke, as the end of a container does."""
        os.killpg(self.child.pid, signal.SIGKILL)  # it leads a session of its own
        assert -signal.SIGKILL == self.wait()
