from __future__ import annotations

import pytest

from doka.app.preflight_parts import parts_of
from doka.app.service import build_quiet
from doka.app.settings.load import settings_from
from tests.unit.app.given import LONELY

STAND_IN = {**LONELY["aws"], "allow_insecure_endpoints": True, "endpoint_urls": {"kinesis": "http://127.0.0.1:1"}}


@pytest.mark.parametrize(
    ("aws", "probe_writes", "tries"), [(LONELY["aws"], False, True), (STAND_IN, False, False), (STAND_IN, True, True)]
)
def test_a_stand_in_is_sent_dry_runs_on_demand_only(aws: object, probe_writes: bool, tries: bool) -> None:  # noqa: FBT001
    """One that does not know them stores the record."""
    container = build_quiet(settings_from({**LONELY, "aws": aws}, hostname="pod-1"), "pod-1")
    assert tries == parts_of(container, probe_writes=probe_writes).tries_puts


def test_each_collector_is_asked_and_nobody_where_nothing_is_sent() -> None:
    """By what is sent there."""
    quiet = parts_of(build_quiet(settings_from(LONELY, hostname="pod-1"), "pod-1"))
    otlp = {"endpoint": "http://127.0.0.1:1", "traces": {"enabled": True}}
    sending = parts_of(build_quiet(settings_from({**LONELY, "otlp": otlp}, hostname="pod-1"), "pod-1"))
    assert ([], ["metrics", "traces"]) == (sorted(quiet.collectors), sorted(sending.collectors))
