"""One Redis, or the servers of a Redis Cluster: every command goes to the server that holds its key."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xaisvc.cache.redis_command import SLOTS, Command, Loss, Refusal, slot
from xaisvc.cache.redis_link import Link, make_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.cache.redis_address import RedisAddress
    from xaisvc.cache.redis_command import Reply

_LEARN_S = 1.0
"""Shortest time between two readings of a cluster's layout."""

_PATIENT_TIMEOUTS = 4
"""Timeouts that connecting and writing may take where nobody waits for it."""

_MAX_SERVERS = 1000
_LAYOUT_BYTES = 2**20

_WHO_HOLDS_WHAT = Command(b"", (b"CLUSTER", b"SLOTS"))


class RedisServers:
    """Begins with one server. Where that says that a key is held elsewhere, the cluster's layout is read from it.

    A key that is asked of the wrong server is a miss, not a second try: the next call asks the right one. The layout is
    read behind the caller's back, and again when a server moves keys or goes away. No command has several keys.
    """

    def __init__(self, address: RedisAddress, *, timeout_s: float, clock: Callable[[], float]) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._links = {(address.host, address.port): self._link(address)}
        self._seed = next(iter(self._links.values()))
        self._holders: tuple[Link | None, ...] = ()  # of each slot; empty while one server is all we know
        self._learning = False
        self._learn_at = clock()
        self._closed = False

    def ask(self, commands: Sequence[Command], size_bytes: int, *, patient: bool = False) -> list[Reply]:
        """Sends each command to the server that holds its key; all replies share one deadline.

        Args:
            commands: In the order of the replies.
            size_bytes: Bound on all values in the replies of one server.
            patient: Whether it may take longer, as no request waits for it.

        Returns:
            A reply for each command.
        """
        deadline = self._clock() + self._timeout_s * (_PATIENT_TIMEOUTS if patient else 1)
        holders = self._holders
        if not holders:
            replies = self._seed.ask(commands, deadline, size_bytes)
        else:
            replies = [Loss("no server holds this slot")] * len(commands)
            for link, places in self._by_link(commands, holders).items():
                for place, reply in zip(
                    places, link.ask([commands[i] for i in places], deadline, size_bytes), strict=True
                ):
                    replies[place] = reply
        if any(_shows_a_change(reply, clustered=bool(holders)) for reply in replies):
            self._learn()
        return replies

    def ask_all(self, command: Command) -> list[Reply]:
        """The replies of all servers that are known to hold keys; they have as long for it as a request gives them.

        Connecting before that may take longer, as no request waits for it.
        """
        links = list(dict.fromkeys(link for link in self._holders if link is not None)) or [self._seed]
        replies = []
        for link in links:
            link.make_ready(self._clock() + self._timeout_s * _PATIENT_TIMEOUTS)
            replies += link.ask([command], self._clock() + self._timeout_s, 0)
        return replies

    def learn(self) -> bool:
        """Reads the layout of the cluster from the first server that tells it; False if none does."""
        with self._lock:
            links = list(self._links.items())
        for (host, _), link in links:
            deadline = self._clock() + self._timeout_s * _PATIENT_TIMEOUTS
            reply = link.ask([_WHO_HOLDS_WHAT], deadline, _LAYOUT_BYTES)[0]
            layout = _read_layout(reply, host)
            if layout is not None:
                self._settle(layout)
                return True
        return False

    def close(self) -> None:
        """Closes all connections."""
        with self._lock:
            self._closed = True
            links = [*self._links.values(), self._seed]
        for link in links:
            link.close()

    @property
    def clustered(self) -> bool:
        """Whether several servers are known to share the keys."""
        return bool(self._holders)

    def _by_link(self, commands: Sequence[Command], holders: Sequence[Link | None]) -> dict[Link, list[int]]:
        places: dict[Link, list[int]] = {}
        for place, command in enumerate(commands):
            link = holders[slot(command.key)]
            if link is not None:
                places.setdefault(link, []).append(place)
        return places

    def _learn(self) -> None:
        """Reads the layout on a thread of its own, unless that is being done or was done just now."""
        with self._lock:
            if self._learning or self._closed or self._clock() < self._learn_at:
                return
            self._learning = True
        threading.Thread(target=self._run_learning, name="xaisvc-cache-layout", daemon=True).start()

    def _run_learning(self) -> None:
        try:
            self.learn()
        finally:
            with self._lock:
                self._learning = False
                self._learn_at = self._clock() + _LEARN_S

    def _settle(self, layout: Sequence[tuple[int, int, str, int]]) -> None:
        """Takes over a layout; connections to servers that have left are closed."""
        with self._lock:
            if self._closed:
                return
            links: dict[tuple[str, int], Link] = {}
            holders: list[Link | None] = [None] * SLOTS
            for first, last, host, port in layout:
                place = (host, port)
                if place not in links:
                    links[place] = self._links.get(place) or self._link(
                        replace(self._address, host=host, port=port, socket="")
                    )
                holders[first : last + 1] = [links[place]] * (last + 1 - first)
            left = [link for place, link in self._links.items() if place not in links and link is not self._seed]
            self._links = links
            self._holders = tuple(holders)
        for link in left:
            link.close()

    def _link(self, address: RedisAddress) -> Link:
        return Link(lambda: make_connection(address, timeout_s=self._timeout_s, clock=self._clock), self._clock)


def _shows_a_change(reply: Reply, *, clustered: bool) -> bool:
    if isinstance(reply, Refusal):
        return reply.elsewhere or (clustered and reply.code == "CLUSTERDOWN")
    return clustered and isinstance(reply, Loss)


def _read_layout(reply: Reply, asked_host: str) -> list[tuple[int, int, str, int]] | None:
    """First slot, last slot, host and port of each range in a reply to CLUSTER SLOTS; None if it is none."""
    layout = []
    ranges: Any = reply  # may be anything: what does not fit raises
    try:
        for first, last, (host, port, *_), *_ in ranges:
            name = host.decode("ascii") if host else asked_host  # an empty name: the server that was asked
            if not 0 <= first <= last < SLOTS or not 0 < port < 2**16 or not name:
                return None
            layout.append((first, last, name, port))
    except (TypeError, ValueError, AttributeError):
        return None
    return layout if 0 < len({place[2:] for place in layout}) <= _MAX_SERVERS else None
