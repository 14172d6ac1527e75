"""How a person names a route to a command: by its name, or not at all where there is only one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from doka.domain.errors import UsageError


class Named(Protocol):
    """A route, by its settings or by its rules."""

    @property
    def name(self) -> str:
        """Its name in metrics and logs."""
        ...


Route = TypeVar("Route", bound=Named)


def routes_named(routes: Sequence[Route], name: str | None) -> Sequence[Route]:
    """Give the route of a name, or all where none was named. Raises UsageError: there is none of this name."""
    found = [route for route in routes if name in {None, route.name}]
    if not found:
        raise UsageError(f"--route {name!r} is none of the routes, which are {_names(routes)}")
    return found


def route_named(routes: Sequence[Route], name: str | None) -> Route:
    """Give the route of a name, or the only one. Raises UsageError: there is none, or there are several to choose from."""
    found = routes_named(routes, name)
    if len(found) > 1:
        raise UsageError(f"there are {len(found)} routes; add --route with one of {_names(found)}")
    return found[0]


def _names(routes: Sequence[Named]) -> str:
    return ", ".join(route.name for route in routes)
