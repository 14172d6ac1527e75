"""The judge of a run: everything that the world's witness sees, against every rule, at the moment at which it could break.

A broken rule is an exception that nothing in the service can catch, so it surfaces where it happened.

===  ==========================================================  ==================================================
I1   no commit before settlement                                 invariants/commits.py
I2   no loss                                                     invariants/liveness.py, at the end; evidence.py
I3   watermark: monotone, owned, never above what was fetched    invariants/commits.py, puts.py
I4   order of each key                                           invariants/puts.py, at the put and at the landing
I5   no stale signature                                          invariants/puts.py
I6   one issue of secrets in a signature                         invariants/puts.py; leases.py, in the token service
I7   bounded memory                                              invariants/puts.py, telling.py, holding.py
I8   bounded duplicates                                          invariants/ownership.py, puts.py, liveness.py
I9   liveness                                                    invariants/liveness.py; rests.py, leases.py, holding.py
I10  no storm                                                    invariants/leases.py, puts.py, telling.py, commits.py
I11  poison isolates; skipped is what a person has ordered       invariants/letters.py, puts.py, delivery.py
I12  loud stop                                                   invariants/ownership.py, commits.py, liveness.py
I13  ownership                                                   invariants/ownership.py, puts.py, letters.py, holding.py
I14  conservation                                                invariants/facts.py, figures.py, telling.py, holding.py
I15  no silent gap                                               invariants/delivery.py, facts.py
I16  an answer is the truth                                      invariants/puts.py; audited.py, what an audit reads
I17  no secret, no payload in a text                             invariants/telling.py
I18  determinism                                                 test_determinism.py
I19  a stop keeps its time                                       invariants/ownership.py
I20  no decision by wall time                                    test_determinism.py
I21  no silent wait                                              invariants/silence.py
===  ==========================================================  ==================================================
"""

from __future__ import annotations

from tests.simulation.invariants.audited import Audited
from tests.simulation.invariants.commits import Committing
from tests.simulation.invariants.holding import Holding
from tests.simulation.invariants.ownership import Owning
from tests.simulation.invariants.puts import Puts
from tests.simulation.invariants.telling import Telling
from tests.simulation.invariants.violation import ViolationError

__all__ = ["Checker", "ViolationError"]


class Checker(Audited, Owning, Puts, Committing, Telling, Holding):
    """Sees everything, keeps the truth, and raises at the first broken rule."""

    def let_go(self) -> None:
        """Cut the references that it holds."""
        vars(self).clear()

    def turned(self, now: int) -> None:
        """Judge the machine after a turn that was decided at `now`."""
        if now >= self._ask_by:
            self.judge_renewal(now)
        if self.must_pause:
            self.judge_pauses()
        self.look_inside(now)
