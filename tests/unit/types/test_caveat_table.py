"""Caveats of many rows side by side."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.types import Caveat, CaveatForm, CaveatTable, Finding, Gate, RobustNumber, Severity, caveat_figures

PLAIN = Caveat(kind="a", severity=Severity.INFO, message="plain")
SUM = Caveat(
    kind="b",
    severity=Severity.CARE,
    players=("x", "y"),
    message="read the sum",
    evidence={"second": 2.0, "first": 1.0},
    robust=RobustNumber(players=("x", "y"), value=3.0, low=-1.0, high=4.0),
    gates=(Gate.NO_RANKING,),
    model_rows=7,
)
WORST = Caveat(kind="c", severity=Severity.UNRELIABLE, evidence={"gap": 0.5})
numbers = st.floats(allow_nan=False)


@st.composite
def rows_of_caveats(draw: st.DrawFn) -> list[tuple[Caveat, ...]]:
    def own() -> Caveat:
        one = draw(st.sampled_from([PLAIN, SUM, WORST]))
        evidence = {name: draw(numbers) for name in one.evidence}
        robust = None if one.robust is None else replace(one.robust, value=draw(numbers), low=draw(numbers))
        return replace(one, evidence=evidence, robust=robust)

    return [tuple(own() for _ in range(draw(st.integers(0, 3)))) for _ in range(draw(st.integers(0, 5)))]


def finding(caveat: Caveat, *rows: int) -> Finding:
    figures = np.array([caveat_figures(caveat)] * len(rows))
    return Finding(CaveatForm.of(caveat), np.array(rows, dtype=np.intp), figures)


def test_a_form_and_its_figures_are_the_caveat() -> None:
    form = CaveatForm.of(SUM)

    assert form.evidence == ("first", "second")
    assert caveat_figures(SUM) == [1.0, 2.0, 3.0, -1.0, 4.0]
    assert form.n_figures == 5
    assert form.caveat(caveat_figures(SUM)) == SUM


def test_the_most_severe_of_a_row_comes_first_and_then_what_was_found_first() -> None:
    other = replace(PLAIN, kind="later")
    found = CaveatTable.joined([finding(PLAIN, 0, 2, 3), finding(SUM, 2), finding(other, 2, 3), finding(WORST, 2)], 5)

    assert list(found) == [(PLAIN,), (), (WORST, SUM, PLAIN, other), (PLAIN, other), ()]
    assert list(CaveatTable.joined([finding(PLAIN, 0), finding(other, 0), finding(WORST, 0)], 1)) == [
        (WORST, PLAIN, other)
    ]


def test_every_row_keeps_its_own_figures() -> None:
    figures = np.array([[1.0], [2.0], [3.0]])
    form = CaveatForm.of(WORST)
    found = CaveatTable.joined([finding(PLAIN, 1), Finding(form, np.array([0, 1, 3]), figures)], 4)

    assert [[one.evidence.get("gap") for one in row] for row in found] == [[1.0], [2.0, None], [], [3.0]]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_rows_without_caveats(n: int) -> None:
    assert list(CaveatTable.none(n)) == list(CaveatTable.joined([], n)) == list(CaveatTable.of([()] * n)) == [()] * n
    assert list(CaveatTable.joined([finding(PLAIN)], n)) == [()] * n


@given(rows_of_caveats())
def test_rows_come_back(rows: list[tuple[Caveat, ...]]) -> None:
    table = CaveatTable.of(rows)

    assert list(table) == rows
    assert table[1:3] == tuple(rows[1:3])


@given(rows_of_caveats(), st.data())
def test_some_rows_are_those_rows(rows: list[tuple[Caveat, ...]], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(range(len(rows))), max_size=6)) if rows else []
    found = CaveatTable.of(rows).take(np.array(wanted, dtype=np.intp))

    assert list(found) == [rows[i] for i in wanted]


@given(st.lists(rows_of_caveats(), min_size=1, max_size=4))
def test_tables_follow_each_other(parts: list[list[tuple[Caveat, ...]]]) -> None:
    found = CaveatTable.concat([CaveatTable.of(part) for part in parts])

    assert list(found) == [row for part in parts for row in part]
    assert len(set(found.forms)) == len(found.forms)


def test_it_is_a_sequence() -> None:
    table = CaveatTable.of([(PLAIN,), (), (SUM,)])

    assert table[-1] == (SUM,)
    assert list(islice(reversed(table), 1)) == [(SUM,)]
    with pytest.raises(IndexError):
        _ = table[3]
