"""Takes rotation, limits and routes from a real configuration, so that a team can simulate its own before it deploys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from doka.app.config_options import ConfigOptions
from doka.app.settings import Settings
from doka.app.settings.load import read_configuration
from doka.app.settings.mapping import to_rules
from doka.domain.rules import RouteRules, Rules

AMBIENT_SECONDS = 3_600.0  # of credentials that no role chain of the configuration makes
_FROM_RECORDS = ("field:", "header:")


def configured_rules(config: Path) -> tuple[tuple[Rules, float], tuple[str, ...]]:
    """Give the rules and the tokens' life (s) of a configuration, and what of it is simulated otherwise, in sentences.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    # Nothing is connected to, so what is only permitted on request is permitted here.
    return of_settings(read_configuration(ConfigOptions(config, allow_plaintext=True, allow_insecure_endpoints=True)))


def of_settings(settings: Settings) -> tuple[tuple[Rules, float], tuple[str, ...]]:
    """Give the same of settings that were read."""
    rules = to_rules(settings)
    notes: list[str] = []
    routes: list[RouteRules] = []
    for route in rules.routes:
        kept = route
        if route.partition_key.startswith(_FROM_RECORDS):
            notes.append(
                f"route {route.name}: simulated records carry no {route.partition_key}; their Kafka key is taken"
            )
            kept = replace(kept, partition_key="kafka_key")
        if route.only is not None or route.transform is not None:
            notes.append(
                f"route {route.name}: every simulated record is sent, as it is: only and transform are left out"
            )
            kept = replace(kept, only=None, transform=None)
        if len(route.topics) > 1:
            notes.append(f"route {route.name}: its {len(route.topics)} topics are simulated as one")
        shared = sorted(topic for topic in route.topics if len(rules.routes_of()[topic]) > 1)
        if shared:
            notes.append(
                f"route {route.name}: {', '.join(shared)}, which other routes read too, is simulated as its own"
            )
        if route.has_shared_lanes:
            notes.append(f"route {route.name}: {route.ordering.value} may break its order, so order is not judged")
        routes.append(kept)
    used = {route.role for route in rules.routes}
    lives = {name: float(role.hops[-1].duration_seconds) for name, role in settings.roles.items() if name in used}
    life = min(lives.values(), default=AMBIENT_SECONDS)
    if len(set(lives.values())) > 1:
        notes.append(f"roles ask for different lives; every token is simulated with the shortest, {life:g} s")
    return (replace(rules, routes=tuple(routes)), life), tuple(notes)
