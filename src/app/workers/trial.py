"""Judges a configuration before anything is changed: read as at a start, held to what runs, and tried out.

It is a process of its own, since everything about it may hang or go wrong: a file on a network, a name server, a broker,
a stranger's code in a transform. Its supervisor waits for it within a bound, and imports none of the clients.
It must never touch data: no record is put, not even by dry run, no group is joined, no offset is committed.
What fails under the configuration that runs, too, refuses nothing: the worker waits for it and says so, as it does now.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from doka.adapters.system.collector import begin_without_the_collector
from doka.app.check.findings import Finding, FindingVerdict
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import read_configuration
from doka.app.settings.model import Settings
from doka.app.workers.changes import hash_of, unchangeable, watched_files
from doka.app.workers.reloading import JUDGE_WITHIN_NS
from doka.app.workers.supervision import how_it_ended
from doka.app.workers.watch import state_of
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_SECOND

MODULE = "doka.app.workers.trial"
STDOUT, STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class Brief:
    """What a trial is told: what is to be judged, and what runs."""

    options: ConfigOptions
    running: Settings
    hostname: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it: settings that would do, or a line for each thing to mend."""

    settings: Settings | None = None
    hash: str = ""
    problems: tuple[str, ...] = ()
    passing: bool = False
    """Something outside refused it, and may do otherwise the next time."""
    state: bytes = b""
    """What was watched when it was read, as `watch.state_of`; nothing where it changed meanwhile, or is not known."""


class Trial:
    """One judging, from its start to what came of it; `poll` never waits."""

    def __init__(self, brief: Brief) -> None:
        """Start it.

        Raises:
            OSError: the system gives no process.
        """
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what a terminal sends to all is for the supervisor
        )
        self._said: bytes | None = None
        self._thread = threading.Thread(target=self._talk, args=(pickle.dumps(brief),), name="doka-trial", daemon=True)
        self._thread.start()

    def poll(self) -> Judged | None:
        """Give what came of it; None while it goes on."""
        if self._thread.is_alive():
            return None
        if not self._said or self._child.returncode != 0:
            told = f"it could not be judged: the process that was to do it {how_it_ended(self._child.returncode)}"
            return Judged(problems=(told,), passing=True)
        judged = pickle.loads(self._said)  # noqa: S301 - from our own child, over a pipe that nobody else can open
        assert isinstance(judged, Judged)
        return judged

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()

    def _talk(self, brief: bytes) -> None:
        with contextlib.suppress(OSError):
            self._said = self._child.communicate(brief)[0]


def judge(brief: Brief) -> Judged:
    """Judge a configuration in this process, which is then good for nothing else: clients were made in it."""
    before = state_of(watched_files(brief.options, brief.running))
    judged = _judge(brief)
    after = state_of(watched_files(brief.options, brief.running))
    return replace(judged, state=before if before == after else b"")


def _judge(brief: Brief) -> Judged:
    try:
        settings = read_configuration(brief.options)
    except UsageError as error:
        return Judged(problems=tuple(str(error).splitlines()))
    fixed = unchangeable(brief.running, settings)
    if fixed:
        return Judged(problems=tuple(map(str, fixed)))
    judged = Judged(settings, hash_of(settings))
    try:
        failed = list(_failures(settings, brief))
        if not failed:
            return judged
        stands = {(each.step, each.subject) for each in _failures(brief.running, brief)}
    except UsageError as error:  # a transform, a file of secrets: they are mended without the configuration
        return Judged(problems=tuple(str(error).splitlines()), passing=True)
    new = [each for each in failed if (each.step, each.subject) not in stands]
    return judged if not new else Judged(problems=tuple(map(_told, new)), passing=True)


def _failures(settings: Settings, brief: Brief) -> Iterator[Finding]:
    from doka.app.check.preflight import preflight
    from doka.app.preflight_parts import parts_of
    from doka.app.service import build_quiet

    container = build_quiet(settings, brief.hostname)
    parts = replace(parts_of(container), tries_puts=False, collectors={})
    found = preflight(settings, brief.options.source, parts)
    return (finding for finding in found if finding.verdict is FindingVerdict.FAILED)


def _told(finding: Finding) -> str:
    cure = "" if finding.cure is None else f"; {finding.cure}"
    return f"{finding.step} {finding.subject}: {finding.told}{cure}"


def main() -> None:
    """Read the brief from stdin, and write what came of it to stdout."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(2 * JUDGE_WITHIN_NS // NS_PER_SECOND)  # nobody may be left to end it
    brief = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our supervisor
    assert isinstance(brief, Brief)
    with os.fdopen(os.dup(STDOUT), "wb") as out:
        os.dup2(STDERR, STDOUT)  # what a transform prints is no part of the answer
        pickle.dump(judge(brief), out)


if __name__ == "__main__":
    begin_without_the_collector()  # for good: it lives for a minute or two at most

    from doka.app.workers import trial  # what is pickled is to be of the module, not of the program

    trial.main()
    os._exit(0)  # clients may be left that end late
