"""Values and batches in another unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.caveats.spoken import said
from xaisvc.caveats import batch_changes
from xaisvc.structure.units import study_units
from xaisvc.types import Gate, Players, Severity, Table
from xaisvc.types.units import CONVERSIONS

if TYPE_CHECKING:
    from tests.unit.caveats.conftest import MakeContext

KIND = "unit_change"


def test_a_single_value_may_be_in_another_unit(make_context: MakeContext) -> None:
    (caveat,) = said(make_context(row={"age": 45_000.0}), KIND)

    assert caveat.severity is Severity.CARE
    assert caveat.players == ("age",)
    assert caveat.gates == (Gate.NO_REASONS,)
    assert caveat.evidence == {"value": 45_000.0, "converted": 45.0}
    assert caveat.message == (
        "age is far outside its range and may be in another unit than the background: times a thousand (for example "
        "seconds and milliseconds, euros and thousands of euros); check the input"
    )


def test_each_feature_has_its_own(make_context: MakeContext) -> None:
    groups = Players(names=("numbers", "job"), members=(("age", "income", "debt"), ("job",)), kind="custom")
    found = said(make_context(row={"age": 45_000.0, "debt": 0.045}, players=groups, has_opinion=False), KIND)

    assert [caveat.players for caveat in found] == [("numbers",), ("numbers",)]
    assert [caveat.evidence["converted"] for caveat in found] == pytest.approx([45.0, 45.0])
    assert found[1].message.startswith("debt is far outside its range")


def test_a_value_that_no_conversion_explains_is_left_to_others(make_context: MakeContext) -> None:
    assert said(make_context(row={"age": 1e15}), KIND) == []


@pytest.fixture
def background() -> Table:
    rng = np.random.default_rng(4)
    return Table({"amount": rng.lognormal(4.0, 0.5, 500), "days": rng.lognormal(1.0, 0.4, 500)})


def _batch(**columns: np.ndarray) -> Table:
    return Table(dict(columns))


def test_a_batch_in_another_unit_names_it(background: Table) -> None:
    rng = np.random.default_rng(5)
    batch = _batch(amount=1000 * rng.lognormal(4.0, 0.5, 16), days=rng.lognormal(1.0, 0.4, 16))
    (caveat,) = batch_changes(study_units(background), batch)

    thousandfold = next(one for one in CONVERSIONS if one.factor == 1000.0)
    assert (caveat.kind, caveat.severity, caveat.players) == (KIND, Severity.CARE, ("amount",))
    assert caveat.gates == (Gate.NO_REASONS,)
    assert caveat.message.startswith(
        f"amount is in another unit in this batch than in the background: {thousandfold.name}"
    )
    assert caveat.evidence["factor"] == 1000.0
    assert caveat.evidence["values"] == 16.0
    assert caveat.evidence["ratio"] == pytest.approx(1000.0, rel=0.5)  # a median of 16 lognormal values errs by 16 %


def test_swapped_features_are_said_once(background: Table) -> None:
    rng = np.random.default_rng(6)
    batch = _batch(amount=rng.lognormal(1.0, 0.4, 40), days=rng.lognormal(4.0, 0.5, 40))
    (caveat,) = batch_changes(study_units(background), batch)

    assert caveat.players == ("amount", "days")
    assert caveat.severity is Severity.CARE
    assert caveat.message == "amount and days hold each other's values in this batch"


def test_another_population_is_context(background: Table) -> None:
    rng = np.random.default_rng(7)
    batch = _batch(amount=rng.lognormal(5.2, 0.1, 40), days=rng.lognormal(1.0, 0.4, 40))
    (caveat,) = batch_changes(study_units(background), batch)

    assert (caveat.players, caveat.severity, caveat.gates) == (("amount",), Severity.INFO, ())
    assert caveat.message == (
        "amount is shifted in this batch against the background, and no known change of unit explains it: another "
        "population, or another way of recording"
    )
    assert np.isfinite(list(caveat.evidence.values())).all()


@pytest.mark.parametrize(("count", "factor"), [(15, 1000.0), (40, 1.0)])
def test_few_rows_and_usual_batches_say_nothing(background: Table, count: int, factor: float) -> None:
    rng = np.random.default_rng(8)
    batch = _batch(amount=factor * rng.lognormal(4.0, 0.5, count), days=rng.lognormal(1.0, 0.4, count))

    assert batch_changes(study_units(background), batch) == ()
