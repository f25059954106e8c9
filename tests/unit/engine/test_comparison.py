"""Several methods asked about the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.errors import InvalidRequestError
from xaisvc.types import Severity


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLES / "german-credit-boosting", "cpu")


def test_each_method_answers_as_it_does_alone(explainer: Explainer) -> None:
    rows = explainer.bundle.background.take(slice(0, 5))
    found = explainer.explain_methods(rows, ["tree", "lime"], seed=3)

    assert list(found) == ["tree", "lime"]
    for method, batch in found.items():
        alone = explainer.explain_table(rows, method=method, seed=3)
        assert np.array_equal(batch.values, alone.values)
        for row in range(5):
            without = tuple(caveat for caveat in batch.caveats[row] if caveat.kind != "method_disagreement")
            assert without == alone.caveats[row]


def test_both_are_told_where_they_disagree(explainer: Explainer) -> None:
    found = explainer.explain_methods(explainer.bundle.background.take(slice(0, 20)))
    told = {
        method: [[caveat for caveat in own if caveat.kind == "method_disagreement"] for own in batch.caveats]
        for method, batch in found.items()
    }

    assert told["auto"] == told["lime"]
    spoken = [caveat for own in told["lime"] for caveat in own]
    assert spoken
    for caveat in spoken:
        assert caveat.message.startswith("tree and lime ")
        assert "does not add up" in caveat.message or "do not add up" in caveat.message
    for own in found["lime"].caveats:
        order = [[Severity.UNRELIABLE, Severity.CARE, Severity.INFO].index(caveat.severity) for caveat in own]
        assert order == sorted(order)


def test_a_method_agrees_with_itself(explainer: Explainer) -> None:
    found = explainer.explain_methods(explainer.bundle.background.take(slice(0, 20)), ["auto", "tree"])

    assert all(caveat.kind != "method_disagreement" for own in found["tree"].caveats for caveat in own)
    assert len(found["tree"].caveats[:3]) == 3


@pytest.mark.parametrize("methods", [[], ["tree"], ["tree", "tree"], "tree"])
def test_what_cannot_be_compared_is_refused(explainer: Explainer, methods: list[str]) -> None:
    with pytest.raises(InvalidRequestError, match="methods: name two methods or more to compare, each once"):
        explainer.explain_methods(explainer.bundle.background.take(slice(0, 1)), methods)
