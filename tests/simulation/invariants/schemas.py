"""What must hold of a route that decodes: what is told of its registry is so, and it waits for nothing that it was given."""

from __future__ import annotations

from doka.adapters.simulated.plan import Plan
from doka.domain.events import Event, SchemasFetched
from doka.domain.facts import IntakeClosed, IntakeOpened
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.route import REGISTRY_FAILED
from doka.domain.schemas import read_frame
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.truth import Ownership


class Schemas(Evidence):
    """Schemas that the present life was given, and routes that were told to take in nothing more."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._given: set[tuple[str, str]] = set()  # routes, and schemas that were given for them
        self._named: dict[tuple[TopicPartition, int], str] = {}
        self.intake_closed: dict[str, str] = {}  # why, of routes

    def end_life(self) -> None:
        super().end_life()
        self._given.clear()
        self.intake_closed.clear()

    def note_schemas(self, event: Event) -> None:
        """Note the schemas that the process has read of its inbox."""
        if isinstance(event, SchemasFetched):
            self._given |= {(event.route, schema) for schema, found in event.found.items() if found is not None}
            if None in event.found.values():
                self.reached["a registry did not have a schema"] += 1

    def told_intake(self, fact: IntakeClosed | IntakeOpened) -> None:
        """Judge that only what was closed is opened: I14."""
        if isinstance(fact, IntakeClosed):
            self.intake_closed[fact.route] = fact.reason
            self.reached[f"a route was closed: {fact.reason}"] += 1
            return
        self.require(self.intake_closed.pop(fact.route, None), "I14", f"{fact.route} was not told to be closed")
        self.require(fact.after >= 0, "I14", f"{fact.route} is told to have been closed for {fact.after} ns")

    def judge_intake(self, route: str, blocked: str) -> bool:
        """Judge a route that is shown as closed by its registry, as it was told: I14; say whether it is."""
        if not blocked.startswith(REGISTRY_FAILED):
            return False
        told = self.intake_closed.get(route)
        self.require(blocked == told, "I14", f"{route} is closed by {blocked}, and {told} was told")
        return True

    def note_frames(self, chunk: Chunk) -> None:
        """Note which schema each record names that was handed over; of those that leave the log it is known nowhere else."""
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            frame = None if value is None else read_frame(value[:5])
            if frame is not None:
                self._named[chunk.partition, offset] = frame.schema

    def decoded_bytes(self) -> int:
        """Give how many bytes more may be held since values were decoded after they had been fetched, beside whole records."""
        if not (self.plan.decodes and any(route.needs_originals for route in self.plan.rules().routes)):
            return 0
        return sum(own.truth.sizes[offset] for own in self.owned.values() for offset in own.unsettled)

    def waits_for_a_schema(self, route: str, own: Ownership) -> bool:
        """Say whether a record in hand names a schema that this life has not been given."""
        named = (self._named.get((own.truth.tp, offset)) for offset in own.unsettled)
        return any(schema is not None and (route, schema) not in self._given for schema in named)
