from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from xaisvc.engine.quality.assembly import _agreement, _contests
from xaisvc.engine.quality.methods import METHODS_BY_NAME

PEER = METHODS_BY_NAME["shap_kernel"]
AUTO = METHODS_BY_NAME["auto"]
SHOP = cast("Any", SimpleNamespace(seed=0))


def point(budget: int, evaluations: float, square: float) -> dict[str, Any]:
    return {"budget": budget, "evaluations_per_row": evaluations, "squares": [square] * 4}


def steps(own: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "errors auto": {"points": own},
        "errors shap_kernel": {"points": theirs},
        "reference": {"squares": [1.0] * 4},
    }


def test_ours_never_takes_more_model_rows_than_the_peer() -> None:
    own = [point(64, 6501, 0.04), point(128, 12901, 0.01), point(256, 25701, 0.0001)]
    found = _contests((AUTO, PEER), steps(own, [point(128, 12807, 0.09), point(256, 20000, 0.09)]), SHOP)

    # 12,901 is within 2 % of 12,807; 25,701 is more than 20,000
    assert [(one.budget, one.own_evaluations) for one in found] == [(128, 12901), (256, 12901)]
    # roots of 0.09 and of 0.01, the same for every row
    assert [round(one.advantage.value, 6) for one in found] == [0.2, 0.2]
    assert found[0].advantage.low > 0


def test_a_peer_that_takes_less_than_our_least_is_left_alone() -> None:
    assert _contests((AUTO, PEER), steps([point(64, 6501, 0.04)], [point(64, 6000, 0.09)]), SHOP) == ()
    assert _contests((AUTO,), steps([point(64, 6501, 0.04)], []), SHOP) == ()


def test_agreement_is_of_methods_that_were_measured() -> None:
    values = np.arange(12.0).reshape(2, 6)
    measured = {"outcome": "measured", "values": values.tolist()}
    found = _agreement((AUTO, PEER), {"method auto": measured, "method shap_kernel": measured})

    assert found is not None
    assert found.methods == ("auto", "shap_kernel")
    assert np.allclose(np.array(found.rank, dtype=np.float64), 1.0)  # rounding of a correlation
    assert _agreement((AUTO, PEER), {"method auto": measured, "method shap_kernel": {"outcome": "refused"}}) is None
