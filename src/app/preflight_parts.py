"""The outside of a preflight, out of a service that is put together: for `doka check`, and for who judges a reload."""

from __future__ import annotations

import os
from functools import partial

from doka.adapters.aws.held_lease import pause_for
from doka.adapters.aws.kinesis.authorities import find_ca
from doka.adapters.aws.kinesis.dry_run import DryRuns
from doka.adapters.kafka.letter_preflight import look_at_letters
from doka.adapters.kafka.preflight import look
from doka.adapters.telemetry.otlp.posting import ask
from doka.app.check.preflight import Parts
from doka.app.container import Container
from doka.app.settings.endpoints import objection
from doka.app.settings.exports import targets_of
from doka.app.settings.mapping import to_registries


def parts_of(container: Container, *, probe_writes: bool = False) -> Parts:
    """Take what a preflight needs from a service that is put together but not started."""
    endpoint = container.settings().aws.endpoint_urls.kinesis
    stand_in = endpoint is not None and objection(endpoint) is not None
    member, clock, oauth = container.member(), container.clock(), container.oauth()
    registries = to_registries(container.settings())
    return Parts(
        look_at_kafka=partial(look, member, clock, oauth=oauth),
        authority=container.authority(),
        describer=container.describer(),
        environ=os.environ,
        find_ca=find_ca,
        look_at_letters=partial(look_at_letters, member, clock=clock, oauth=oauth),
        registries={name: partial(registries.reach, name) for name in registries.routes},
        collectors={
            signal: partial(ask, target, signal, clock)
            for signal, target in targets_of(container.settings().otlp).items()
        },
        tries=DryRuns(container.targets(), clock, pause_for, container.sessions(), stand_in=stand_in),
        tries_puts=probe_writes or not stand_in,
    )
