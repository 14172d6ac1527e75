"""What a worker is told at its birth.

The supervisor reads the configuration once and hands it on as it is: a worker that is started again tomorrow must not
run by a file that was changed today, and a configuration may have come from a pipe that nobody can read twice.
It travels over the socket pair, never by arguments or variables, which other users of the host can read.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass

from doka.app.settings.model import Settings
from doka.app.settings.problems import Problem, SettingsError

INSTANCE_ID_CHARACTERS_MAX = 249  # as for kafka.group_instance_id itself


@dataclass(frozen=True, slots=True)
class Setup:
    """One worker's whole configuration."""

    settings: Settings
    hostname: str
    log_style: str  # json, console or colour: only the supervisor sees whether there is a terminal
    worker: int
    workers: int
    watched: bool = False  # a SIGHUP is for the supervisor, which then reads the configuration again

    def packed(self) -> bytes:
        """Give it as bytes, secrets included."""
        return pickle.dumps(self)


def unpacked(data: bytes) -> Setup:
    """Read what `packed` gave, in a process of the same program."""
    setup = pickle.loads(data)  # noqa: S301 - from our own parent, over a socket pair that nobody else can open
    assert isinstance(setup, Setup)
    return setup


def settings_of(settings: Settings, worker: int, workers: int) -> Settings:
    """Give one worker's settings: those of all, under a group instance id of its own where several share one.

    Raises:
        SettingsError: the instance id has no room for the worker's number.
    """
    name = settings.kafka.group_instance_id
    if name is None or workers == 1:
        return settings
    own = f"{name}-{worker}"
    if len(f"{name}-{workers - 1}") > INSTANCE_ID_CHARACTERS_MAX:
        told = f"has no room for the number of a worker behind it; {workers} workers need it shorter"
        raise SettingsError([Problem(told, ("kafka", "group_instance_id"))])
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"group_instance_id": own})})
