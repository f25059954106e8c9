"""The breaker against a plain model of itself, over any order of events."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xaisvc.cache.breaker import Breaker


class Breakers(RuleBasedStateMachine):
    """Says what each event means in the words of the specification, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(lambda: self.now, failures=5, probe_s=2.0, soon_s=0.1)
        self.in_a_row = 0
        self.closed_at = -10.0  # long ago
        self.due_at: float | None = None  # of the next probe; None: closed
        self.probing = False

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_succeeds(self) -> None:
        self.breaker.succeeded()
        if self.due_at is None:
            self.in_a_row = 0

    @rule()
    def a_call_fails(self) -> None:
        opened = self.breaker.failed()
        if self.due_at is None:
            self.in_a_row += 1
            assert opened == (self.in_a_row == 5)
            if opened:
                self.due_at = self.now + 2.0
        else:
            assert not opened

    @rule()
    def a_call_fails_that_was_waited_for(self) -> None:
        opened = self.breaker.failed(costly=True)
        assert opened == (self.due_at is None)
        if opened:
            self.in_a_row += 1
            self.due_at = self.now + (0.1 if self.now - self.closed_at >= 2.0 else 2.0)

    @rule()
    def it_is_tripped(self) -> None:
        self.breaker.trip()
        if self.due_at is None:
            self.due_at = self.now

    @rule()
    def somebody_asks_for_a_probe(self) -> None:
        due = self.due_at is not None and not self.probing and self.now >= self.due_at
        assert self.breaker.claim_probe() == due
        self.probing = self.probing or due

    @precondition(lambda self: self.probing)
    @rule(answered=st.booleans())
    def the_probe_ends(self, answered: bool) -> None:  # noqa: FBT001  drawn by its name
        self.breaker.probed(answered=answered)
        self.probing = False
        self.in_a_row = 0 if answered else self.in_a_row
        self.closed_at = self.now if answered else self.closed_at
        self.due_at = None if answered else self.now + 2.0

    @precondition(lambda self: not self.probing)
    @rule(answered=st.booleans())
    def a_probe_that_nobody_claimed_ends(self, answered: bool) -> None:  # noqa: FBT001  drawn by its name
        self.breaker.probed(answered=answered)

    @invariant()
    def it_is_closed_unless_it_opened(self) -> None:
        assert self.breaker.closed == (self.due_at is None)

    @invariant()
    def it_is_doubtful_after_a_failure(self) -> None:
        assert self.breaker.doubtful == (self.due_at is not None or self.in_a_row > 0)


TestBreakers = Breakers.TestCase
TestBreakers.settings = settings(max_examples=200, stateful_step_count=40)


def test_one_of_many_threads_claims_the_probe() -> None:
    breaker = Breaker(lambda: 0.0, failures=1, probe_s=0.0)
    breaker.failed()
    start = threading.Barrier(8)
    claims: list[bool] = []

    def claim() -> None:
        start.wait()
        claims.append(breaker.claim_probe())

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(claims) == [False] * 7 + [True]


def test_one_of_many_threads_opens_it() -> None:
    breaker = Breaker(lambda: 0.0, failures=5, probe_s=2.0)
    start = threading.Barrier(8)
    opened: list[bool] = []

    def fail() -> None:
        start.wait()
        opened.append(breaker.failed())

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(opened) == [False] * 7 + [True]
