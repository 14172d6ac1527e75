"""What a planted bug is, and how it is put into the machine: for a moment, in this process, and never by half."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from doka.adapters.simulated.faults import draw_plan
from doka.adapters.simulated.plan import Plan

BUDGET = 400
"""Seeds within which a bug must be found, unless it says otherwise."""


class PatchError(Exception):
    """A planted bug no longer applies: what it patches is gone, or is called otherwise."""


class Patch:
    """Replaces functions for as long as a bug is planted; what is not there cannot be replaced."""

    def __init__(self, monkey: pytest.MonkeyPatch) -> None:
        self._monkey = monkey

    def replace(self, owner: type | ModuleType, name: str, planted: Callable[..., Any]) -> None:
        """Put `planted` in the place of a function that takes the same, or of a property.

        Raises:
            PatchError: there is no such function, or it takes something else by now.
        """
        found = vars(owner).get(name)
        honest = found.fget if isinstance(found, property) else found
        if not callable(honest):
            raise PatchError(f"{owner.__name__} has no function {name}")
        old, new = (list(inspect.signature(function).parameters) for function in (honest, planted))
        if old != new and not _takes_anything(planted):
            raise PatchError(f"{owner.__name__}.{name} takes {', '.join(old)}, and the bug {', '.join(new)}")
        self._monkey.setattr(owner, name, property(planted) if isinstance(found, property) else planted)


def _takes_anything(function: Callable[..., Any]) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())


def overwrite(thing: object, name: str, value: object) -> None:
    """Give an attribute that is there another value.

    Raises:
        PatchError: there is no such attribute.
    """
    if not hasattr(thing, name):
        raise PatchError(f"{type(thing).__name__} has no attribute {name}")
    setattr(thing, name, value)


@dataclass(frozen=True)
class Bug:
    """One bug: its name and what is wrong are those of the function that plants it."""

    plant: Callable[[Patch], None]
    rules: frozenset[str]
    """The invariants of which one must find it; another one that did would not be about this bug."""
    plan: Callable[[int], Plan] = draw_plan
    """Gives the run of a seed, with the settings that the bug needs to show."""
    by_hash_seed: bool = False
    """It breaks no rule, but makes two runs of a seed differ where PYTHONHASHSEED does."""
    budget: int = BUDGET

    @property
    def name(self) -> str:
        """What it is called."""
        return self.plant.__name__

    @property
    def wrong(self) -> str:
        """What is wrong, in a sentence."""
        return (self.plant.__doc__ or "").strip().splitlines()[0]


def bug(plant: Callable[[Patch], None], *rules: str, **more: Any) -> Bug:
    """Make a bug, found by one of `rules`."""
    return Bug(plant, frozenset(rules), **more)


@contextmanager
def planted(this: Bug | None) -> Iterator[None]:
    """Have a bug in the machine, or none."""
    with pytest.MonkeyPatch.context() as monkey:
        if this is not None:
            try:
                this.plant(Patch(monkey))
            except (PatchError, AttributeError) as error:
                raise PatchError(f"the planted bug {this.name} no longer applies: {error}") from error
        yield
