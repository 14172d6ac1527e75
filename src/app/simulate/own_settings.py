"""Takes rotation, limits and routes from a real configuration, so that a team can simulate its own before it deploys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from doka.app.config_options import ConfigOptions
from doka.app.rehearsal.record_file import read_records
from doka.app.settings import Settings
from doka.app.settings.load import read_configuration
from doka.app.settings.mapping import to_rules
from doka.app.simulate.own_function import OwnFunction
from doka.domain.errors import UsageError
from doka.domain.rules import OnPoison, RouteRules, Rules

AMBIENT_SECONDS = 3_600.0  # of credentials that no role chain of the configuration makes
_FROM_RECORDS = ("field:", "header:")


def configured_rules(config: Path, records: Path | None = None) -> tuple[tuple[Rules, float], tuple[str, ...]]:
    """Give the rules and the tokens' life (s) of a configuration, and what of it is simulated otherwise, in sentences.

    Filters and transforms are simulated where there are `records` for them, which `own_functions` takes.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return of_settings(_read(config), records)


def _read(config: Path) -> Settings:
    # Nothing is connected to, so what is only permitted on request is permitted here.
    return read_configuration(ConfigOptions(config, allow_plaintext=True, allow_insecure_endpoints=True))


def own_functions(config: Path, records: Path) -> tuple[OwnFunction | None, ...]:
    """Give what each route of a configuration makes of records of its own, which stand in a file (`record_file.py`).

    Raises:
        SettingsError: with one line for each thing to mend of the configuration.
        UsageError: the file cannot be read, or has no record for a route that makes something of them.
    """
    settings = _read(config)
    rules = to_rules(settings)
    routes = rules.routes
    wanted = [route.only is not None or route.transform is not None for route in routes]
    asked = [route for route, is_wanted in zip(routes, wanted, strict=True) if is_wanted]
    topics = {topic for route in asked for topic in route.topics | route.patterns}
    if not topics:
        raise UsageError("--records is for routes with only or transform, and the configuration has none; leave it out")
    given = read_records(records, topics)
    found: list[OwnFunction | None] = []
    for route, section, is_wanted in zip(routes, settings.routes, wanted, strict=True):
        own = tuple(record for record in given if route in rules.routes_for(record.partition.topic))
        if is_wanted and not own:
            raise UsageError(
                f"--records: {records} has no record of route {route.name}; name one of its topics in a line"
            )
        file = section.transform.file
        function = OwnFunction(
            route.name,
            own,
            route.only,
            None if file is None else Path(file).absolute(),
            section.transform.function or "",
            drops_poison=route.on_poison is OnPoison.DROP,
        )
        found.append(function if is_wanted else None)
    return tuple(found)


def of_settings(settings: Settings, records: Path | None = None) -> tuple[tuple[Rules, float], tuple[str, ...]]:
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
            told = (
                "every simulated record is sent, as it is: only and transform are left out without --records"
                if records is None
                else f"only and transform are run over the records of {records.name}, again and again"
            )
            notes.append(f"route {route.name}: {told}")
            kept = replace(kept, only=None, transform=None)
        if route.decode is not None:
            notes.append(f"route {route.name}: its records are simulated as they are decoded; no registry is asked")
            kept = replace(kept, decode=None)
        if route.compression is not None:
            notes.append(f"route {route.name}: what it sends is simulated as it is before {route.compression.name}")
            kept = replace(kept, compression=None)
        if len(route.topics) > 1:
            notes.append(f"route {route.name}: its {len(route.topics)} topics are simulated as one")
        shared = sorted(topic for topic in route.topics if len(rules.routes_of()[topic]) > 1)
        if shared:
            notes.append(
                f"route {route.name}: {', '.join(shared)}, which other routes read too, is simulated as its own"
            )
        if route.patterns:
            notes.append(f"route {route.name}: its patterns are simulated as a topic that is there from the beginning")
        if route.has_shared_lanes:
            notes.append(f"route {route.name}: {route.ordering.value} may break its order, so order is not judged")
        routes.append(kept)
    used = {route.role for route in rules.routes}
    lives = {name: float(role.hops[-1].duration_seconds) for name, role in settings.roles.items() if name in used}
    life = min(lives.values(), default=AMBIENT_SECONDS)
    if len(set(lives.values())) > 1:
        notes.append(f"roles ask for different lives; every token is simulated with the shortest, {life:g} s")
    return (replace(rules, routes=tuple(routes)), life), tuple(notes)
