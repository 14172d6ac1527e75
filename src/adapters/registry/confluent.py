"""Asks a registry that speaks Confluent's API for schemas: by id, by GUID, and for what they refer to.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from doka.adapters.registry.avro import avro_reader
from doka.adapters.registry.http import ask, refusal_of
from doka.adapters.registry.json_schema import json_reader
from doka.adapters.registry.protobuf import Descriptors
from doka.adapters.registry.registries import NoAnswerError
from doka.adapters.registry.settings import RegistrySettings, Writing
from doka.domain.ports import Clock
from doka.domain.schemas import Found, Unusable

SCHEMA_NOT_FOUND: Final = 40403
SUBJECT_NOT_FOUND: Final = 40401
VERSION_NOT_FOUND: Final = 40402
REFERENCES_MAX: Final = 200
"""Of one schema, and of those that it refers to: beyond it, it is a circle, or nobody's plan."""


class ConfluentRegistry:
    """The registry of one route; for one thread at a time."""

    def __init__(
        self, settings: RegistrySettings, writing: Writing, clock: Clock, descriptors: Descriptors | None = None
    ) -> None:
        """Take where it is and how values are written; `descriptors`: of Protobuf, where the user gives any."""
        self._settings = settings
        self._descriptors = descriptors
        self._writing = writing
        self._clock = clock

    def fetch(self, schemas: tuple[str, ...]) -> Mapping[str, Found]:
        """Give what there is of the schemas that are asked for, in their order, as far as the time of one question reaches.

        Raises:
            NoAnswerError: there is no answer for the first of them.
        """
        deadline = self._clock.now() + self._settings.timeout
        found: dict[str, Found] = {}
        for schema in schemas:
            try:
                found[schema] = self._reader(schema, deadline)
            except NoAnswerError:
                if not found:
                    raise
                break
        return found

    def reach(self) -> None:
        """See whether the registry answers, and lets us in.

        Raises:
            NoAnswerError: it does not.
        """
        self._reader("0", self._clock.now() + self._settings.timeout)  # which is no schema's id

    def _reader(self, schema: str, deadline: int) -> Found:
        """Give what reads by a schema, why nothing does, or None: there is none of this id."""
        by = "ids" if schema.isdigit() else "guids"
        body = self._ask(f"/schemas/{by}/{schema}", {SCHEMA_NOT_FOUND}, deadline)
        if body is None:
            return None
        text, kind = body.get("schema"), body.get("schemaType", "AVRO")
        if not isinstance(text, str):
            raise refusal_of(HTTPStatus.OK)
        if kind == "JSON":
            return json_reader
        if kind == "PROTOBUF":
            told = "it is Protobuf: name a file of descriptors in decode.descriptor_file"
            return Unusable(told) if self._descriptors is None else self._descriptors.reader(text)
        if kind != "AVRO":
            return Unusable(f"it is of type {kind}, which is not read")
        references: dict[tuple[str, str], str] = {}
        missing = self._collect(body, references, deadline)
        if missing is not None:
            return Unusable(f"it refers to {missing}, which the registry does not have")
        return avro_reader(text, list(references.values()), self._writing)

    def _collect(self, body: Mapping[str, Any], into: dict[tuple[str, str], str], deadline: int) -> str | None:
        """Collect what a schema refers to, each behind what it refers to itself; give what is not there."""
        for each in body.get("references") or ():
            subject, version = str(each.get("subject")), str(each.get("version"))
            if (subject, version) in into:
                continue
            if len(into) >= REFERENCES_MAX:
                return f"more than {REFERENCES_MAX} others"
            path = f"/subjects/{quote(subject, safe='')}/versions/{quote(version, safe='')}?deleted=true"
            found = self._ask(path, {SUBJECT_NOT_FOUND, VERSION_NOT_FOUND, SCHEMA_NOT_FOUND}, deadline)
            if found is None or not isinstance(found.get("schema"), str):
                return f"{subject} version {version}"
            missing = self._collect(found, into, deadline)
            if missing is not None:
                return missing
            into[subject, version] = found["schema"]
        return None

    def _ask(self, path: str, absent: set[int], deadline: int) -> Mapping[str, Any] | None:
        """Give what stands at a path; None where the registry says by one of these codes that it is not there."""
        left = deadline - self._clock.now()
        if left <= 0:
            raise NoAnswerError("timed_out", "it does not answer in time")
        answer = ask(self._settings, path, left)
        if answer.status == HTTPStatus.OK and answer.body:
            return answer.body
        if answer.status == HTTPStatus.NOT_FOUND and answer.body.get("error_code") in absent:
            return None
        raise refusal_of(answer.status)
