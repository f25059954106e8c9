from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.cohorts.worlds import columns, question
from xaisvc.cohorts.drivers import find_drivers, make_groups, ratio, watched_share


def test_shares_are_those_of_the_closed_form() -> None:
    own = columns(500)
    found = find_drivers(own, question())
    assert found is not None

    used = np.abs(own.values[own.levels < 2])
    whole = used.sum()
    expected = {
        "loan": used[:, :2].sum() / whole,
        "wealth": used[:, 2].sum() / whole,
        "region": used[:, 3].sum() / whole,
        "age": used[:, 4].sum() / whole,
    }
    actual = dict(zip((group.concept for group in found.groups), found.shares.tolist(), strict=True))
    assert actual == pytest.approx(expected, rel=1e-12)  # sums in another order
    assert sum(actual.values()) == pytest.approx(1, abs=1e-12)


def test_against_counts_what_is_towards_the_adverse_side() -> None:
    own = columns(200, values=np.tile([3.0, -1.0, -2.0, 1.0, 0.0], (200, 1)))

    higher = find_drivers(own, question())
    lower = find_drivers(own, replace(question(), adverse_sign=-1))
    assert higher is not None
    assert lower is not None
    assert higher.against.tolist() == [0.75, 0.0, 1.0]  # loan, wealth, region; age has no influence and is no driver
    assert lower.against.tolist() == [0.25, 1.0, 0.0]
    assert [driver.concept for driver in higher.drivers()] == ["loan", "wealth", "region"]
    assert [driver.share.percent for driver in higher.drivers()] == [57, 29, 14]


def test_intervals_hold_as_often_as_they_say() -> None:
    # True shares are (4 + 1, 2, 1, 0.5) / 8.5, as the attributions' mean absolute values are 4, 1, 2, 1 and 0.5.
    true = np.array([5, 2, 1, 0.5]) / 8.5
    held = np.zeros(4)
    for seed in range(400):
        found = find_drivers(columns(120, seed, levels=np.zeros(120, dtype=np.int8)), question())
        assert found is not None
        held += np.abs(found.shares - true) <= 1.98 * found.errors  # t with 119 degrees of freedom, 95 %
    assert (held / 400 >= 0.92).all()  # 95 % with a standard error of 1.1 %
    assert (held / 400 <= 0.98).all()


def test_ratio_against_the_bootstrap() -> None:
    rng = np.random.default_rng(5)
    wholes = rng.gamma(4, size=300)
    parts = wholes * rng.beta(2, 5, 300)

    r, error = ratio(parts, wholes)
    picks = rng.integers(0, 300, (4000, 300))
    drawn = parts[picks].sum(axis=1) / wholes[picks].sum(axis=1)
    assert r == pytest.approx(parts.sum() / wholes.sum(), rel=1e-12)
    assert error == pytest.approx(
        drawn.std(), rel=0.06
    )  # 4000 draws tell a spread to 1.1 %; linearisation adds a little


def test_one_person_s_influence_is_never_a_driver() -> None:
    values = np.ones((100, 5))
    values[:, 4] = 0
    values[17, 4] = 60.0
    found = find_drivers(columns(100, values=values, levels=np.zeros(100, dtype=np.int8)), question())
    assert found is not None

    # Age is one person's; it stands with at least two others, and holds at most 60 % of them.
    together = found.groups[-1]
    assert together.concept == ""
    assert "age" in together.features
    assert len(together.features) >= 3
    influence = np.abs(values[:, list(together.players)])
    assert influence.sum(axis=1).max() / influence.sum() <= 0.5


def test_nothing_is_told_where_one_person_is_most_of_everything() -> None:
    values = np.ones((100, 5))
    values[3] = 500
    own = columns(100, values=values, levels=np.zeros(100, dtype=np.int8))

    assert find_drivers(own, question()) is None
    assert watched_share(own, question()) is None


def test_unreliable_explanations_are_left_out() -> None:
    levels = np.zeros(100, dtype=np.int8)
    levels[:50] = 2
    values = np.ones((100, 5))
    values[:50, 0] = 1e6
    found = find_drivers(columns(100, values=values, levels=levels), question())
    assert found is not None

    assert found.n == 50
    assert found.shares.tolist() == [0.4, 0.2, 0.2, 0.2]
    levels[:81] = 2
    assert find_drivers(columns(100, values=values, levels=levels), question()) is None


def test_players_of_several_concepts_stand_alone() -> None:
    mixed = replace(question(), names=("mixed", "age"), players=(("amount", "savings"), ("age",)))

    assert [(group.concept, group.features) for group in make_groups(mixed)] == [
        ("mixed", ("amount", "savings")),
        ("age", ("age",)),
    ]


def test_protected_facts_are_told_as_an_alarm() -> None:
    own = columns(200, values=np.tile([3.0, 1.0, 2.0, 2.0, 0.0], (200, 1)))

    found = watched_share(own, question())
    assert found is not None
    assert found[0] == ("region",)
    assert found[1].percent == 25
