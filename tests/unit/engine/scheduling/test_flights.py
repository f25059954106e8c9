"""Single flight: who leads, who follows, and who takes over."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.engine.scheduling.doubles import SOON_S, Clock
from xaisvc.engine.scheduling import Flights
from xaisvc.errors import AbandonedError, BundleError, BusyError, TooLateError
from xaisvc.types import Interest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.engine.scheduling import Trip


class Caller:
    """A caller in a thread of their own, whose computation stands still until it is let go."""

    def __init__(self, flights: Flights[str, str], name: str, keys: str) -> None:
        self.name = name
        self.interest = Interest()
        self.computed: list[tuple[str, ...]] = []
        self.values: dict[str, str] | None = None
        self.error: BaseException | None = None
        self._flights = flights
        self._keys = keys
        self._raises: BaseException | None = None
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._ask)

    def start(self) -> Caller:
        self._thread.start()
        return self

    def start_following(self) -> Caller:
        """Starts, and returns once the caller waits for others."""
        waits = threading.Event()
        listen = self.interest.when_gone

        def tell(listener: Callable[[], None]) -> None:
            listen(listener)
            waits.set()

        self.interest = _Told(tell)
        self._thread.start()
        assert waits.wait(SOON_S)
        return self

    def wait_begun(self) -> Caller:
        assert self._begun.acquire(timeout=SOON_S)
        return self

    def let_end(self, raises: BaseException | None = None) -> Caller:
        self._raises = raises
        self._may_end.release()
        return self

    def join(self) -> Caller:
        self._thread.join(SOON_S)
        assert not self._thread.is_alive()
        return self

    def _ask(self) -> None:
        try:
            self.values = self._flights.share(self._keys, self.interest, self._compute)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def _compute(self, keys: tuple[str, ...]) -> Mapping[str, str]:
        self.computed.append(keys)
        self._begun.release()
        assert self._may_end.acquire(timeout=SOON_S)
        if self._raises is not None:
            raise self._raises
        return {key: f"{key} by {self.name}" for key in keys}


class _Told(Interest):
    """An interest that tells when somebody listens to it."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self._tell = tell

    def when_gone(self, listener: Callable[[], None]) -> None:
        super().when_gone(listener)
        self._tell(lambda: None)


def test_one_computes_for_all() -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "kk").start().wait_begun()
    followers = [Caller(flights, str(place), "k").start_following() for place in range(8)]
    leader.let_end().join()

    assert all(caller.join().values == {"k": "k by leader"} for caller in [leader, *followers])
    assert leader.computed == [("k",)]
    assert not any(caller.computed for caller in followers)
    assert len(flights) == 0


def test_each_computes_what_nobody_is_at() -> None:
    flights: Flights[str, str] = Flights()
    first = Caller(flights, "first", "ab").start().wait_begun()
    second = Caller(flights, "second", "bc").start().wait_begun()
    second.let_end()
    first.let_end()

    assert second.join().values == {"c": "c by second", "b": "b by first"}
    assert first.join().values == {"a": "a by first", "b": "b by first"}


def test_the_next_one_computes_again() -> None:
    flights: Flights[str, str] = Flights()

    assert Caller(flights, "first", "k").start().let_end().join().values == {"k": "k by first"}
    assert Caller(flights, "second", "k").start().let_end().join().values == {"k": "k by second"}


PERSONAL = [AbandonedError("left"), TooLateError("late"), BusyError("busy", 1.0), SystemExit(1)]


@pytest.mark.parametrize("reason", PERSONAL)
def test_a_follower_takes_over_where_the_leader_fails_for_its_own_reasons(reason: BaseException) -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "k").start().wait_begun()
    heir = Caller(flights, "heir", "k").start_following()
    other = Caller(flights, "other", "k").start_following()
    heir.let_end()
    other.let_end()  # whichever of them it is, may compute at once
    leader.let_end(reason).join()

    assert leader.error is reason
    assert heir.join().values == other.join().values
    assert heir.computed + other.computed == [("k",)]
    assert heir.values == {"k": f"k by {'heir' if heir.computed else 'other'}"}
    assert len(flights) == 0


def test_all_keys_are_taken_over_at_once() -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "abc").start().wait_begun()
    heir = Caller(flights, "heir", "cab").start_following()
    leader.let_end(AbandonedError("left")).join()
    heir.wait_begun().let_end().join()

    assert [sorted(keys) for keys in heir.computed] == [["a", "b", "c"]]


def test_whoever_left_does_not_take_over() -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "k").start().wait_begun()
    left = Caller(flights, "left", "k").start_following()
    heir = Caller(flights, "heir", "k").start_following()
    left.interest.leave()
    assert isinstance(left.join().error, AbandonedError)  # at once: the leader still computes
    leader.let_end(AbandonedError("left")).join()
    heir.wait_begun().let_end()

    assert heir.join().values == {"k": "k by heir"}
    assert not left.computed


def test_whoever_is_about_to_leave_or_fail_does_not_take_over() -> None:
    flights: Flights[str, str] = Flights(Clock())
    leader, other = flights.join("k", Interest()), flights.join("x", Interest())
    leaving, failing, heir = (flights.join("kx"[: 1 + (place == 1)], Interest()) for place in range(3))
    leaving.interest.leave()
    other.fail(other.next_lead(), BundleError("the model is gone"))
    leader.leave()

    assert heir.next_lead() == ("k",)
    with pytest.raises(AbandonedError, match="left"):
        leaving.next_lead()
    with pytest.raises(BundleError, match="gone"):
        failing.next_lead()
    for trip in (leaving, failing, heir):
        trip.leave()
    assert len(flights) == 0


def test_an_error_of_the_only_key_meets_all_and_is_not_computed_again() -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "k").start().wait_begun()
    follower = Caller(flights, "follower", "k").start_following()
    bad = ArithmeticError("not finite")
    leader.let_end(bad).join()

    assert follower.join().error is bad
    assert not follower.computed
    assert len(flights) == 0


def test_an_error_among_several_keys_may_be_anothers_so_the_follower_tries() -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "kx").start().wait_begun()
    follower = Caller(flights, "follower", "k").start_following()
    leader.let_end(ArithmeticError("x is not finite")).join()
    follower.wait_begun().let_end()

    assert follower.join().values == {"k": "k by follower"}


def test_an_error_that_concerns_all_meets_all() -> None:
    flights: Flights[str, str] = Flights()
    leader = Caller(flights, "leader", "kx").start().wait_begun()
    follower = Caller(flights, "follower", "k").start_following()
    leader.let_end(BundleError("the model is gone")).join()

    assert isinstance(follower.join().error, BundleError)


def test_a_value_left_out_is_an_error_and_the_key_is_handed_over() -> None:
    flights: Flights[str, str] = Flights()

    with pytest.raises(KeyError):
        flights.share("ab", Interest(), lambda keys: {keys[0]: "x"})
    assert len(flights) == 0


def test_nobody_waits_past_their_deadline() -> None:
    clock = Clock()
    flights: Flights[str, str] = Flights(clock)
    with flights.join("k", Interest()) as leader:
        assert leader.next_lead() == ("k",)
        with flights.join("k", Interest(clock.now)) as late, pytest.raises(TooLateError, match="deadline"):
            late.next_lead()
        leader.land({"k": "v", "stranger": "x"})
        assert leader.next_lead() == ()
        assert leader.values == {"k": "v"}
    assert len(flights) == 0


def test_a_deadline_ends_a_wait_without_anybodys_help() -> None:
    """By the real clock: the only wait here that time itself ends."""
    flights: Flights[str, str] = Flights()
    clock = flights._board.clock
    with (
        flights.join("k", Interest()),
        flights.join("k", Interest(clock() + 0.01)) as follower,
        pytest.raises(TooLateError, match="deadline"),
    ):
        follower.next_lead()


def test_an_interest_that_cannot_be_listened_to_leaves_nothing_behind() -> None:
    def tell(_: Callable[[], None]) -> None:
        raise OSError

    flights: Flights[str, str] = Flights()
    with flights.join("k", Interest()):
        with pytest.raises(OSError):  # noqa: PT011 - it has no message
            flights.join("kl", _Told(tell))
        assert len(flights) == 1
    assert len(flights) == 0


def test_keys_of_others_cannot_be_landed() -> None:
    flights: Flights[str, str] = Flights()
    with flights.join("ab", Interest()) as mine, flights.join("bc", Interest()) as theirs:
        theirs.land({"a": "lie", "b": "lie", "c": "C"})
        assert mine.values == {}
        assert theirs.values == {"c": "C"}
        assert theirs.awaits == {"b"}
        mine.land({"a": "A", "b": "B"})
        assert theirs.values == {"b": "B", "c": "C"}
    assert len(flights) == 0


class Squares:
    """Computes squares and notices if two compute the same at once."""

    def __init__(self) -> None:
        self.twice = 0
        self._at_it: set[int] = set()
        self._lock = threading.Lock()

    def __call__(self, keys: tuple[int, ...], interest: Interest) -> dict[int, int]:
        with self._lock:
            self.twice += len(self._at_it.intersection(keys))
            self._at_it.update(keys)
        try:
            if interest.gone:
                raise AbandonedError("left")
            return {key: key * key for key in keys}
        finally:
            with self._lock:
                self._at_it.difference_update(keys)


def test_many_callers_with_departures_all_get_their_values() -> None:
    """Real races: 12 threads over 5 keys, every third caller leaves; the others lose nothing."""
    flights: Flights[int, int] = Flights()
    squares = Squares()

    def ask(place: int) -> bool:
        interest, keys = Interest(), {place % 5, place * 3 % 7 % 5}
        if place % 3 == 0:
            interest.leave()
        try:
            found = flights.share(keys, interest, lambda mine: squares(mine, interest))
        except AbandonedError:
            return interest.gone
        return found == {key: key * key for key in keys}

    with ThreadPoolExecutor(12) as callers:
        assert all(callers.map(ask, range(960), timeout=SOON_S))
    assert squares.twice == 0
    assert len(flights) == 0


class FlightsMachine(RuleBasedStateMachine):
    """Trips of many callers, step by step in one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.flights: Flights[str, str] = Flights(Clock())
        self.trips: list[tuple[Trip[str, str], set[str]]] = []

    def _some(self, data: st.DataObject) -> Trip[str, str]:
        return data.draw(st.sampled_from(self.trips))[0]

    @rule(keys=st.sets(st.sampled_from("abcd"), min_size=1))
    def join(self, keys: set[str]) -> None:
        self.trips.append((self.flights.join(sorted(keys), Interest()), keys))

    @precondition(lambda self: self.trips)
    @rule(data=st.data(), count=st.integers(1, 4))
    def land(self, data: st.DataObject, count: int) -> None:
        trip = self._some(data)
        lead = trip.next_lead() if trip.fresh else tuple(trip.leads)
        trip.land({key: key * 2 for key in sorted(lead)[:count]})

    @precondition(lambda self: self.trips)
    @rule(data=st.data(), error=st.sampled_from([ValueError("x"), TooLateError("x"), BundleError("x")]))
    def fail(self, data: st.DataObject, error: Exception) -> None:
        trip = self._some(data)
        trip.fail(tuple(trip.leads), error)
        trip.leave()

    @precondition(lambda self: self.trips)
    @rule(data=st.data())
    def depart(self, data: st.DataObject) -> None:
        trip = self._some(data)
        trip.interest.leave()
        trip.leave()
        self.trips = [pair for pair in self.trips if pair[0] is not trip]

    @invariant()
    def every_key_in_flight_has_one_leader(self) -> None:
        leads = sorted(key for trip, _ in self.trips for key in trip.leads)
        assert leads == sorted(self.flights._board.flights)

    @invariant()
    def whoever_awaits_a_key_will_hear_of_it(self) -> None:
        for trip, _ in self.trips:
            for key in trip.awaits if trip.error is None else ():  # with an error the caller waits for nothing more
                assert trip in (self.flights._board.flights[key] or ())
            assert not trip.awaits & trip.leads
            assert set(trip.fresh) <= trip.leads

    @invariant()
    def whoever_has_nothing_open_and_no_error_has_every_value(self) -> None:
        for trip, keys in self.trips:
            assert all(value == key * 2 for key, value in trip.values.items())
            assert set(trip.values) | trip.awaits | trip.leads <= keys

    def teardown(self) -> None:
        for trip, _ in self.trips:
            trip.leave()
        assert len(self.flights) == 0


FlightsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestFlights = FlightsMachine.TestCase


def test_a_key_that_nobody_is_at_can_be_led_without_waiting() -> None:
    flights: Flights[str, str] = Flights()
    trip = flights.lead("a", Interest())

    assert trip is not None
    assert flights.lead("a", Interest()) is None
    other = flights.lead("b", Interest())
    assert other is not None
    other.leave()
    assert len(flights) == 1
    with flights.join("a", Interest()) as follower:
        trip.land({"a": "A"})
        assert follower.values == {"a": "A"}
    trip.leave()
    assert not len(flights)
