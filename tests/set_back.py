"""Sets the wall clock of one process back by ten minutes at a moment of a test's choice; its steady clock goes on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

/* CLOCK_REALTIME is ten minutes behind from the moment at which the file exists; waits that end by it learn of it. */
static long back(void) { struct stat s; return stat(SET_BACK_WHEN, &s) ? 0 : 600; }

int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int ended = real(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec -= back();
    return ended;
}

int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* The Kafka client waits by this one alone: C11's, which knows no other clock. */
int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "cnd_timedwait");
    for (;;) {
        long was = back();
        struct timespec true_until = {until->tv_sec + was, until->tv_nsec};
        int ended = real(c, m, &true_until);
        if (ended == thrd_success || back() == was) return ended;
    }
}
"""


class SetBack(NamedTuple):
    """What a process is started with, and what sets its clock back."""

    environment: dict[str, str]
    moment: Path
    """From when this file exists on, the process's wall clock is ten minutes behind."""


def set_back(folder: Path) -> SetBack:
    """Make it in a folder; skips the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to set back the clock of one process with")
    source, library, moment = folder / "back.c", folder / "back.so", folder / "now"
    source.write_text(SOURCE, encoding="ascii")
    when = f'-DSET_BACK_WHEN="{moment}"'
    words = [compiler, "-shared", "-fPIC", when, "-o", str(library), str(source), "-ldl", "-lpthread"]
    subprocess.run(words, check=True)
    return SetBack({"LD_PRELOAD": str(library)}, moment)
