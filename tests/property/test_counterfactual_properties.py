"""What must hold of every offer, whatever the model, the list and the effort."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.counterfactuals.worlds import described, feature, find, rows
from xaisvc.counterfactuals import Effort, Found
from xaisvc.types import Change, Direction, Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, Table

TEXTS = ("u", "v", "w", "x")
NUMBERS = st.integers(-6, 6)


@dataclass(frozen=True)
class World:
    """Three features that may change, one that may not, and a wavy model of all four.

    Attributes:
        directions: Direction of the two numbers.
        bounds: Smallest and largest value of each.
        step: Step of the first.
        targets: Categories that may be offered.
        seed: Of the model.
    """

    directions: tuple[Direction, Direction]
    bounds: tuple[tuple[int, int], tuple[int, int]]
    step: float
    targets: tuple[str, ...]
    seed: int

    @property
    def description(self) -> BundleDescription:
        (low, high), (other_low, other_high) = self.bounds
        return described(
            feature("a", change=Change(direction=self.directions[0], minimum=low, maximum=high, step=self.step)),
            feature("fixed"),
            feature("n", Kind.INTEGER, Change(direction=self.directions[1], minimum=other_low, maximum=other_high)),
            feature("c", Kind.CATEGORY, Change(to=self.targets), categories=TEXTS),
        )

    def model(self, columns: Mapping[str, Any]) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        waves, texts = rng.normal(size=(4, 6)), dict(zip(TEXTS, rng.normal(size=4), strict=True))
        inputs = [columns["a"], columns["fixed"], columns["n"], np.array([texts[text] for text in columns["c"]], float)]
        total = sum(np.outer(column, weights) for column, weights in zip(inputs, waves, strict=True))
        return 0.5 + 0.2 * np.sin(total).sum(axis=1)

    def allowed(self, name: str, own: Any) -> list[Any]:
        """Values other than a row's own, by the words of the declaration."""
        if name == "c":
            return [text for text in self.targets if text != own]
        place = 0 if name == "a" else 1
        low, high = self.bounds[place]
        step = self.step if name == "a" else 1.0
        values = [k * step for k in range(-100, 101) if low <= k * step <= high]
        up, down = (self.directions[place] is not way for way in (Direction.DECREASE, Direction.INCREASE))
        return [value for value in values if (up and value > own) or (down and value < own)]


bounds = st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair)))
worlds = st.builds(
    World,
    directions=st.tuples(st.sampled_from(Direction), st.sampled_from(Direction)),
    bounds=st.tuples(bounds, bounds),
    step=st.sampled_from([1.0, 0.5, 0.25]),
    targets=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True).map(tuple),
    seed=st.integers(0, 100_000),
)
efforts = st.sampled_from([None, Effort(single=5, pair=12, pairs=30, floor=6)])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    count = draw(st.integers(1, 4))
    numbers = st.lists(st.integers(-32, 32).map(lambda k: k / 4), min_size=count, max_size=count)
    texts = draw(st.lists(st.sampled_from(TEXTS), min_size=count, max_size=count))
    return rows(a=draw(numbers), fixed=draw(numbers), n=[float(round(v)) for v in draw(numbers)], c=texts)


def _search(world: World, table: Table, **more: Any) -> Found:
    background = rows(a=[-2.0, 0.0, 2.0], fixed=[0.0, 1.0, 2.0], n=[-3.0, 0.0, 3.0], c=["u", "v", "w"])
    return find(world.description, table, world.model, background=background, **more)


def _offered(world: World, row: Mapping[str, Any], alternative: Any) -> list[dict[str, Any]]:
    """Every combination of declared values that lies in what is offered."""
    lists = []
    for change in alternative.changes:
        values = world.allowed(change.feature, row[change.feature])
        if change.targets:
            assert set(change.targets) <= set(values)
            lists.append([(change.feature, target) for target in change.targets])
        else:
            low, high = change.region
            inside = [value for value in values if low <= value <= high]
            assert len(inside) == change.values
            assert change.nearest in inside
            assert change.farthest in inside
            lists.append([(change.feature, value) for value in inside])
    return [dict(one) for one in product(*lists)]


def _answers(world: World, row: Mapping[str, Any], changes: list[dict[str, Any]]) -> np.ndarray:
    columns = {name: [{**row, **one}[name] for one in changes] for name in row}
    return world.model(rows(**columns).columns)


@settings(max_examples=60, deadline=None)
@given(worlds, tables(), efforts)
def test_all_that_is_offered_is_declared_and_changes_the_decision(
    world: World, table: Table, effort: Effort | None
) -> None:
    found = _search(world, table, effort=effort)
    for i, row in enumerate(found.rows):
        own = table.row(i)
        for one in row.candidates:
            assert 1 <= len(one.features) <= 2
            assert "fixed" not in one.features
            asked = _offered(world, own, one)
            reached = _answers(world, own, asked) < 0.5
            if one.complete:
                assert reached.all()
                assert one.scored == len(asked)
            nearest = {c.feature: c.targets or (c.nearest,) for c in one.changes}
            ends = [dict(zip(nearest, values, strict=True)) for values in product(*nearest.values())]
            assert (_answers(world, own, ends) < 0.5).all()
            assert reached.sum() >= one.scored
        if effort is None:
            assert row.complete


@settings(max_examples=40, deadline=None)
@given(worlds, tables())
def test_nothing_is_found_only_where_there_is_nothing(world: World, table: Table) -> None:
    found = _search(world, table)
    assume(any(row.adverse for row in found.rows))
    for i, row in enumerate(found.rows):
        if not row.adverse:
            continue
        own = table.row(i)
        lists = {name: world.allowed(name, own[name]) for name in ("a", "n", "c")}
        singles = [{name: value} for name, values in lists.items() for value in values]
        pairs = [
            {one: u, other: v}
            for one, other in (("a", "n"), ("a", "c"), ("n", "c"))
            for u, v in product(lists[one], lists[other])
        ]
        enough = [bool((_answers(world, own, some) < 0.5).any()) if some else False for some in (singles, pairs)]
        if not singles:
            assert row.outcome is Outcome.NOTHING_TO_TRY
        else:
            assert row.outcome is (Outcome.FOUND if any(enough) else Outcome.NONE_FOUND)
        assert any(len(one.features) == 1 for one in row.candidates) == enough[0]


@settings(max_examples=30, deadline=None)
@given(worlds, tables(), efforts)
def test_a_rows_answer_does_not_depend_on_its_company(world: World, table: Table, effort: Effort | None) -> None:
    together = _search(world, table, effort=effort)

    assert _search(world, table, effort=effort) == together
    assert _search(world, table.take(slice(None, None, -1)), effort=effort).rows == together.rows[::-1]
    alone = [_search(world, table.take([i]), effort=effort) for i in range(len(table))]
    assert tuple(one.rows[0] for one in alone) == together.rows
    assert sum(one.model_rows for one in alone) == together.model_rows


@settings(max_examples=30, deadline=None)
@given(worlds, tables(), st.sets(st.sampled_from(["a", "n", "c"])))
def test_what_is_shown_is_what_a_search_without_the_rest_finds(world: World, table: Table, features: set[str]) -> None:
    whole, part = _search(world, table), _search(world, table, features=features)

    assert tuple(row.shown(features) for row in whole.rows) == part.rows
