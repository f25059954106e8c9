"""What several callers want at the same time is computed by one of them, once."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from xaisvc.engine.scheduling.faults import as_exception, concerns_all, is_personal
from xaisvc.engine.scheduling.waiting import wait_limit
from xaisvc.errors import AbandonedError, TooLateError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from typing import Self

    from xaisvc.types import Interest

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class Flights(Generic[Key, Value]):
    """Single flight per key in one process. Safe to use from several threads.

    Of all who want a key at the same time one leads: computes the value and lands it for the others. A leader who
    leaves, is late or fails for reasons of their own hands the key over to somebody who waits for it, so nobody ever
    inherits a stranger's cancellation. Nobody waits longer than their own interest lasts.

    Args:
        clock: Monotonic, in seconds; the scale of `Interest.until`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._board: _Board[Key, Value] = _Board(clock)

    def __len__(self) -> int:
        """Number of keys that somebody is computing."""
        return len(self._board.flights)

    def share(
        self, keys: Iterable[Key], interest: Interest, compute: Callable[[tuple[Key, ...]], Mapping[Key, Value]]
    ) -> dict[Key, Value]:
        """The value of every key, computed by this caller or by another who is at it already.

        Args:
            keys: What is wanted; may repeat.
            interest: Whether the caller still waits, and until when.
            compute: Gives the values of the keys that fall to this caller, all of them. Called again where others
                leave. It should look into the cache first: somebody may have landed the keys a moment ago.

        Raises:
            AbandonedError: If the caller left while others were computing.
            TooLateError: If the deadline passed while others were computing.
            KeyError: If `compute` left out one of its keys.
            Exception: Whatever `compute` raised, or an error of another's computation that would meet this caller too.
        """
        with self.join(keys, interest) as trip:
            while lead := trip.next_lead():
                try:
                    found = compute(lead)
                    trip.land({key: found[key] for key in lead})
                except BaseException as error:
                    trip.fail(lead, error)
                    raise
            return trip.values

    def lead(self, key: Key, interest: Interest) -> Trip[Key, Value] | None:
        """Leads the flight of this key if nobody else does; None if somebody is at it already. Waits for nothing.

        The trip must be left, whatever comes of the key.
        """
        trip = Trip(self._board, interest)
        with self._board.lock:
            if key in self._board.flights:
                return None
            self._board.flights[key] = None
            trip.leads.add(key)
        return trip

    def join(self, keys: Iterable[Key], interest: Interest) -> Trip[Key, Value]:
        """Joins the flights of these keys, and leads those that nobody leads yet."""
        trip = Trip(self._board, interest)
        wanted: dict[Key, _Followers[Key, Value] | None] = dict.fromkeys(keys)
        with self._board.lock:
            flights = self._board.flights
            for key in flights.keys() & wanted.keys():
                followers = flights[key]
                if followers is None:
                    followers = flights[key] = {}
                followers[trip] = None
                trip.awaits.add(key)
                del wanted[key]
            # The usual case, all at once: nobody else wants any of a request's rows.
            flights.update(wanted)
            trip.leads.update(wanted)
            trip.fresh.extend(wanted)
        if trip.awaits:
            try:
                interest.when_gone(_Waker(trip))
            except BaseException:
                trip.leave()
                raise
        return trip


class Trip(Generic[Key, Value]):
    """One caller's way to the values of some keys. A context: leaving it hands over whatever was not landed.

    Compute what `next_lead` names and land it, until it names nothing; then all is in `values`.

    Attributes:
        values: What is known so far: the caller's own values, and those that others landed.
        leads: Keys that are this caller's to compute.
        awaits: Keys that others are computing.
        fresh: Those among `leads` that `next_lead` has not named yet.
        error: An error of another's computation that meets this caller too.
        is_waiting: Whether the caller is free to take over a key at once.
    """

    def __init__(self, board: _Board[Key, Value], interest: Interest) -> None:
        self._board = board
        self.interest = interest
        self.changed = threading.Condition(board.lock)
        self.values: dict[Key, Value] = {}
        self.leads: set[Key] = set()
        self.awaits: set[Key] = set()
        self.fresh: list[Key] = []
        self.error: Exception | None = None
        self.is_waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def next_lead(self) -> tuple[Key, ...]:
        """Keys to compute now; empty once every key has its value. Waits where others are computing.

        Raises:
            AbandonedError: If the caller left.
            TooLateError: If the deadline passed.
            Exception: An error of another's computation that meets this caller too.
        """
        with self._board.lock:
            while not self.fresh:
                if self.error is not None:
                    raise self.error
                if not self.awaits:
                    return ()
                if self.interest.gone:
                    raise AbandonedError("the caller left before the answer was ready")
                left_s = self.interest.until - self._board.clock()
                if left_s <= 0:
                    raise TooLateError("the deadline passed before the answer was ready")
                self.is_waiting = True
                try:
                    self.changed.wait(wait_limit(left_s))
                finally:
                    self.is_waiting = False
            lead = tuple(self.fresh)
            self.fresh.clear()
            return lead

    def land(self, values: Mapping[Key, Value]) -> None:
        """Gives values to everybody who waits for them. Keys that are not this caller's are ignored."""
        with self._board.lock:
            landed = values if self.leads >= values.keys() else {key: values[key] for key in self.leads & values.keys()}
            self.values.update(landed)
            self.leads.difference_update(landed)
            for key, followers in zip(landed, map(self._board.flights.pop, landed), strict=True):
                for follower in followers or ():
                    follower.awaits.discard(key)
                    follower.values[key] = values[key]
                    follower.changed.notify()

    def fail(self, keys: Iterable[Key], error: BaseException) -> None:
        """Says that the computation of these keys failed.

        Followers fail alike only where the error must be about them too: it concerns all rows, or there was only one
        key to be at fault, and it is not personal. Otherwise one of them takes over.
        """
        with self._board.lock:
            failed = [key for key in keys if key in self.leads]
            meets_all = not is_personal(error) and (concerns_all(error) or len(failed) == 1)
            for key in failed:
                if not meets_all:
                    self._hand_over(key)
                    continue
                self.leads.discard(key)
                for follower in self._board.flights.pop(key) or ():
                    follower.awaits.discard(key)
                    follower.error = as_exception(error)
                    follower.changed.notify()

    def leave(self) -> None:
        """Ends the trip: what it leads is handed over, what it awaits goes on without it."""
        with self._board.lock:
            for key in self.awaits:
                followers = self._board.flights.get(key)
                if followers is not None:
                    followers.pop(self, None)
            self.awaits.clear()
            self.fresh.clear()
            for key in list(self.leads):
                self._hand_over(key)

    def _hand_over(self, key: Key) -> None:
        """Makes a follower the leader: one with nothing else to do before the others, in the order of arrival."""
        self.leads.discard(key)
        followers = self._board.flights[key] or {}
        able = [trip for trip in followers if not trip.interest.gone and trip.error is None]
        heir = next((trip for trip in able if trip.is_waiting), able[0] if able else None)
        if heir is None:
            del self._board.flights[key]
            return
        del followers[heir]
        heir.awaits.discard(key)
        heir.leads.add(key)
        heir.fresh.append(key)
        heir.changed.notify()


_Followers: TypeAlias = dict[Trip[Key, Value], None]
"""Who waits for a key that somebody else is computing, in the order of their arrival."""


class _Board(Generic[Key, Value]):
    """What all trips share: each key that somebody is computing, and who waits for it; None for nobody so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.flights: dict[Key, _Followers[Key, Value] | None] = {}


class _Waker(Generic[Key, Value]):
    """Wakes a trip whose caller has left, and keeps nothing of it alive: an interest may outlive many trips."""

    __slots__ = ("_trip",)

    def __init__(self, trip: Trip[Key, Value]) -> None:
        self._trip = weakref.ref(trip)

    def __call__(self) -> None:
        trip = self._trip()
        if trip is not None:
            with trip.changed:
                trip.changed.notify()
