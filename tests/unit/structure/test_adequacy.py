from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from xaisvc.errors import InvalidInputError
from xaisvc.structure.adequacy import study_adequacy
from xaisvc.types import Table
from xaisvc.types.support import Enough

TODAY = date(2026, 6, 30)


def _table(n: int) -> Table:
    return Table({"x": np.arange(float(n))})


@pytest.mark.parametrize(("rows", "enough"), [(99, Enough.TOO_FEW), (100, Enough.REDUCED), (500, Enough.ENOUGH)])
def test_rows_are_counted(rows: int, enough: Enough) -> None:
    assert study_adequacy(_table(rows), today=TODAY).enough is enough


@pytest.mark.parametrize(("as_of", "stale"), [(date(2025, 6, 30), False), (date(2025, 6, 29), True)])
def test_a_background_ages(as_of: date, stale: bool) -> None:  # noqa: FBT001 - what is expected
    found = study_adequacy(_table(200), today=TODAY, as_of=as_of)

    assert (found.as_of, found.stale) == (as_of.isoformat(), stale)
    assert found.age_days == (TODAY - as_of).days


def test_an_unknown_day_is_no_verdict() -> None:
    found = study_adequacy(_table(200), today=TODAY)

    assert (found.as_of, found.age_days, found.stale) == ("", None, None)


def test_copies_of_rows_are_one_draw() -> None:
    outputs = np.random.default_rng(0).standard_normal(150)
    plain = study_adequacy(_table(150), today=TODAY, outputs=outputs)
    twice = Table({"x": np.repeat(np.arange(150.0), 2)})
    copied = study_adequacy(twice, today=TODAY, outputs=np.repeat(outputs, 2))

    assert plain.effective_rows == pytest.approx(150)
    assert plain.base_error == pytest.approx(outputs.std() / np.sqrt(150))
    assert copied.distinct_rows == 150
    assert copied.effective_rows == pytest.approx(150)
    assert copied.base_error == pytest.approx(plain.base_error)


def test_one_row_that_stands_out_carries_the_spread() -> None:
    outputs = np.zeros(200)
    outputs[7] = 1.0

    assert study_adequacy(_table(200), today=TODAY, outputs=outputs).carrying_rows == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("outputs", [np.full(200, 0.3), np.full(200, np.nan)], ids=["equal", "missing"])
def test_outputs_that_say_nothing_give_no_figure(outputs: np.ndarray) -> None:
    found = study_adequacy(_table(200), today=TODAY, outputs=outputs)

    assert np.isnan(found.effective_rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": np.zeros(3)}, "3 outputs for 200 background rows"),
        ({"as_of": date(2026, 7, 1)}, "dated 2026-07-01, which is after 2026-06-30"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        study_adequacy(_table(200), today=TODAY, **changes)  # type: ignore[arg-type]
