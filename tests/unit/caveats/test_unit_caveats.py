"""Values and batches in another unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.caveats.spoken import said
from xaisvc.caveats import batch_changes
from xaisvc.caveats.unit_change import likelihoods, possible_conversions
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
    # What else fits lies near the ends of the range: weight times density of all that is 2 % of the whole.
    assert caveat.evidence == {"value": 45_000.0, "converted": 45.0, "likelihood": pytest.approx(0.977, abs=0.001)}
    assert caveat.message == (
        "age is far outside its range and may be in another unit than the background: times a thousand (for example "
        "seconds and milliseconds, euros and thousands of euros); check the input"
    )


def test_a_single_value_that_several_units_explain_lists_them(make_context: MakeContext) -> None:
    # 12,000 is 12 thousandfold, 33 in days for years, 120 a hundredfold: the range ends at 100.
    (caveat,) = said(make_context(row={"age": 12_000.0}), KIND)

    assert caveat.players == ("age",)
    assert caveat.message.startswith(
        "age is far outside its range and may be in another unit than the background; one value does not tell which, "
        "the likeliest first: times "
    )
    assert "times a thousand (" in caveat.message
    assert "times 365 (years and days)" in caveat.message
    assert caveat.message.count(";") <= 4  # three names at the most
    assert 1 / 3 < caveat.evidence["likelihood"] < 20 / 21


def test_a_batch_that_many_units_explain_names_the_likeliest_three() -> None:
    # Values around 0 are only spread out: so few rows leave every wider unit possible.
    rng = np.random.default_rng(0)
    background = Table({"balance": rng.normal(size=600)})
    (caveat,) = batch_changes(study_units(background), Table({"balance": 3.0 * background.columns["balance"][:20]}))

    assert caveat.message.startswith("balance is in another unit in this batch than in the background: times ")
    assert caveat.message.endswith(", or another")
    assert caveat.message.count(", or ") == 3


def test_a_second_of_a_duration_is_not_named_with_false_precision() -> None:
    rng = np.random.default_rng(0)
    background = Table({"duration_s": np.round(np.exp(rng.normal(7, 0.6, 500)), 1)})
    units, possible = study_units(background), possible_conversions(None)
    value = np.array([477.0])

    for slip, meant in ((1000.0, 1000.0), (1 / 60, 1 / 60)):
        (shares,) = likelihoods(units, 0, slip * value, possible)
        first, second, third = np.argsort(-shares)[:3]

        assert shares[first] < 20 * shares[second]  # no name by itself
        assert meant in {CONVERSIONS[place].factor for place in (first, second, third)}


@pytest.mark.parametrize(
    ("unit", "named"),
    [
        (None, ()),
        ("years", ()),
        ("degrees of an angle", ()),
        ("thousands (k)", ()),
        ("degrees Celsius", ("degrees Celsius to Fahrenheit", "degrees Celsius to kelvins")),
        ("°F", ("degrees Fahrenheit to Celsius",)),
        ("K", ("kelvins to degrees Celsius",)),
    ],
)
def test_temperatures_are_named_only_of_temperatures(unit: str | None, named: tuple[str, ...]) -> None:
    possible = possible_conversions(unit)

    assert tuple(one.name for one, is_it in zip(CONVERSIONS, possible, strict=True) if is_it and one.offset) == named
    assert possible[[one.offset == 0 for one in CONVERSIONS]].all()


def test_an_age_below_zero_is_no_temperature(make_context: MakeContext) -> None:
    # Fahrenheit to Celsius undone, -1 is 30.2, which no unit of an age can mean.
    context = make_context(row={"age": -1.0})

    assert (context.units.row_conversions[0] >= 0).any()
    assert said(context, KIND) == []


def test_likelihoods_add_up_and_leave_out_what_does_not_fit() -> None:
    rng = np.random.default_rng(3)
    units = study_units(Table({"amount": rng.lognormal(4.0, 0.5, 500)}))

    shares = likelihoods(units, 0, np.array([6e4, 1e30]), possible_conversions(None))

    np.testing.assert_allclose(shares.sum(axis=1), [1.0, 0.0])
    assert (shares >= 0).all()


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
