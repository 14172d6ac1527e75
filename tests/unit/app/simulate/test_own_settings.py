from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.settings.problems import SettingsError
from doka.app.simulate.engine import run_side
from doka.app.simulate.history import CLEAN
from doka.app.simulate.own_settings import configured_rules, own_functions
from doka.app.simulate.scenario import parse_scenario, scene_of
from doka.app.simulate.scene import DOKA
from doka.domain.errors import UsageError
from tests.architecture.source_tree import ROOT

CONFIG = """
kafka: {bootstrap_servers: ["b:9098"], group_id: doka, security: {protocol: plaintext}}
aws: {region: eu-west-1}
roles:
  quick:
    hops: [{role_arn: "arn:aws:iam::210987654321:role/quick", duration_seconds: 900}]
    rotation: {policy: interval, interval_minutes: 7}
  slow:
    hops: [{role_arn: "arn:aws:iam::210987654321:role/slow", duration_seconds: 7200}]
routes:
  - {topics: [orders, refunds], stream: {name: orders, role: quick}, partition_key: "field:/id"}
  - {topics: [clicks], stream: {name: clicks, role: slow}, partition_key: random, ordering: none}
limits: {ahead_records: 77, requests_in_flight: 2}
"""


def written(tmp_path: Path, text: str) -> Path:
    """Write a configuration."""
    file = tmp_path / "doka.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_rotation_limits_and_routes_are_the_configuration_s(tmp_path: Path) -> None:
    """What cannot be simulated as it is written is told, never silently left out."""
    (rules, token_seconds), notes = configured_rules(written(tmp_path, CONFIG))
    assert 900.0 == token_seconds
    assert (77, 2) == (rules.limits.ahead_records, rules.limits.requests_in_flight)
    assert ["quick", "slow"] == [role.name for role in rules.roles]
    assert ["kafka_key", "random"] == [route.partition_key for route in rules.routes]
    assert 3 == len(notes)
    assert "route orders: simulated records carry no field:/id; their Kafka key is taken" in notes
    assert "route orders: its 2 topics are simulated as one" in notes


def test_a_topic_of_several_routes_is_simulated_for_each_alone(tmp_path: Path) -> None:
    """What one of them does to the other is not played, and that is said of both."""
    _, notes = configured_rules(written(tmp_path, CONFIG.replace("[clicks]", "[clicks, orders]")))
    told = [note for note in notes if "which other routes read too" in note]
    assert [
        f"route {name}: orders, which other routes read too, is simulated as its own" for name in ("orders", "clicks")
    ] == told


def test_a_configuration_runs(tmp_path: Path) -> None:
    """Two routes with two roles and tiny limits deliver everything."""
    configured, _ = configured_rules(written(tmp_path, CONFIG))
    scenario = parse_scenario("title: a\nduration_hours: 0.5\ntraffic: {records_per_second: 4}\n", configured=True)
    side = run_side(scene_of(scenario, configured=configured), DOKA)
    assert (CLEAN, 7_200) == (side.verdict, side.totals.delivered)
    assert "interval 7 min, before_expiry" == side.policy


def test_aggregates_are_judged_by_the_records_in_them(tmp_path: Path) -> None:
    """A route that aggregates, killed in the middle, delivers every record in order."""
    text = CONFIG.replace('partition_key: "field:/id"', "aggregation: {enabled: true}")
    configured, _ = configured_rules(written(tmp_path, text))
    scenario = parse_scenario(
        "title: a\nduration_hours: 0.1\ntraffic: {records_per_second: 20}\nfaults: [{kind: crash, at_minutes: 3}]\n",
        configured=True,
    )
    side = run_side(scene_of(scenario, configured=configured), DOKA)
    assert (CLEAN, 7_200) == (side.verdict, side.totals.delivered)
    assert 2 == side.totals.lives


def test_keys_that_share_requests_are_simulated_and_their_order_is_not_judged(tmp_path: Path) -> None:
    """Three keys on a shard that is throttled for a while: all is delivered, and nobody calls the route broken."""
    text = CONFIG.replace('partition_key: "field:/id"', "ordering: key_in_request")
    configured, notes = configured_rules(written(tmp_path, text))
    assert "route orders: key_in_request may break its order, so order is not judged" in notes
    scenario = parse_scenario(
        "title: a\nduration_hours: 0.1\ntraffic: {records_per_second: 20, keys: 3}\n"
        "faults: [{kind: shard_hot, at_minutes: 2, for_minutes: 1}, {kind: crash, at_minutes: 4}]\n",
        configured=True,
    )
    side = run_side(scene_of(scenario, configured=configured), DOKA)
    assert (CLEAN, 7_200, 0) == (side.verdict, side.totals.delivered, side.totals.out_of_order)


@pytest.mark.parametrize("name", ["doka.yaml", "minimal.yaml"])
def test_the_examples_can_be_simulated(name: str) -> None:
    """The configurations that are shown are taken."""
    (rules, _), _ = configured_rules(ROOT / "examples" / name)
    assert rules.routes


def test_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    """A configuration that doka would not start with is not simulated either."""
    with pytest.raises(SettingsError, match="limits"):
        configured_rules(written(tmp_path, CONFIG.replace("77", "0")))


def test_what_is_compressed_is_simulated_as_it_is(tmp_path: Path) -> None:
    """The world knows its records by what they hold; so it is said, and all is delivered."""
    configured, notes = configured_rules(
        written(tmp_path, CONFIG.replace('partition_key: "field:/id"', "compress: gzip"))
    )
    assert "route orders: what it sends is simulated as it is before gzip" in notes
    scenario = parse_scenario("title: a\nduration_hours: 0.1\ntraffic: {records_per_second: 4}\n", configured=True)
    side = run_side(scene_of(scenario, configured=configured), DOKA)
    assert (CLEAN, 1_440) == (side.verdict, side.totals.delivered)


def test_filters_need_records_of_ones_own(tmp_path: Path) -> None:
    """Without any that is said; with them each route gets those of its topics, again and again."""
    config = written(tmp_path, CONFIG.replace('partition_key: "field:/id"', "only: {pointer: /id, in: ['1']}"))
    told = "every simulated record is sent, as it is: only and transform are left out without --records"
    assert f"route orders: {told}" in configured_rules(config)[1]
    records = tmp_path / "orders.jsonl"
    records.write_text('{"value": "a"}\n{"topic": "refunds", "value": "b"}\n')
    orders, clicks = own_functions(config, records)
    assert orders is not None
    assert ("orders", [b"a", b"b"], None, False) == (
        orders.route, [record.value_bytes for record in orders.records], orders.file, orders.drops_poison,
    )  # fmt: skip
    assert clicks is None


def test_records_that_no_route_takes_are_an_error(tmp_path: Path) -> None:
    """A simulation that leaves them out would say nothing about them."""
    records = tmp_path / "orders.jsonl"
    records.write_text('{"topic": "orders", "value": "a"}\n')
    with pytest.raises(UsageError, match="the configuration has none; leave it out"):
        own_functions(written(tmp_path, CONFIG), records)
    both = CONFIG.replace('partition_key: "field:/id"', "only: {header: a, in: [b]}")
    both = both.replace("partition_key: random", "only: {header: a, in: [b]}, partition_key: random")
    with pytest.raises(
        UsageError, match=r"orders\.jsonl has no record of route clicks; name one of its topics in a line"
    ):
        own_functions(written(tmp_path, both), records)


def test_what_is_decoded_is_simulated_as_it_is_then(tmp_path: Path) -> None:
    """No registry is asked, and that is said."""
    text = CONFIG.replace('partition_key: "field:/id"', 'decode: {registry: "https://registry.example"}')
    configured, notes = configured_rules(written(tmp_path, text))
    assert any("its records are simulated as they are decoded; no registry is asked" in note for note in notes)
    scenario = parse_scenario("title: a\nduration_hours: 0.1\ntraffic: {records_per_second: 4}\n", configured=True)
    side = run_side(scene_of(scenario, configured=configured), DOKA)
    assert (CLEAN, 1_440) == (side.verdict, side.totals.delivered)
