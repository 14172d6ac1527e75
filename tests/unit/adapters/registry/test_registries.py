from __future__ import annotations

from collections.abc import Mapping

from doka.adapters.registry.json_schema import json_reader
from doka.adapters.registry.registries import NoAnswerError, Registries
from doka.domain.commands import FetchSchemas
from doka.domain.events import RegistryRefused, SchemasFetched
from doka.domain.schemas import Found


class Listed:
    """Has every schema, or gives no answer."""

    def __init__(self, error: NoAnswerError | None = None) -> None:
        self.error = error

    def fetch(self, schemas: tuple[str, ...]) -> Mapping[str, Found]:
        if self.error is not None:
            raise self.error
        return dict.fromkeys(schemas, json_reader)

    def reach(self) -> None:
        if self.error is not None:
            raise self.error


def test_each_route_has_a_registry_of_its_own() -> None:
    """What it answers is an event, and so is that it does not."""
    registries = Registries({"orders": Listed(), "payments": Listed(NoAnswerError("http_500", "it answers HTTP 500"))})
    refused = RegistryRefused("payments", "http_500", "it answers HTTP 500")
    assert ("orders", "payments") == registries.routes
    assert SchemasFetched("orders", {"1": json_reader}) == registries.fetch(FetchSchemas("orders", ("1",)))
    assert refused == registries.fetch(FetchSchemas("payments", ("1",)))
    assert [None, refused] == [registries.reach(route) for route in registries.routes]
