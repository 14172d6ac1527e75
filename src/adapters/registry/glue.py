"""Asks AWS Glue's schema registry for schemas, by the version that a value names, with the credentials of this process.

https://docs.aws.amazon.com/glue/latest/webapi/API_GetSchemaVersion.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import Session

from doka.adapters.registry.avro import avro_reader
from doka.adapters.registry.json_schema import json_reader
from doka.adapters.registry.registries import NoAnswerError
from doka.adapters.registry.settings import Writing
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.schemas import Found, Unusable

NOT_FOUND: Final = "EntityNotFoundException"
NO_VERSION: Final = "00000000-0000-0000-0000-000000000000"
"""Asked for to see whether anybody answers."""


class GlueRegistry:
    """The registry of one route; for one thread at a time."""

    def __init__(
        self,
        region: str,
        new_session: Callable[[], Session],
        writing: Writing,
        clock: Clock,
        *,
        timeout: int,
        endpoint_url: str | None = None,
    ) -> None:
        """Take where it is, and what makes the session whose credentials sign; `timeout` of one question in ns."""
        self._new_session = new_session
        self._writing = writing
        self._clock = clock
        self._timeout = timeout
        seconds = timeout / NS_PER_SECOND
        config = Config(  # type: ignore[call-arg]  # its stub does not know ignore_configured_endpoint_urls
            connect_timeout=seconds,
            read_timeout=seconds,
            retries={"total_max_attempts": 1},
            ignore_configured_endpoint_urls=True,
        )
        self._options: dict[str, Any] = {"region_name": region, "endpoint_url": endpoint_url, "config": config}
        self._client: Any = None

    def fetch(self, schemas: tuple[str, ...]) -> Mapping[str, Found]:
        """Give what there is of the schemas that are asked for, in their order, as far as the time of one question reaches.

        Raises:
            NoAnswerError: there is no answer for the first of them.
        """
        deadline = self._clock.now() + self._timeout
        found: dict[str, Found] = {}
        for schema in schemas:
            try:
                found[schema] = self._reader(schema)
            except NoAnswerError:
                if not found:
                    raise
                break
            if self._clock.now() >= deadline:
                break
        return found

    def reach(self) -> None:
        """See whether Glue answers, and lets us in.

        Raises:
            NoAnswerError: it does not.
        """
        self._reader(NO_VERSION)

    def _reader(self, schema: str) -> Found:
        """Give what reads by a version of a schema, why nothing does, or None: there is none of this id."""
        try:
            if self._client is None:
                self._client = self._new_session().create_client("glue", **self._options)
            answer = self._client.get_schema_version(SchemaVersionId=schema)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code == NOT_FOUND:
                return None
            raise NoAnswerError(
                code, f"AWS Glue answers {code}; doka policy --for glue prints what is needed"
            ) from None
        except NoCredentialsError:
            self._client = None  # which keeps that there were none
            raise NoAnswerError("no_credentials", "there are no credentials of AWS to ask Glue with") from None
        except BotoCoreError as error:
            raise NoAnswerError("not_connected", f"AWS Glue is not reached: {type(error).__name__}") from None
        text, kind = answer.get("SchemaDefinition"), answer.get("DataFormat")
        if not isinstance(text, str):
            raise NoAnswerError("unreadable", "its answer holds no schema")
        if kind == "AVRO":
            return avro_reader(text, (), self._writing)
        return json_reader if kind == "JSON" else Unusable(f"it is of type {kind}, which is not read")
