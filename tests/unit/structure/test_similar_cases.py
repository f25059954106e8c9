"""The nearest closed cases of either outcome, against a search that is plain to read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.errors import InvalidInputError, InvalidRequestError
from xaisvc.structure import similar_cases
from xaisvc.structure.similar_cases import CaseIndex
from xaisvc.types import BundleDescription, Feature, Kind, Output, Table, TensorColumn
from xaisvc.types.outcomes import ClosedCases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.outcomes import Neighbours

KINDS = {
    "amount": Kind.NUMERIC,
    "count": Kind.INTEGER,
    "new": Kind.BOOLEAN,
    "place": Kind.CATEGORY,
    "since": Kind.DATE,
}
DESCRIPTION = BundleDescription(
    name="cards",
    version="1",
    owner="Tests",
    purpose="Tests",
    out_of_scope="Everything else",
    features=tuple(
        Feature(
            id=name,
            kind=kind,
            source=TensorColumn(tensor=name),
            categories=("home", "away", "far") if kind is Kind.CATEGORY else (),
            allow_missing=True,
        )
        for name, kind in KINDS.items()
    ),
    outputs=(Output(id="risk", tensor="p"),),
)


def some_rows(n: int, seed: int, *, spread: float = 1.0) -> Table:
    """Rows of every kind with ties, long tails and missing values."""
    rng = np.random.default_rng(seed)
    columns = {
        "amount": np.round(np.exp(spread * rng.normal(3, 1.5, n)), 2),
        "count": rng.integers(0, 4, n).astype(np.float64),
        "new": rng.integers(0, 2, n).astype(np.float64),
        "place": rng.choice(["home", "away", "far"], n).astype(object),
        "since": rng.integers(18_000, 20_000, n).astype(np.float64),
    }
    for name, values in columns.items():
        values[rng.random(n) < 0.1] = None if name == "place" else np.nan
    return Table(columns)


def some_cases(n: int, seed: int = 0) -> ClosedCases:
    rng = np.random.default_rng(seed + 100)
    confirmed = rng.random(n) < 0.4
    confirmed[:2] = True, False
    return ClosedCases(
        rows=some_rows(n, seed),
        confirmed=confirmed,
        closed=rng.integers(20_000, 20_005, n),
        references=("",) * n,
        findings=("",) * n,
        digest="",
    )


def plain_part(name: str, value: object, other: object, known: list[object]) -> float:
    """What one feature adds, value by value."""

    def absent(one: object) -> bool:
        return one is None or one != one  # noqa: PLR0124 - only a NaN differs from itself

    def rank(one: object) -> float:
        present = [case for case in known if not absent(case)]
        below = sum(case < one for case in present)
        same = sum(case == one for case in present)
        return (below + same / 2) / len(present)

    if absent(value) or absent(other):
        return float(absent(value) != absent(other))
    if KINDS[name] in {Kind.CATEGORY, Kind.BOOLEAN}:
        return float(value != other)
    return abs(rank(value) - rank(other))


def plain_search(
    cases: ClosedCases, rows: Table, weights: NDArray[np.float64], k: int, *, confirmed: bool
) -> tuple[list[list[int]], list[list[float]]]:
    places, distances = [], []
    for i in range(len(rows)):
        found = []
        for j in range(len(cases)):
            if cases.confirmed[j] != confirmed:
                continue
            total = 0.0
            for f, name in enumerate(KINDS):
                known = cases.rows.columns[name].tolist()
                part = plain_part(name, rows.columns[name].tolist()[i], known[j], known)
                total += weights[i, f] / weights[i].sum() * part
            found.append((round(total, 12), -int(cases.closed[j]), j, total))
        found.sort()
        places.append([entry[2] for entry in found[:k]])
        distances.append([entry[3] for entry in found[:k]])
    return places, distances


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("confirmed", [False, True])
def test_the_search_finds_what_a_plain_one_finds(*, weighted: bool, confirmed: bool) -> None:
    cases, rows = some_cases(60), some_rows(12, 7, spread=1.5)
    weights = np.random.default_rng(3).exponential(size=(12, 5)) if weighted else None
    places, distances = plain_search(
        cases, rows, np.ones((12, 5)) if weights is None else weights, 4, confirmed=confirmed
    )
    answer = CaseIndex(DESCRIPTION, cases).nearest(rows, k=4, weights=weights)
    found = answer.confirmed if confirmed else answer.cleared

    assert found.places.tolist() == places
    # sums of five products of numbers below 1, in another order of dividing
    np.testing.assert_allclose(found.distances, distances, rtol=0, atol=1e-12)


def test_the_oracle_sees_another_order_of_cases() -> None:
    cases, rows = some_cases(60), some_rows(12, 7)
    far = CaseIndex(DESCRIPTION, cases).nearest(rows, k=20).confirmed.places[:, ::-1].tolist()

    assert far != plain_search(cases, rows, np.ones((12, 5)), 20, confirmed=True)[0]


def test_parts_and_weights_make_up_the_distance() -> None:
    rows = some_rows(9, 5)
    weights = np.random.default_rng(1).exponential(size=(9, 5))
    answer = CaseIndex(DESCRIPTION, some_cases(50)).nearest(rows, weights=weights)

    np.testing.assert_allclose(answer.weights.sum(axis=1), 1.0, rtol=1e-15, atol=0)  # five numbers are summed
    for found in (answer.confirmed, answer.cleared):
        assert found.parts.shape == (9, 3, 5)
        total = np.einsum("nkp,np->nk", found.parts, answer.weights)
        np.testing.assert_allclose(found.distances, total, rtol=0, atol=1e-15)  # the same sum in another order


def test_a_case_is_nearest_to_itself() -> None:
    cases = some_cases(80)
    answer = CaseIndex(DESCRIPTION, cases).nearest(cases.rows, k=1)
    own = np.where(cases.confirmed, answer.confirmed.distances[:, 0], answer.cleared.distances[:, 0])

    assert own.tolist() == [0.0] * 80
    assert not answer.remote.any()


def test_every_neighbour_has_the_outcome_it_stands_for() -> None:
    cases = some_cases(40)
    answer = CaseIndex(DESCRIPTION, cases).nearest(some_rows(20, 9), k=5)

    assert cases.confirmed[answer.confirmed.places].all()
    assert not cases.confirmed[answer.cleared.places].any()


def test_an_answer_depends_on_no_other_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, cases = some_rows(30, 4), some_cases(70)
    whole = CaseIndex(DESCRIPTION, cases).nearest(rows)
    monkeypatch.setattr(similar_cases, "_DISTANCES_AT_ONCE", 100)  # one row at a time
    single = CaseIndex(DESCRIPTION, cases)

    def same(left: Neighbours, right: Neighbours) -> bool:
        return all(
            np.array_equal(getattr(left, name), getattr(right, name)) for name in ("places", "distances", "parts")
        )

    assert same(whole.confirmed, single.nearest(rows).confirmed)
    alone = [single.nearest(rows.take([i])).cleared for i in range(30)]
    assert np.array_equal(whole.cleared.places, np.concatenate([one.places for one in alone]))
    assert np.array_equal(whole.cleared.distances, np.concatenate([one.distances for one in alone]))


def test_of_equal_cases_the_newest_comes_first() -> None:
    one = some_rows(1, 2)
    cases = ClosedCases(
        rows=one.take([0, 0, 0, 0]),
        confirmed=np.array([True, True, True, False]),
        closed=np.array([10, 30, 30, 20]),
        references=("",) * 4,
        findings=("",) * 4,
        digest="",
    )

    assert CaseIndex(DESCRIPTION, cases).nearest(one).confirmed.places.tolist() == [[1, 2, 0]]


def test_fewer_cases_than_asked_for_are_all_found() -> None:
    cases = some_cases(12)
    found = CaseIndex(DESCRIPTION, cases).nearest(some_rows(2, 3), k=50)

    assert found.confirmed.places.shape == (2, int(cases.confirmed.sum()))
    assert found.cleared.places.shape == (2, int((~cases.confirmed).sum()))


def test_no_unit_decides() -> None:
    cases, rows = some_cases(60), some_rows(10, 6)

    def in_cents(table: Table) -> Table:
        return Table({**table.columns, "amount": table.columns["amount"] * 100})

    plain = CaseIndex(DESCRIPTION, cases).nearest(rows)
    cents = CaseIndex(DESCRIPTION, replace(cases, rows=in_cents(cases.rows))).nearest(in_cents(rows))

    assert np.array_equal(plain.confirmed.places, cents.confirmed.places)
    assert np.array_equal(plain.cleared.distances, cents.cleared.distances)


def test_only_what_has_weight_counts() -> None:
    cases, rows = some_cases(60), some_rows(10, 6)
    weights = np.zeros((10, 5))
    weights[:, 3] = 7.0
    found = CaseIndex(DESCRIPTION, cases).nearest(rows, weights=weights).confirmed

    assert (found.distances == 0.0).all()
    for i in range(10):
        assert {cases.rows.columns["place"][j] for j in found.places[i]} == {rows.columns["place"][i]}


@pytest.mark.parametrize("size", [0.0, 1e308, 1e-320])
def test_rows_without_usable_sizes_count_all_features_alike(size: float) -> None:
    index, rows = CaseIndex(DESCRIPTION, some_cases(60)), some_rows(10, 6)
    plain, even = index.nearest(rows), index.nearest(rows, weights=np.full((10, 5), size))

    assert np.array_equal(plain.confirmed.places, even.confirmed.places)
    assert np.array_equal(plain.weights, even.weights)


def test_a_row_unlike_every_case_is_remote_whatever_the_weights() -> None:
    n = 200
    rng = np.random.default_rng(5)
    near_home = Table(
        {
            "amount": rng.uniform(10, 20, n),
            "count": np.ones(n),
            "new": np.zeros(n),
            "place": np.full(n, "home", dtype=object),
            "since": np.full(n, 19_000.0),
        }
    )
    cases = replace(some_cases(n), rows=near_home)
    strange = Table(
        {
            "amount": np.array([15.0, 15.0]),
            "count": np.array([9.0, 1.0]),
            "new": np.array([1.0, 0.0]),
            "place": np.array(["far", "home"], dtype=object),
            "since": np.array([20_000.0, 19_000.0]),
        }
    )
    weights = np.tile([1.0, 0, 0, 0, 0], (2, 1))

    assert CaseIndex(DESCRIPTION, cases).nearest(strange).remote.tolist() == [True, False]
    assert CaseIndex(DESCRIPTION, cases).nearest(strange, weights=weights).remote.tolist() == [True, False]


def test_one_case_in_twenty_is_as_far_from_the_others_as_a_remote_row() -> None:
    cases = some_cases(100)
    index = CaseIndex(DESCRIPTION, cases)
    apart = []
    for i in range(100):
        others = [j for j in range(100) if j != i]
        part = CaseIndex.__new__(CaseIndex)
        part.__dict__.update(index.__dict__)
        part._places = {
            outcome: np.array([j for j in index._places[outcome] if j in others], dtype=np.intp)
            for outcome in (True, False)
        }
        found = part.nearest(cases.rows.take([i]), k=1)
        apart.append(bool(found.remote[0]))

    assert sum(apart) <= 5
    assert sum(apart) >= 3


@pytest.mark.parametrize("k", [0, 51, -1])
def test_a_number_of_cases_out_of_bounds_is_refused(k: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"k: must be 1 to 50 cases of each outcome, but is {k}"):
        CaseIndex(DESCRIPTION, some_cases(10)).nearest(some_rows(1, 1), k=k)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((2, 4)), "weights of shape"),
        (np.full((2, 5), -1.0), "a weight is negative or not finite"),
        (np.full((2, 5), np.nan), "a weight is negative or not finite"),
        (np.full((2, 5), np.inf), "a weight is negative or not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: NDArray[np.float64], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CaseIndex(DESCRIPTION, some_cases(10)).nearest(some_rows(2, 1), weights=weights)
