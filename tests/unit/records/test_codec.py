from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.errors import StoreError
from xaisvc.records import decode_description, decode_record, encode_description, encode_record
from xaisvc.types import (
    Adverse,
    Band,
    BundleDescription,
    Caveat,
    Change,
    Concept,
    Digests,
    ExplainedOutput,
    ExplanationRecord,
    Feature,
    Gate,
    Kind,
    Output,
    PlayerValue,
    Portfolio,
    RecordedAttribution,
    RobustNumber,
    Sensitivity,
    Severity,
    Space,
    TensorColumn,
)

RECORD = ExplanationRecord(
    id="r1",
    created_at="2026-03-01T12:00:00.250Z",
    bundle="loans",
    bundle_version="1.0.0",
    digests=Digests(model="aa", background="bb", schema="cc"),
    device="cpu",
    answer_version=1,
    row={"purpose": "café", "age": 41.0, "savings": None, "code": "3"},
    output=ExplainedOutput(id="default", prediction=0.1 + 0.2, prediction_space=Space.PROBABILITY, adverse=True),
    attribution=RecordedAttribution(
        method="kernel",
        exact=False,
        value_function="interventional",
        space=Space.LOG_ODDS,
        base_value=-0.0,
        output=5e-324,
        players_kind="features",
        players=(PlayerValue(player="age", features=("age",), value=1 / 3, standard_error=1e-17),),
        model_evaluations=2048,
        seed=-(2**63),
        budget="2048 coalitions",
        diagnostics={"fidelity": 0.9},
    ),
    caveats=(
        Caveat(kind="near_threshold", severity=Severity.CARE, evidence={"distance": 0.01}),
        Caveat(
            kind="shared_credit",
            severity=Severity.CARE,
            players=("age", "savings"),
            robust=RobustNumber(players=("age", "savings"), value=1 / 3, low=0.3, high=0.4),
            gates=(Gate.NO_RANKING, Gate.NOT_A_REASON),
            model_rows=3,
        ),
    ),
    portfolio=Portfolio(rows=100, mean_prediction=0.3, adverse_share=0.2, rank_share=0.5),
)
DESCRIPTION = BundleDescription(
    name="loans",
    version="1.0.0",
    owner="Credit",
    purpose="Decides",
    out_of_scope="Nothing else",
    features=(
        Feature(
            id="purpose",
            kind=Kind.CATEGORY,
            source=TensorColumn(tensor="purpose"),
            categories=("car", "boat"),
            category_labels={"en": {"car": "Car"}},
            sensitivity=Sensitivity.PUBLIC,
            change=Change(minimum=1.0),
            observed_range=(0.0, 1.0),
        ),
    ),
    outputs=(
        Output(id="a", tensor="p", target=1, adverse=Adverse.HIGHER, bands=(Band(id="low", upper=0.5), Band(id="x"))),
        Output(id="b", tensor="p", target="1"),
    ),
    concepts=(Concept(id="money", labels={"en": "Money"}),),
)


def test_a_record_comes_back_as_it_was() -> None:
    assert decode_record(encode_record(RECORD)) == RECORD
    assert math.copysign(1, decode_record(encode_record(RECORD)).attribution.base_value) == -1


def test_a_description_comes_back_as_it_was() -> None:
    found = decode_description(encode_description(DESCRIPTION))

    assert found == DESCRIPTION
    assert [type(output.target) for output in found.outputs] == [int, str]


def test_the_day_of_the_background_comes_back_as_it_was() -> None:
    dated = replace(DESCRIPTION, background_as_of=date(2026, 7, 14))

    assert decode_description(encode_description(dated)) == dated


@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    row=st.dictionaries(st.text(), st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False)),
)
def test_every_float_and_text_comes_back_as_it_was(value: float, row: dict[str, float | str | None]) -> None:
    record = replace(RECORD, row=row, attribution=replace(RECORD.attribution, output=value))

    found = decode_record(encode_record(record))

    assert found == record
    assert encode_record(found) == encode_record(record)


def test_equal_records_give_equal_bytes_whatever_the_order_of_their_rows() -> None:
    turned = replace(RECORD, row=dict(reversed(RECORD.row.items())))

    assert encode_record(turned) == encode_record(RECORD)


def test_the_envelope_names_the_format() -> None:
    assert json.loads(encode_record(RECORD))["format"] == "xaisvc.record/v2"
    assert json.loads(encode_description(DESCRIPTION))["format"] == "xaisvc.description/v1"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    caveat = Caveat(kind="odd", severity=Severity.INFO, evidence={"r": number})

    with pytest.raises(StoreError, match="a number that is not finite cannot be recorded"):
        encode_record(replace(RECORD, caveats=(caveat,)))


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (b"", "damaged"),
        (b"\xff", "damaged"),
        (b"[]", "damaged"),
        (b'{"format":"xaisvc.record/v2"}', "damaged"),
        (b'{"format":"xaisvc.record/v1","content":{}}', "'xaisvc.record/v1', expected xaisvc.record/v2"),
        (b'{"format":"xaisvc.record/v2","content":{}}', "field 'id' does not fit"),
        (encode_record(RECORD).replace(b'"exact":false', b'"exact":"no"'), "field 'attribution.exact' does not fit"),
        (encode_description(DESCRIPTION), "'xaisvc.description/v1', expected"),
    ],
)
def test_other_bytes_are_refused(stored: bytes, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        decode_record(stored)
