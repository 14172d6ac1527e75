"""The service is killed twenty times at random moments: the same loop as `make chaos`, shorter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, a_seed
from tests.containers.kafka_broker import KafkaBroker

ROUNDS = 20


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_lose_nothing_and_keep_order(
    kafka_broker: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it was doing when it was killed: none lost, order kept, repeats within what was not committed."""
    told: list[str] = []
    result = Campaign(kafka_broker, seed=a_seed(), rounds=ROUNDS, folder=tmp_path, say=told.append).run()
    with capsys.disabled():
        print(f"\n{result} ({result.seconds:g} s)")  # noqa: T201 - what was tried is worth a line
    assert [] == result.broken, "\n".join([f"repeat it: make chaos ROUNDS={ROUNDS} SEED={result.seed}", *told])
    assert ROUNDS == result.kills
    assert result.duplicates <= result.could_repeat <= result.bound
