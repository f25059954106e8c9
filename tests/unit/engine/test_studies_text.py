"""What the text about links says, and that it does not show chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.studies_text import describe_studies
from xaisvc.structure.association import study_association
from xaisvc.types.association import Association, Power
from xaisvc.types.table import Table


def _text(association: Association) -> str:
    explainer = Explainer(BUNDLES / "german-credit-boosting", "cpu")
    studies = replace(explainer.studies(), association=association)
    return " ".join(describe_studies([(explainer.bundle.description.outputs[0], studies)]).split())


def _study(columns: np.ndarray) -> Association:
    table = Table({f"x{j}": columns[:, j].copy() for j in range(columns.shape[1])})
    return study_association(table, table.feature_ids, np.random.default_rng(0))


@pytest.mark.parametrize(("n", "f"), [(50, 10), (500, 60)])
def test_joins_by_chance_are_not_shown(n: int, f: int) -> None:
    found = _study(np.random.default_rng(0).standard_normal((n, f)))

    text = _text(found)

    assert 1 - found.merges[0, 2] > (0.3 if n == 50 else 0.1)  # something always joins
    assert "links none found" in text
    assert "nothing joins at 0.2 or more by a link that is no chance" in text


def test_joins_that_hold_a_link_are_shown() -> None:
    columns = np.random.default_rng(0).standard_normal((80, 30))
    columns[:, 4] = columns[:, 7]
    columns[:, 9] = columns[:, 7] + 0.1 * columns[:, 9]

    joins = _text(_study(columns)).split("strength between them")[1].split("rows that mix")[0]

    assert joins.count("+") == 2
    assert "1.00 x4 + x7" in joins
    assert "x9 + (x4, x7)" in joins


@pytest.mark.parametrize(
    ("power", "rows", "words"),
    [
        (Power.REDUCED, 499, "499 rows; fewer than 500: weak links may be missed"),
        (Power.REDUCED, 500, "500 rows; most pairs have fewer than 500: weak links may be missed"),
        (Power.STRONG_ONLY, 500, "500 rows; most pairs have fewer than 150: only strong links are seen"),
        (Power.CANNOT_TELL, 49, "49 rows; fewer than 50: nothing can be told about links"),
        (Power.FULL, 500, "500 rows; correlations from 0.30 on are found"),
    ],
)
def test_rows_without_values_are_told_from_too_few_rows(power: Power, rows: int, words: str) -> None:
    found = _study(np.random.default_rng(0).standard_normal((60, 3)))

    assert words in _text(replace(found, power=power, n_rows=rows, detectable=0.3))


def test_limits_of_what_a_row_may_hold_are_those_that_caveats_go_by() -> None:
    explainer = Explainer(BUNDLES / "german-credit-boosting", "cpu")
    output, studies = explainer.bundle.description.outputs[0], explainer.studies()
    support, units = studies.support, studies.units
    place = support.features.index("amount_dm")
    limits = [support.floors[place], support.ceilings[place], units.floors[place], units.ceilings[place]]
    low, high, below, above = (f"{float(f'{limit:.4g}'):,.6g}" for limit in limits)

    text = " ".join(describe_studies([(output, studies)]).split())
    told = text.split("may hold without a caveat")[1].split("output ")[0]

    assert f"amount_dm from {low} to {high}; another unit is looked for below {below} and above {above} " in told
    assert "savings 5 categories " in told  # no number, so no unit
    assert "all values together all but about 1 in 667 rows of the background's kind" in told


def test_limits_that_cannot_be_told_are_not_made_up() -> None:
    explainer = Explainer(BUNDLES / "german-credit-boosting", "cpu")
    output, studies = explainer.bundle.description.outputs[0], explainer.studies()
    place = studies.support.features.index("amount_dm")
    lows, misses = studies.support.lows.copy(), studies.support.misses.copy()
    lows[place], misses[place] = np.nan, True
    judged = np.zeros_like(studies.units.judged)
    support = replace(studies.support, lows=lows, misses=misses, density=None)
    changed = replace(studies, support=support, units=replace(studies.units, judged=judged))

    told = " ".join(describe_studies([(output, changed)]).split()).split("may hold without a caveat")[1]

    assert "amount_dm cannot tell: no value in the background; or missing " in told
    assert "another unit" not in told
    assert "all values together cannot tell: too few rows, or nothing varies" in told
