"""Bugs of routes that decode: of schemas that are not known yet, of registries that fail, of what does not fit."""

from __future__ import annotations

from doka.adapters.simulated.faults import decoding as decoded
from doka.adapters.simulated.faults import draw_plan
from doka.adapters.simulated.plan import Plan
from doka.domain.events import RegistryRefused, SchemasFetched
from doka.domain.held.ledger import OffsetLedger
from doka.domain.records import Chunk
from doka.domain.routes.decoding import Decoding
from doka.domain.routes.route import Route
from doka.domain.schemas import Found
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug


def with_a_registry(seed: int) -> Plan:
    """Give a drawn run whose routes decode."""
    return decoded(draw_plan(seed))


def believe_at_once_that_a_schema_is_absent(patch: Patch) -> None:
    """Make poison of what names a schema that the registry has not learned of yet."""
    patch.replace(Decoding, "_is_certain", lambda self, schema, now: True)


def decode_by_whatever_schema_was_used_last(patch: Patch) -> None:
    """Take the schema that was used last for the one that a value names."""
    honest = Decoding._used

    def planted(self: Decoding, schema: str) -> Found:
        return next(reversed(self._found.values()), None) or honest(self, schema)

    patch.replace(Decoding, "_used", planted)


def send_undecoded_what_waits_for_its_schema(patch: Patch) -> None:
    """Let a chunk in whatever it names, and its values as they came, where their schema is not known."""
    honest = Decoding.decoded

    def let_in(self: Decoding, chunk: Chunk, now: int) -> int:
        return chunk.count

    def planted(self: Decoding, chunk: Chunk, poison: dict[int, str]) -> list[bytes | None]:
        values = honest(self, chunk, {})
        poison.clear()
        return values

    patch.replace(Decoding, "known_part", let_in)
    patch.replace(Decoding, "decoded", planted)


def pass_over_what_waits_for_its_schema(patch: Patch) -> None:
    """Say that a chunk is known as far as it reaches, and leave out what is not."""
    honest = Decoding.known_part

    def planted(self: Decoding, chunk: Chunk, now: int) -> int:
        honest(self, chunk, now)
        return chunk.count

    def admitted(self: Route, ledger: OffsetLedger, chunk: Chunk, now: int, turn: Turn) -> bool:
        if self.decoding is not None and self.decoding._missing(chunk, now)[0]:
            ledger.complete_to(chunk.end)
            return True
        return admit(self, ledger, chunk, now, turn)

    admit = Route.admit
    patch.replace(Decoding, "known_part", planted)
    patch.replace(Route, "admit", admitted)


def wait_for_ever_after_a_refusal(patch: Patch) -> None:
    """Take a refusal for a question that is still on its way."""
    honest = Decoding.refused

    def planted(self: Decoding, now: int) -> bool:
        blocks = honest(self, now)
        self._asking = True
        return blocks

    patch.replace(Decoding, "refused", planted)


def stay_closed_when_the_registry_is_back(patch: Patch) -> None:
    """Take schemas, and let nothing in."""
    patch.replace(Route, "_go_on_decoding", lambda self, now, turn: None)


def tell_nothing_of_a_registry_that_fails(patch: Patch) -> None:
    """Close the route in silence."""
    honest = Route.registry_refused

    def planted(self: Route, event: RegistryRefused, now: int, turn: Turn) -> None:
        told = list(turn.commands)
        honest(self, event, now, turn)
        turn.commands[:] = told

    patch.replace(Route, "registry_refused", planted)


def look_no_more_when_schemas_arrive(patch: Patch) -> None:
    """Keep schemas, and leave what waited for them where it is until something else happens."""
    honest = Route.schemas_fetched

    def planted(self: Route, event: SchemasFetched, now: int, turn: Turn) -> None:
        looked = turn.look
        honest(self, event, now, turn)
        turn.look = looked
        if self.decoding is not None:
            self.decoding._waits = {tp: wait._replace(schema="none") for tp, wait in self.decoding._waits.items()}

    patch.replace(Route, "schemas_fetched", planted)


def ask_again_before_there_is_an_answer(patch: Patch) -> None:
    """Forget that a question is on its way."""
    honest = Decoding.wanted

    def planted(self: Decoding, now: int) -> tuple[str, ...]:
        asked = honest(self, now)
        self._asking = False
        return asked

    patch.replace(Decoding, "wanted", planted)


def forget_schemas_that_a_value_does_not_fit(patch: Patch) -> None:
    """Send what does not fit its schema as it came."""
    honest = Decoding.decoded

    def planted(self: Decoding, chunk: Chunk, poison: dict[int, str]) -> list[bytes | None]:
        found: dict[int, str] = {}
        values = honest(self, chunk, found)
        poison.update((place, code) for place, code in found.items() if code != "DecodeFailed")
        return values

    patch.replace(Decoding, "decoded", planted)


BUGS = (
    bug(believe_at_once_that_a_schema_is_absent, "I2", "I8", "I11", "I14", plan=with_a_registry),
    bug(decode_by_whatever_schema_was_used_last, "I2", "I8", "I11", "I14", plan=with_a_registry),
    bug(send_undecoded_what_waits_for_its_schema, "I2", "I11", plan=with_a_registry),
    bug(pass_over_what_waits_for_its_schema, "I1", "I2", "I14", plan=with_a_registry),
    bug(wait_for_ever_after_a_refusal, "I9", "I14", "I21", plan=with_a_registry),
    bug(stay_closed_when_the_registry_is_back, "I9", "I14", "I21", plan=with_a_registry),
    bug(tell_nothing_of_a_registry_that_fails, "I14", plan=with_a_registry),
    bug(look_no_more_when_schemas_arrive, "I9", "I14", "I21", plan=with_a_registry),
    bug(ask_again_before_there_is_an_answer, "I10", plan=with_a_registry),
    bug(forget_schemas_that_a_value_does_not_fit, "I2", "I11", plan=with_a_registry),
)
