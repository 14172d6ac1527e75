from __future__ import annotations

import pytest

from doka.app.conformance.bench import Bench, NotJudgedError
from doka.app.conformance.case import Outcome
from doka.app.conformance.distribution import auto_is_told, keys_by_md5
from tests.fake_aws import FakeAws, Refuse
from tests.integration.app.conformance.conftest import STREAM, MakeBench


def test_keys_lie_where_their_md5_says(bench_on: MakeBench) -> None:
    """On each of four shards."""
    seen = keys_by_md5(bench_on(shards=4))
    assert (Outcome.HOLDS, "200 keys in 4 shards: 0 are not where their MD5 says") == (seen.outcome, seen.answered)


def test_keys_that_lie_elsewhere_are_found(bench_on: MakeBench, fake_aws: FakeAws) -> None:
    """As they do on a stream that ignores them."""
    bench = bench_on(shards=4)
    fake_aws.change_stream(STREAM, strategy="AUTO")
    assert Outcome.FAILS is keys_by_md5(bench).outcome


def test_of_one_shard_nothing_can_be_seen(bench: Bench, bench_on: MakeBench) -> None:
    """So it is not judged."""
    with pytest.raises(NotJudgedError, match="one shard"):
        keys_by_md5(bench)


def test_auto_is_told_by_the_description(bench_on: MakeBench) -> None:
    """So a route that keeps order is refused."""
    assert Outcome.HOLDS is auto_is_told(bench_on(shards=4, strategy="AUTO")).outcome


def test_auto_that_is_not_told_is_found(bench_on: MakeBench, fake_aws: FakeAws) -> None:
    """By where the records of a key go; where they stay together the stream is none of AUTO."""
    bench = bench_on(shards=4)
    assert Outcome.OPEN is auto_is_told(bench).outcome
    fake_aws.change_stream(STREAM, strategy="AUTO")
    assert Outcome.FAILS is auto_is_told(bench).outcome


def test_puts_that_are_refused_are_not_judged(bench_on: MakeBench, fake_aws: FakeAws) -> None:
    """The code is told."""
    bench = bench_on(shards=4)
    fake_aws.inject(Refuse("AccessDeniedException"), times=None)
    for play in (keys_by_md5, auto_is_told):
        with pytest.raises(NotJudgedError, match="AccessDeniedException"):
            play(bench)
