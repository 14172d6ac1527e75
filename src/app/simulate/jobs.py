"""Runs the jobs of a simulation in several processes, and tells how far they are together.

Processes are spawned, not forked: nothing of this process (threads, terminal, locks) is in them, and they end with it.
Results come in the order of the jobs, so what is made of them is the same whatever the number of processes.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Job = TypeVar("Job")
Result = TypeVar("Result")
Tell = Callable[[float], object]
"""Is told the share that is done, from 0 to 1."""
Task = Callable[[Job, Tell], Result]
"""Does one job; a function of a module, so that another process can find it."""

LOOK_SECONDS = 0.2

_shares: MutableSequence[float] = []  # of the jobs, in a spawned process: shared with the one that spawned it


def run_jobs(work: Task[Job, Result], jobs: Sequence[Job], workers: int, tell: Tell) -> list[Result]:
    """Do all jobs in at most `workers` processes (one: in this very one); give their results in order.

    What a job raises is raised here, and the others are given up.
    """
    if workers == 1 or len(jobs) == 1:
        count = len(jobs)
        return [work(job, lambda share, i=i: tell((i + share) / count)) for i, job in enumerate(jobs)]  # type: ignore[misc]
    context = multiprocessing.get_context("spawn")
    shares = context.Array("d", len(jobs), lock=False)
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, initializer=_begin, initargs=(shares,))
    try:
        futures = [pool.submit(_do, work, i, job) for i, job in enumerate(jobs)]
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, LOOK_SECONDS, return_when=FIRST_EXCEPTION)
            tell(sum(shares) / len(jobs))
            for future in done:
                future.result()
        return [future.result() for future in futures]
    except BaseException:  # an interrupt too: nobody waits for results that nobody reads
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(shares: MutableSequence[float]) -> None:
    global _shares  # noqa: PLW0603 - how a spawned process keeps what it was given
    _shares = shares
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends at Ctrl-C at once, without a traceback


def _do(work: Task[Any, Result], number: int, job: Any) -> Result:
    result = work(job, lambda share: _shares.__setitem__(number, share))
    _shares[number] = 1.0
    return result


@contextmanager
def bar(told: str) -> Iterator[Tell]:
    """Show a bar on stderr while it lasts, where that is a terminal; give what moves it."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(told, total=1.0)
        yield lambda share: progress.update(task, completed=share)
