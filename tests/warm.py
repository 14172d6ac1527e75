"""Starts `doka`, or the fake of AWS, out of an interpreter that has imported them: real processes for a fraction of a start.

What is asked for is forked from a server that has done nothing but import: no thread has run in it, no client of Kafka or
AWS was made, which is asked before it serves. The process has all that a started one has of its own: pid, session,
signals, descriptors, variables, working directory, exit code; it begins where the console command begins, and its
interpreter ends as always. What it is not: a child of the tests (the server tells how it ended), and an example of the
moments in which a start imports. Tests of those start the command itself, and so does this where a variable tells the
interpreter or the loader anything.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import os
import pickle
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TextIO

from doka.app.version import version

DOKA = Path(sys.executable).parent / "doka"
FAKE_AWS = (sys.executable, "-m", "tests.fake_aws")
IMPORTED = (
    "tests.fake_aws.server",
    "tests.fake_aws.control",
    "doka.app.__main__",
    "doka.app.cli.main",
    "doka.app.service",
    "doka.app.workers.service",
    *(
        f"doka.app.cli.{name}"
        for name in ("audit", "check", "config", "lag", "letters", "replay", "resend", "run", "skip")
    ),
)
AT_START = ("PYTHON", "LD_", "DYLD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_")
"""Variables with these beginnings are read by the interpreter or the C library before anything of doka is."""
NUMBER = struct.Struct("!q")
STANDARD = 3  # stdin, stdout, stderr


class WarmProcess(subprocess.Popen[Any]):
    """A `subprocess.Popen` whose interpreter has imported already; `args` begin with DOKA, or with FAKE_AWS.

    It hooks into the three places of `Popen` that make, ask and await a child; pipes, texts and time-outs stay its own.
    """

    _cold = False
    _ended = -1  # where the server tells its status

    @property
    def is_cold(self) -> bool:
        """Whether it had to import for itself."""
        return self._cold

    def _execute_child(self, args: Any, *others: Any) -> None:
        (_, _, _, pass_fds, cwd, env, _, _, shell, *pipes) = others
        pipes, (*_, new_session, _) = pipes[:6], pipes[6:]
        given = {os.fsencode(name): os.fsencode(value) for name, value in (os.environ if env is None else env).items()}
        server = Server.of_this_process()
        if at_start(given) != server.at_start:
            self._cold = True
            super()._execute_child(args, *others)  # type: ignore[misc]
            return
        assert not shell, "ask subprocess.Popen for a shell"
        assert not pass_fds, "ask subprocess.Popen for one that is given descriptors"
        theirs = (pipes[0], pipes[3], pipes[5])
        standard = [own if end == -1 else end for own, end in enumerate(theirs)]
        asked = Asked([os.fsdecode(word) for word in args], str(Path(cwd or ".").absolute()), given, new_session)
        ended, told = os.pipe()
        try:
            self.pid = server.start(asked, [*standard, told])
            self._child_created, self._ended = True, ended
        except BaseException:
            os.close(ended)
            raise
        finally:
            os.close(told)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, *others: Any, **more: Any) -> int | None:
        if self._cold:
            found: int | None = super()._internal_poll(*others, **more)  # type: ignore[misc]
            return found
        return self._await(0.0)

    def _wait(self, timeout: float | None) -> int | None:
        if self._cold:
            found: int | None = super()._wait(timeout)  # type: ignore[misc]
            return found
        if self._await(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def _await(self, timeout: float | None) -> int | None:
        """Give the exit code once the server has told it; None: not within so many seconds."""
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
                told = os.read(self._ended, NUMBER.size)
                os.close(self._ended)
                assert told, "the server of warm starts is gone, and with it how this one ended"
                self.returncode = os.waitstatus_to_exitcode(NUMBER.unpack(told)[0])
        return self.returncode


def run_warm(
    args: list[Any], *, timeout: float, text: bool = False, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[Any]:
    """Run the command to its end, at most so many seconds, as `subprocess.run` does; what it says is taken."""
    pipe = subprocess.PIPE
    with WarmProcess(args, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=text, env=env) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def at_start(variables: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Give those variables that a start reads before it imports."""
    beginnings = tuple(beginning.encode() for beginning in AT_START)
    return {name: value for name, value in variables.items() if name.startswith(beginnings)}


@dataclass(frozen=True, slots=True)
class Asked:
    """One process that shall be."""

    words: list[str]
    folder: str
    variables: Mapping[bytes, bytes]
    new_session: bool


class Server:
    """The server of this process of tests, as it sees it: started at the first wish, gone with the process."""

    _only: ClassVar[Server | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        """Start it; it imports before it answers."""
        self.at_start = at_start(os.environb)
        """What it read before it imported, and so what all have read that are forked from it."""
        self._socket, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd=Path(__file__).parents[1],
        )
        theirs.close()
        atexit.register(self.close)

    @classmethod
    def of_this_process(cls) -> Server:
        """Give it, started where there is none."""
        with cls._lock:
            if cls._only is None:
                cls._only = cls()
            return cls._only

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def start(self, asked: Asked, descriptors: list[int]) -> int:
        """Start one process with these for stdin, stdout, stderr, and for its status at its end; gives its pid.

        Raises:
            OSError: the system gives none.
        """
        frame = pickle.dumps(asked)
        with self._lock:
            socket.send_fds(self._socket, [NUMBER.pack(len(frame))], descriptors)
            self._socket.sendall(frame)
            told = self._socket.recv(NUMBER.size, socket.MSG_WAITALL)
            assert told, "the server of warm starts is gone: its errors are above"
            pid: int = NUMBER.unpack(told)[0]
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def close(self) -> None:
        """Let it end, and wait for it."""
        self._socket.close()
        self._process.wait()


# --- the server --------------------------------------------------------------------------------------------------------


def serve(asking: socket.socket) -> Asked | None:
    """Fork what is asked for until nobody asks any more; in what was forked, give what it shall be."""
    children: dict[int, int] = {}  # where the status of each is awaited
    woken, waker = os.pipe()
    for end in (woken, waker):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the tests, which then end this
    signal.set_wakeup_fd(waker)
    while True:
        ready = select.select([asking.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            bury(children)
        if asking.fileno() in ready:
            head, descriptors, _, _ = socket.recv_fds(asking, NUMBER.size, STANDARD + 1)
            if not head:
                return None
            asked: Asked = pickle.loads(asking.recv(NUMBER.unpack(head)[0], socket.MSG_WAITALL))  # noqa: S301 - the tests
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the child heeds it
            try:
                pid = os.fork()
            except OSError as error:
                pid = -(error.errno or errno.EAGAIN)
            if pid == 0:
                become(asked, descriptors[:STANDARD])
                return asked
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            for descriptor in descriptors[:STANDARD]:
                os.close(descriptor)
            if pid > 0:
                children[pid] = descriptors[STANDARD]
            else:
                os.close(descriptors[STANDARD])
            asking.sendall(NUMBER.pack(pid))


def bury(children: dict[int, int]) -> None:
    """Wait for those that have ended, and tell how."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            pid, status = found
            telling = children.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(telling, NUMBER.pack(status))
            os.close(telling)


def become(asked: Asked, standard: list[int]) -> None:
    """Make of what was just forked what a started process would be."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    if asked.new_session:
        os.setsid()
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    os.closerange(STANDARD, os.sysconf("SC_OPEN_MAX"))
    # As the interpreter makes them: those it has know of the null device whether it can be sought in.
    sys.stdin = sys.__stdin__ = opened(0, "r", sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = opened(1, "w", sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = opened(2, "w", sys.stderr, buffering=1)  # type: ignore[misc]
    os.environb.clear()
    os.environb.update(asked.variables)
    os.chdir(asked.folder)
    if asked.words[0] == str(DOKA):
        sys.argv = asked.words
        sys.path[0] = str(DOKA.parent)  # as for any script
    else:
        sys.argv = [str(Path(__file__).parent / "fake_aws" / "__main__.py"), *asked.words[len(FAKE_AWS) :]]


def opened(number: int, mode: str, like: TextIO, buffering: int = -1) -> Any:
    """Open a standard stream anew."""
    return open(number, mode, buffering, like.encoding, like.errors, "\n" if mode == "w" else None, closefd=False)


def main() -> None:
    """Import, see that nothing but that has happened, serve; and be what was asked for."""
    for module in IMPORTED:
        importlib.import_module(module)
    version()  # asks git, and remembers
    tasks = Path("/proc/self/task")
    running = len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()
    assert running == 1, f"{running} threads run after the imports: none of them would live in a fork"
    gc.collect()
    gc.freeze()  # a look for garbage would copy every page
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is None:
        return
    if asked.words[0] == str(DOKA):
        from doka.app.__main__ import main as run_doka

        run_doka()
    else:
        runpy.run_module(FAKE_AWS[-1], run_name="__main__")


if __name__ == "__main__":
    main()
