"""The registries of all routes, as `domain.ports.SchemaRegistry`: each route has one, or decodes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from doka.domain.commands import FetchSchemas
from doka.domain.events import RegistryRefused, SchemasFetched
from doka.domain.schemas import Found


class NoAnswerError(Exception):
    """A registry gave no answer that can be used; `code` is ours, and neither it nor the text holds anything secret."""

    def __init__(self, code: str, told: str) -> None:
        self.code = code
        super().__init__(told)


class Registry(Protocol):
    """One registry."""

    def fetch(self, schemas: tuple[str, ...]) -> Mapping[str, Found]:
        """Give what there is of these schemas, as far as time reaches; one of them at least.

        Raises:
            NoAnswerError: there is no answer.
        """
        ...

    def reach(self) -> None:
        """See whether it answers.

        Raises:
            NoAnswerError: it does not.
        """
        ...


class Registries:
    """Finds the registry of a route, and gives its answers as events."""

    def __init__(self, of_routes: Mapping[str, Registry]) -> None:
        self._of_routes = of_routes

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes that decode."""
        return tuple(self._of_routes)

    def fetch(self, command: FetchSchemas) -> SchemasFetched | RegistryRefused:
        """Ask for schemas; blocks for as long as the registry's timeout at worst."""
        try:
            found = self._of_routes[command.route].fetch(command.schemas)
        except NoAnswerError as error:
            return RegistryRefused(command.route, error.code, str(error))
        return SchemasFetched(command.route, found)

    def reach(self, route: str) -> RegistryRefused | None:
        """See whether the registry of a route answers; None where it does."""
        try:
            self._of_routes[route].reach()
        except NoAnswerError as error:
            return RegistryRefused(route, error.code, str(error))
        return None
