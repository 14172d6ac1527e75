from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doka.domain.audit.fates import Fate
from doka.domain.errors import InvariantError
from doka.domain.rules import NullKey
from tests.unit.adapters.audit.auditing import audit
from tests.unit.adapters.audit.histories import History, Record, history_of
from tests.unit.adapters.audit.oracle import counts, say
from tests.unit.adapters.audit.planted import BUGS, Plant

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=6, deadline=None)  # each is a whole audit; every run draws others


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for audit files, one at a time."""
    return tmp_path_factory.mktemp("audits")


def differs(history: History, folder: Path) -> list[str]:
    """Audit a history; say in what the audit and the oracle differ."""
    said, audited = say(history), audit(history, folder / "it.audit")
    told = audited.judgement
    named = {
        (each.partition, each.offset): fates - {Fate.IN_STREAM}
        for each, fates in said.fates.items()
        if fates != {Fate.IN_STREAM}
    }
    both = {
        "records": (len(history.records), told.records),
        "landings": (len(history.landings), told.landings),
        "counts": (dict(counts(said)), {fate: count for fate, count in told.counts.items() if count}),
        "fates": (named, audited.fates),
        "repeats": (said.repeats, told.repeats),
        "order": (said.order_unknown, told.order_unknown),
        "foreign": ((said.foreign, said.outside), (told.foreign, told.outside)),
        "longest wait": (said.longest_wait_ms, told.longest_wait_ms),
        "poison": (counts(said)[Fate.POISON], sum(told.poison_codes.values())),
        "buckets": (
            (len(history.records), counts(said)[Fate.IN_STREAM], counts(said)[Fate.LOST]),
            tuple(sum(getattr(each, name) for each in told.buckets) for name in ("in_kafka", "in_stream", "lost")),
        ),
    }
    return [f"{what}: {must} is {found}" for what, (must, found) in both.items() if must != found]


@given(SEEDS)
@FEW
def test_an_audit_says_what_the_oracle_says(folder: Path, seed: int) -> None:
    """For any history every fate, count and sum is that of the naive oracle."""
    assert [] == differs(history_of(seed), folder)


@given(SEEDS)
@FEW
def test_what_landed_is_never_called_lost(folder: Path, seed: int) -> None:
    """Of each kind of equal records no more are lost than truly never landed, however little of the stream was read."""
    history = history_of(seed)
    audited = audit(history, folder / "it.audit")
    lost: Counter[Hashable] = Counter()
    missing: Counter[Hashable] = Counter()
    for each in history.records:
        kind = (each.partition, each.offset) if history.rules.envelope else (_key(history, each), each.value or b"")
        lost[kind] += Fate.LOST in audited.fates.get((each.partition, each.offset), ())
        missing[kind] += each not in history.landed_in_truth
    assert {} == lost - missing


@given(SEEDS)
@example(511)  # equal records of one key under two partition keys of another forwarder, in shards that have no order
@FEW
def test_where_nothing_went_wrong_nothing_is_found(folder: Path, seed: int) -> None:
    """A history without a fault has no lost, repeated or overtaken record, whatever is equal, split, merged or read in part."""
    history = history_of(seed, faultless=True)
    counts_told = audit(history, folder / "it.audit").judgement.counts
    assert (0, 0, 0) == (counts_told[Fate.LOST], counts_told[Fate.REPEATED], counts_told[Fate.OVERTAKEN])


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch, bug: Plant) -> None:
    """With the bug the audit says something else than the oracle, or stops."""
    bug(monkeypatch)
    try:
        noticed = differs(history_of(BUGS[bug]), folder)
    except InvariantError as error:
        noticed = [str(error)]
    assert [] != noticed


def test_without_a_bug_nothing_is_noticed(folder: Path) -> None:
    """Of the same histories the audit says what the oracle says: it is the bugs that are noticed. Several share one."""
    assert {} == {seed: said for seed in sorted({*BUGS.values()}) if (said := differs(history_of(seed), folder))}


def _key(history: History, record: Record) -> Hashable:
    """Give what an audit can know of a record's key."""
    if history.by_data or ((record.key or b"0").isdigit() and history.rules.null_key is NullKey.RANDOM):
        return None
    return record.partition if record.key is None else record.key
