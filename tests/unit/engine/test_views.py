"""Which audiences have views of a bundle's cases, and which codes feedback on them can give."""

from __future__ import annotations

import pytest

from xaisvc.engine.commands import ServiceLimits
from xaisvc.engine.views import Views
from xaisvc.types import LOCAL, BundleDescription, Caller, Feature, Kind, Output, Sensitivity, TensorColumn
from xaisvc.views.sections.client import DecisionCapture

EVERYBODY = ("business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager")


@pytest.fixture(scope="module")
def views() -> Views:
    return Views(None, ServiceLimits())


def bundle(*, audiences: tuple[str, ...] = (), sensitivity: Sensitivity = Sensitivity.PUBLIC) -> BundleDescription:
    feature = Feature(id="a", kind=Kind.NUMERIC, source=TensorColumn(tensor="a"), sensitivity=sensitivity)
    output = Output(id="o", tensor="o")
    return BundleDescription(
        name="b",
        version="1",
        owner="o",
        purpose="p",
        out_of_scope="n",
        features=(feature,),
        outputs=(output,),
        audiences=audiences,
    )


def test_a_bundle_has_the_audiences_that_its_decisions_concern(views: Views) -> None:
    branch = Caller(id="branch", audiences=frozenset({"customer", "relationship_manager"}))

    assert views.of_bundle(bundle(), LOCAL) == EVERYBODY
    assert views.of_bundle(bundle(audiences=("fraud_analyst", "customer")), LOCAL) == ("customer", "fraud_analyst")
    assert views.of_bundle(bundle(audiences=("fraud_analyst", "customer")), branch) == ("customer",)


def test_an_audience_that_a_class_closes_the_view_of_is_not_among_them(views: Views) -> None:
    found = views.of_bundle(bundle(sensitivity=Sensitivity.AML), LOCAL)

    assert found == ("business_manager", "data_scientist", "fraud_analyst")


def test_codes_are_those_of_the_audiences_that_read_the_case(views: Views) -> None:
    analysts = views.audiences()["fraud_analyst"].reason_codes
    managers = views.audiences()["relationship_manager"].reason_codes

    assert analysts
    assert managers
    assert views.reason_codes(bundle(), LOCAL, ["fraud_analyst"]) == analysts
    assert views.reason_codes(bundle(), LOCAL, ["customer"]) == analysts + managers  # who declare none
    assert views.reason_codes(bundle(audiences=("customer", "fraud_analyst")), LOCAL, []) == analysts
    assert views.reason_codes(None, LOCAL, []) == analysts + managers  # no longer served
    assert views.reason_codes(bundle(), Caller(id="x", audiences=frozenset({"customer"})), ["fraud_analyst"]) == ()


def test_a_bank_lists_codes_of_its_own() -> None:
    section = DecisionCapture(codes=("MOVED_ABROAD",))

    assert section.own_messages() == {"code.MOVED_ABROAD": ()}
    with pytest.raises(ValueError, match="'moved abroad' is no code; use capitals, digits and '_'"):
        DecisionCapture(codes=("moved abroad",))
