"""The order in which the tasks of one lane are taken: no threads, no clock."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.scheduling.doubles import Values, doubled, task
from xaisvc.engine.scheduling.entry import Entry
from xaisvc.engine.scheduling.lane import WaitingLane

Lane = WaitingLane[Values, int]


class Arrivals:
    """Makes entries, numbered in the order of their arrival."""

    def __init__(self) -> None:
        self.made: list[Entry[Values, int]] = []

    def entry(self, caller: str, cost: int = 1, key: object = "key", rows: int = 1) -> Entry[Values, int]:
        made = Entry(
            task(*range(rows), caller=caller, cost=cost, key=key),
            doubled,
            number=len(self.made),
            submitted_at=0.0,
            estimate_s=cost / 8,
        )
        self.made.append(made)
        return made


def callers_of(lane: Lane, max_cost: int) -> list[str]:
    return [piece.entry.task.caller for piece in lane.pick(max_cost)]


tasks = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 30), st.sampled_from([1, 2]), st.integers(1, 6)), max_size=30
)


@given(tasks=tasks, max_cost=st.integers(1, 40), leaves=st.sets(st.integers(0, 29)))
def test_every_row_is_taken_once_in_order_and_within_the_bound(
    tasks: list[tuple[str, int, int, int]], max_cost: int, leaves: set[int]
) -> None:
    lane, arrivals = Lane(), Arrivals()
    for caller, cost, key, rows in tasks:
        lane.add(arrivals.entry(caller, cost, key, rows))
    for place in leaves & set(range(len(tasks))):
        lane.discard(arrivals.made[place])
        lane.discard(arrivals.made[place])  # twice is once
    kept = [entry for place, entry in enumerate(arrivals.made) if place not in leaves]
    taken: dict[Entry[Values, int], list[tuple[int, int]]] = defaultdict(list)
    last: dict[tuple[str, object], int] = {}

    while len(lane):
        assert lane.cost == sum(entry.cost_left for entry in lane)
        assert len(lane) == len(list(lane))
        first = lane.head()
        pieces = lane.pick(max_cost)
        assert pieces[0].entry is first
        assert len({piece.entry.task.key for piece in pieces}) == 1
        assert sum(piece.cost for piece in pieces) <= max_cost or [len(piece) for piece in pieces] == [1]
        assert all(piece.entry.is_cut_up for piece in pieces[1:])
        for piece in pieces:
            taken[piece.entry].append((piece.start, piece.stop))
            line = (piece.entry.task.caller, piece.entry.task.key)
            assert last.get(line, -1) <= piece.entry.number  # a caller's own tasks of a key keep their order
            last[line] = piece.entry.number

    assert set(taken) == set(kept)
    for entry, spans in taken.items():
        assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
        assert spans[-1][1] == len(entry)
    assert (lane.cost, lane.seconds) == (0, 0.0)
    assert not lane._by_key
    assert not lane._key_cost
    assert not lane._stopped_at


@given(
    costs=st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=12), min_size=2, max_size=5),
    max_cost=st.integers(1, 25),
)
def test_callers_with_different_keys_are_never_further_apart_than_a_batch(
    costs: list[list[int]], max_cost: int
) -> None:
    lane, arrivals = Lane(), Arrivals()
    for place, own in enumerate(costs):
        for cost in own:
            lane.add(arrivals.entry(str(place), cost, key=place))
    served = Counter({str(place): 0 for place in range(len(costs))})

    while all(lane.tasks_of(caller) for caller in served):
        for piece in lane.pick(max_cost):
            served[piece.entry.task.caller] += piece.cost
        assert max(served.values()) - min(served.values()) <= max(max_cost, 20)  # 20: one row may cost that much


@given(callers=st.integers(2, 6), each=st.integers(2, 12), max_cost=st.integers(1, 30))
def test_callers_with_the_same_key_share_each_batch(callers: int, each: int, max_cost: int) -> None:
    lane, arrivals = Lane(), Arrivals()
    for caller in range(callers):  # everybody's tasks in one go: the first has a long queue before the second comes
        for _ in range(each):
            lane.add(arrivals.entry(str(caller)))
    served = Counter({str(caller): 0 for caller in range(callers)})

    while len(lane):
        served.update(callers_of(lane, max_cost))
        assert max(served.values()) - min(served.values()) <= 1


def test_a_flood_does_not_hold_up_who_asks_for_little() -> None:
    lane, arrivals = Lane(), Arrivals()
    for _ in range(1000):
        lane.add(arrivals.entry("flood"))
    for _ in range(4):
        lane.add(arrivals.entry("little"))

    assert Counter(callers_of(lane, 8)) == {"flood": 4, "little": 4}


def test_shares_are_of_cost_not_of_tasks() -> None:
    lane, arrivals = Lane(), Arrivals()
    for _ in range(100):
        lane.add(arrivals.entry("large", cost=10, key="large"))
        lane.add(arrivals.entry("small", cost=1, key="small"))
    served: Counter[str] = Counter()
    for _ in range(20):
        for piece in lane.pick(10):
            served[piece.entry.task.caller] += piece.cost

    assert served == {"large": 100, "small": 100}


def test_who_comes_back_after_each_answer_does_not_starve_who_waits() -> None:
    lane, arrivals = Lane(), Arrivals()
    for _ in range(3):
        lane.add(arrivals.entry("patient", cost=10, key="patient"))
    order = []
    for _ in range(25):
        if not lane.tasks_of("eager"):
            lane.add(arrivals.entry("eager", cost=1, key="eager"))
        order += callers_of(lane, 10)

    assert order.count("patient") == 3
    assert order.index("patient") <= 1
    assert order[:13].count("patient") == 2  # after ten units for eager it is the other's turn again


def test_being_away_earns_nothing() -> None:
    lane, arrivals = Lane(), Arrivals()
    for _ in range(100):
        lane.add(arrivals.entry("steady"))
    for _ in range(50):
        lane.pick(1)
    for _ in range(50):
        lane.add(arrivals.entry("guest"))
    order = [callers_of(lane, 1)[0] for _ in range(20)]

    assert order.count("guest") in {10, 11}  # every other turn, no debt for the fifty turns before


def test_idle_callers_are_forgotten() -> None:
    lane, arrivals = Lane(), Arrivals()
    for place in range(1000):
        lane.add(arrivals.entry("steady", key="steady"))
        lane.add(arrivals.entry("steady", key="steady"))
        lane.add(arrivals.entry(f"guest {place}", key=place))
        lane.pick(1)
        lane.pick(1)

    assert len(lane._stopped_at) < 200


def test_a_task_is_cut_into_costs_that_add_up() -> None:
    lane, arrivals = Lane(), Arrivals()
    lane.add(arrivals.entry("a", cost=100, rows=7))
    pieces = [piece for _ in range(4) for piece in lane.pick(30)]

    assert [(piece.start, piece.stop) for piece in pieces] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    assert sum(piece.cost for piece in pieces) == 100
    assert [piece.rows() for piece in pieces] == [[0, 1], [2, 3], [4, 5], [6]]
