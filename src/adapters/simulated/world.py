"""The simulated world: everything that lasts while processes come and go.

It holds the topic logs, the group, the streams, the authority, the network's effects in flight and the time.
A process lives in it through the ports and dies by an exception out of any of them; what it had sent still happens.
One seed decides everything; two runs of a seed are equal to the last event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.clock import SimulatedClock
from doka.adapters.simulated.group import ConsumerGroup, Member
from doka.adapters.simulated.life import Life, ProcessDiedError
from doka.adapters.simulated.neighbour import Neighbour
from doka.adapters.simulated.partition_log import PartitionLog
from doka.adapters.simulated.plan import CALM, Delays, Kind, Plan, Rates, Sick
from doka.adapters.simulated.schemas import read_back
from doka.adapters.simulated.stream import Stream
from doka.adapters.simulated.timeline import START_NS, Timeline
from doka.adapters.simulated.tokens import TokenService
from doka.adapters.simulated.trace import Trace
from doka.adapters.simulated.witness import Witness
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison
from doka.domain.skip import Skip

CALL_NS = 20_000  # what a call of a port costs, so that a loop that spins still moves on
STEPS_WITHOUT_PROGRESS_MAX = 60_000


class Shape(NamedTuple):
    """What the function of a route makes of one record, for whoever forwards it beside our process."""

    left_out: bool = False
    poison: bool = False
    key: str | None = None
    """The partition key that it chooses; None: the route's rule decides."""


class NoProgressError(BaseException):
    """The process called its ports that often and nothing in the world moved on."""


class World:
    """What is in here survives every crash of the process."""

    write_too: Callable[[TopicPartition], object] = staticmethod(lambda _: None)
    """The producer's: from now on it writes into a partition that is new, too."""
    trimmed = False
    """Whether records have left a log."""

    def __init__(self, plan: Plan, witness: Witness | None = None) -> None:
        self.plan = plan
        self.chance = Chance(plan.seed)
        self.timeline = timeline = Timeline()
        self.trace = Trace(timeline)
        self.witness = witness or Witness()
        self.clock = SimulatedClock(timeline)
        self.clock.skew_seconds = plan.wall_skew_seconds
        self.rates: Rates = plan.rates
        self.delays = plan.delays
        self.shape_of: Callable[[TopicPartition, int], Shape] = lambda *record: Shape(poison=record in self.poison)
        self.write: Callable[[TopicPartition], object] = lambda _: None  # the producer's, of one more record
        self.unwritten = plan.work.records
        self.letters: list[tuple[TopicPartition, int]] = []
        self.letters_down_until = 0
        self.refused_values: set[bytes] = set()
        self.poison: set[tuple[TopicPartition, int]] = set()
        self.large: dict[tuple[TopicPartition, int], int] = {}  # of it, what is too large: bytes with its key
        self.routes_of = {plan.topic(i): plan.routes_of(i) for i in range(plan.work.routes)}
        self.routes: dict[str, str] = {topic: names[0] for topic, names in self.routes_of.items()}
        self.streams = {
            name: Stream(name, plan.work.shards, record_bytes_max=plan.record_bytes_max)
            for names in self.routes_of.values()
            for name in names
        }
        self._neighbour_landed: set[tuple[TopicPartition, int, str]] = set()  # what it landed in some of its streams
        self.logs = {
            tp: PartitionLog(tp)
            for topic in self.routes
            for tp in (TopicPartition(topic, i) for i in range(plan.work.partitions))
        }
        self.unfetchable_until: dict[TopicPartition, int] = {}
        self.unreachable_until: dict[TopicPartition, int] = {}
        self.open_from: dict[TopicPartition, int] = {}  # where a transaction is open, behind which nothing is read
        self.damaged: dict[TopicPartition, tuple[int, int]] = {}  # from where to below where nothing can be read
        self.topics_missing: set[str] = set()
        self.topics_refused: set[str] = set()
        self.orders: dict[TopicPartition, tuple[Skip, ...]] = {}  # to skip; they stand where the group's offsets do
        self.quota_until = 0
        self.quota_wait = 0
        self.stalled_until = 0
        self.describe_denied_until = 0
        self.registry_down_until = 0
        self.schemas_since: dict[str, int] = {}  # from when on the registry knows each
        self.tokens = TokenService(timeline, self.clock, self.chance.of("sts"), plan.lease_life)
        self.tokens.rates = plan.rates
        self.group = ConsumerGroup(
            timeline, self.trace, self.witness, chance=self.chance.of("group"), delays=plan.delays, logs=self.logs
        )
        self.group.rates = plan.rates
        self.neighbour = Neighbour(timeline, self.group, self.logs, self.witness, self._deliver_for_neighbour)
        self.life: Life | None = None
        self.member: Member | None = None
        self.steps = 0
        self.lives = 0
        self.suspensions: list[tuple[int, int]] = []
        self.asleep_until = 0  # a process that is suspended answers nobody
        self.slept_in_hand = 0  # how long the process stood still between its last decision and the signature
        self.consumer_dead = False
        self.befell: Counter[Kind] = Counter()
        self._progress_at_step = 0

    # --- the process ---------------------------------------------------------------------------------------------

    def begin_life(self) -> Life:
        """Start the process."""
        self.lives += 1
        self.life = Life(self.lives)
        self.consumer_dead = False
        self.trace.note("starts", self.lives)
        return self.life

    def step(self, life: Life) -> None:
        """Note a call of a port: time passes, and this is where a process dies.

        Raises:
            ProcessDiedError: this process is gone.
            NoProgressError: it has turned in circles for too long.
        """
        if life.alive:
            self.steps += 1
            self.timeline.pass_to(self.timeline.now + CALL_NS)
            if life.doomed or self.steps in self.plan.crash_steps:
                self.die(life)
            if self.steps - self._progress_at_step > STEPS_WITHOUT_PROGRESS_MAX:
                raise NoProgressError(f"{STEPS_WITHOUT_PROGRESS_MAX} steps without progress")
        else:
            raise ProcessDiedError

    def wait_step(self, life: Life) -> None:
        """Note a call that may wait, where a suspended process stands still: between two such calls nobody could tell."""
        self.slept_in_hand = 0
        if life.suspended_for:
            self._suspend(life)
        self.step(life)

    def sign_step(self, life: Life) -> None:
        """Note the call that signs a put: a process may stand still with the decision in its hands."""
        if life.suspended_in_hand:
            life.suspended_for, life.suspended_in_hand = life.suspended_in_hand, 0
            began = self.timeline.now
            self._suspend(life)
            self.slept_in_hand += self.timeline.now - began
        self.step(life)

    def progress(self) -> None:
        """Note that something moved on that cannot move on for ever."""
        self._progress_at_step = self.steps

    def _suspend(self, life: Life) -> None:
        leap, life.suspended_for = life.suspended_for, 0
        began = self.timeline.now
        self.trace.note("suspended", leap)
        if leap > self.plan.session_timeout and self.member is not None:
            member = self.member
            self.timeline.after(self.plan.session_timeout, lambda: self.group.expel(member))
        self.asleep_until = began + leap
        self.timeline.pass_to(self.asleep_until)
        self.suspensions.append((began, self.timeline.now))
        self.trace.note("wakes")
        self.witness.woke()

    def die(self, life: Life) -> NoReturn:
        """End the process as SIGKILL does."""
        self.end_life(life)
        self.trace.note("dies", life.number)
        self.witness.died()
        raise ProcessDiedError

    def end_life(self, life: Life) -> None:
        """Cut the process off; its membership ends when its session times out."""
        life.alive = False
        self.life = None
        if self.member is not None:
            member, self.member = self.member, None
            self.timeline.after(self.plan.session_timeout, lambda: self.group.expel(member))
            if self.plan.static_member or not member.welcomed:
                self.group.expel(member)

    # --- the weather ---------------------------------------------------------------------------------------------

    def stir(self) -> None:
        """Note that there is something to fetch."""
        if self.member is not None:
            self.member.wake()

    def can_fetch(self, partition: TopicPartition) -> bool:
        """Say whether the partition's leader answers a fetch."""
        until = self.unfetchable_until.get(partition, 0) if self.unfetchable_until else 0
        return self.timeline.now >= until and self.answers(partition)

    def answers(self, partition: TopicPartition) -> bool:
        """Say whether the partition's leader can be reached at all, be it only for a question about its log."""
        if partition.topic in self.topics_missing or partition.topic in self.topics_refused:
            return False
        now = self.timeline.now
        return now >= self.stalled_until and (
            not self.unreachable_until or now >= self.unreachable_until.get(partition, 0)
        )

    @property
    def restless(self) -> bool:
        """Whether there may be something to fetch by and by, or be gone, without anybody stirring."""
        now = self.timeline.now
        return bool(
            self.trimmed
            or now < self.stalled_until
            or now < self.group.frozen_until
            or self.unfetchable_until
            or self.unreachable_until
            or self.orders
            or self.damaged
            or self.open_from
            or self.topics_missing
            or self.topics_refused
        )

    @property
    def begun(self) -> bool:
        """Whether the group has begun with all partitions that there were at first."""
        first = [
            TopicPartition(self.plan.topic(r), p)
            for r in range(self.plan.work.routes)
            for p in range(self.plan.work.partitions)
        ]
        return all(tp in self.group.committed for tp in first)

    def grow(self, partition: TopicPartition, route: str) -> None:
        """Add a partition, of a topic that there is or of a new one, and write into it at once."""
        self.trace.note("grows", partition)
        self.routes[partition.topic] = route
        self.routes_of[partition.topic] = (route,)
        self.logs[partition] = PartitionLog(partition)
        self.witness.grown(partition)
        self.group.grow(partition)
        self.write_too(partition)
        self.write(partition)

    def readable_end(self, partition: TopicPartition) -> int:
        """Give where the part of a log ends that may be read: its end, or where a transaction is open."""
        end = self.logs[partition].end
        return min(end, self.open_from.get(partition, end)) if self.open_from else end

    def damage_ahead(self, partition: TopicPartition, position: int) -> tuple[int, int] | None:
        """Give what cannot be read at or above a position of a log: its first offset, and the next that can be read."""
        damage = self.damaged.get(partition)
        return None if damage is None or position >= damage[1] else damage

    def heal(self) -> None:
        """End every fault that ends; what the plan calls sick stays so for ever."""
        self.trace.note("heals")
        now = self.timeline.now
        self.rates = self.group.rates = CALM
        self.delays = self.group.delays = Delays()
        self.tokens.heal()
        self.group.frozen_until = min(self.group.frozen_until, now)
        self.stalled_until = self.describe_denied_until = self.letters_down_until = 0
        self.quota_until = self.registry_down_until = 0
        self.unfetchable_until.clear()
        self.unreachable_until.clear()
        self.open_from.clear()
        self.damaged.clear()
        self.topics_missing.clear()
        self.topics_refused.clear()
        self.group.refused_until = min(self.group.refused_until, now)
        self.clock.skew_seconds = 0.0
        for stream in self.streams.values():
            stream.status, stream.honours_keys, stream.refuses_with = "ACTIVE", True, None
            for shard in stream.shards:
                shard.hot = False
        self._sicken()
        self.neighbour.stop(self.group.move_back(list(self.logs)))
        self.stir()
        self.witness.healed()
        self.timeline.after(self.plan.heal_within, self.witness.time_is_up)

    def store_letter(self, partition: TopicPartition, offset: int, route: str) -> None:
        """Put a dead letter of a route into its topic."""
        self.letters.append((partition, offset))
        self.progress()
        self.witness.letter_stored(partition, offset, route)

    def _sicken(self) -> None:
        match self.plan.sick:
            case Sick.NOTHING | Sick.UNRENEWED:
                pass
            case Sick.DEAD_STREAM:
                self.streams["s0"].status = None
            case Sick.HOT_SHARD:
                self.streams["s0"].shards[0].hot = True
            case Sick.UNFETCHABLE:
                self.unfetchable_until[next(iter(self.logs))] = START_NS + 10**9 * NS_PER_SECOND

    def _deliver_for_neighbour(self, tp: TopicPartition, offset: int, key: bytes | None, value: bytes | None) -> bool:
        shape = self.shape_of(tp, offset)
        if shape.left_out:
            return True
        if shape.poison:
            if self.plan.on_poison is OnPoison.BLOCK:
                return False
            self.trace.note("neighbour_drops", tp, offset)
            if self.plan.on_poison is OnPoison.DEAD_LETTER:
                for route in self.routes_of[tp.topic]:
                    self.store_letter(tp, offset, route)
            return True
        text = shape.key or self.plan.key_of(tp, key) or f"null-{offset}"
        data = b"" if value is None else read_back(value) if self.plan.decodes else value
        return all(self._land_for_neighbour(tp, offset, text, data, route) for route in self.routes_of[tp.topic])

    def _land_for_neighbour(self, tp: TopicPartition, offset: int, text: str, data: bytes, route: str) -> bool:
        """Let a record land in one stream; once, where another one has to be tried again."""
        stream, several = self.streams[route], self.plan.work.tee > 1
        if several and (tp, offset, route) in self._neighbour_landed:
            return True
        if not stream.usable or stream.offer(text, data, None, self.timeline.now) is not None:
            return False
        if several:
            self._neighbour_landed.add((tp, offset, route))
        self.trace.note("neighbour_lands", tp, offset)
        self.witness.landed(None, 0, text, data, route)
        return True
