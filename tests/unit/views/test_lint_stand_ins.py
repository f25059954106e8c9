"""A visible feature that nearly is a withheld one is found, audience by audience."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.views.cases import make_description
from xaisvc.types.association import Association, Power
from xaisvc.views.lint_stand_ins import MOST_ASSOCIATED, lint_stand_ins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience

PAIR = ("existing_credits", "age_years")


def _association(strength: float, *, linked: bool = True) -> Association:
    features = make_description().feature_ids
    effect, links = np.eye(len(features)), np.eye(len(features), dtype=bool)
    i, j = (features.index(name) for name in PAIR)
    effect[i, j] = effect[j, i] = strength
    links[i, j] = links[j, i] = linked
    return Association(
        features=features,
        effect=effect,
        p_value=np.zeros_like(effect),
        linked=links,
        by_missingness=np.zeros_like(links),
        redundancies=(),
        clusters=(),
        merges=np.zeros((len(features) - 1, 4)),
        between=0.0,
        n_rows=700,
        n_complete=700,
        power=Power.FULL,
        detectable=0.1,
    )


@pytest.mark.parametrize(
    ("strength", "linked", "found"),
    [(0.95, True, True), (MOST_ASSOCIATED, True, False), (0.95, False, False), (0.0, True, False)],
)
def test_a_stand_in_is_found_for_those_who_may_not_see_the_other(
    audiences: Mapping[str, Audience], strength: float, *, linked: bool, found: bool
) -> None:
    association = _association(strength, linked=linked)
    told = [one.what for one in lint_stand_ins(make_description(), association, audiences.values())]

    assert sorted(what.split("'")[1] for what in told) == (
        ["customer", "fraud_analyst", "relationship_manager"] if found else []
    )
    for what in told:
        assert "sees 'existing_credits', which stands in for the withheld 'age_years' (association 0.95)" in what


def test_an_audience_that_a_bundle_has_no_views_for_sees_nothing(audiences: Mapping[str, Audience]) -> None:
    description = replace(make_description(), audiences=("data_scientist",))

    assert list(lint_stand_ins(description, _association(0.95), audiences.values())) == []
