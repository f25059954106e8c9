from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from google.protobuf.duration_pb2 import Duration

from xaisvc.client import answers
from xaisvc.client.requests import explain_request
from xaisvc.engine.commands import AudienceInfo, ExplainCommand, ModelInfo, RenderedView, RowOutcome, ViewRequest
from xaisvc.errors import FieldViolation, InvalidRequestError, LimitExceededError
from xaisvc.server import convert, convert_models
from xaisvc.types import (
    LOCAL,
    Adverse,
    Band,
    Caveat,
    Change,
    Concept,
    Deadline,
    Direction,
    ErrorTarget,
    Feature,
    Kind,
    Output,
    Portfolio,
    Sensitivity,
    Severity,
    Space,
    TensorColumn,
)
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import models_pb2

ROW = pb.Row(values={"age": pb.Value(integer=41)})


def request(**changes: object) -> pb.ExplainRequest:
    return pb.ExplainRequest(**{"model": "loans", "rows": [ROW], **changes})  # type: ignore[arg-type]


def command(message: pb.ExplainRequest) -> ExplainCommand:
    return convert.explain_command(message, max_rows=10)


def test_an_empty_choice_is_the_default() -> None:
    assert command(request()) == ExplainCommand(bundle="loans", rows=[{"age": 41}])


def test_every_kind_of_value_arrives() -> None:
    values = {
        "number": pb.Value(number=1.5),
        "whole": pb.Value(integer=-3),
        "text": pb.Value(text=""),
        "truth": pb.Value(boolean=False),
        "none": pb.Value(missing=pb.Missing()),
    }

    rows = command(request(rows=[pb.Row(values=values)])).rows

    assert rows == [{"number": 1.5, "whole": -3, "text": "", "truth": False, "none": None}]


def test_packed_columns_arrive_with_their_gaps() -> None:
    columns = [
        pb.Column(feature="age", integers=pb.Integers(values=[41, 0]), missing=[1]),
        pb.Column(feature="amount", doubles=pb.Doubles(values=[1.0, 2.5])),
        pb.Column(feature="purpose", texts=pb.Texts(values=["car", "boat"])),
        pb.Column(feature="owner", booleans=pb.Booleans(values=[True, False])),
    ]

    assert command(request(rows=[], columns=columns)).rows == {
        "age": [41, None],
        "amount": [1.0, 2.5],
        "purpose": ["car", "boat"],
        "owner": [True, False],
    }


def test_the_days_of_facts_arrive_as_they_were_written() -> None:
    """They are the engine's to judge."""
    message = request(
        rows=[ROW, ROW], fact_dates=[pb.FactDates(days={"age": "2026-03-03", "x": "never"}), pb.FactDates()]
    )

    assert command(message).fact_dates == ({"age": "2026-03-03", "x": "never"}, {})


def test_the_day_of_a_value_stands_beside_it(record: object) -> None:
    plain = record()  # type: ignore[operator]
    names = sorted(plain.row)
    dated = replace(plain, fact_dates={names[0]: date(2026, 3, 3), "gone": date(2026, 3, 4)})
    bare, message = convert.explanation(plain), convert.explanation(dated)

    assert {entry.feature: entry.as_of for entry in message.row} == dict.fromkeys(names, "") | {names[0]: "2026-03-03"}
    assert not any(entry.as_of for entry in bare.row)
    assert "2026-03-03" not in str(convert.bare_explanation(dated))


def test_all_choices_arrive() -> None:
    message = request(
        output="default",
        space=models_pb2.SPACE_RAW,
        method="kernel",
        player_groups=[pb.PlayerGroup(name="money", features=["savings", "income"])],
        budget=pb.Budget(coalitions=64),
        seed=-7,
        audiences=["customer", "data_scientist", "customer"],
        formats=["text", "html"],
        language="nl",
    )

    assert command(message) == ExplainCommand(
        bundle="loans",
        rows=[{"age": 41}],
        output="default",
        space=Space.RAW,
        method="kernel",
        players={"money": ("savings", "income")},
        budget=64,
        seed=-7,
        views=(
            ViewRequest(audience="customer", format="text", language="nl"),
            ViewRequest(audience="customer", format="html", language="nl"),
            ViewRequest(audience="data_scientist", format="text", language="nl"),
            ViewRequest(audience="data_scientist", format="html", language="nl"),
        ),
    )


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (pb.Budget(standard_error=0.01), ErrorTarget(0.01)),
        (pb.Budget(deadline=Duration(seconds=1, nanos=500_000_000)), Deadline(1.5)),
    ],
)
def test_budgets(budget: pb.Budget, expected: object) -> None:
    assert command(request(budget=budget)).budget == expected


@pytest.mark.parametrize(
    ("message", "field", "words"),
    [
        (request(model=""), "model", "no model is named"),
        (request(rows=[]), "rows", "send at least one"),
        (request(columns=[pb.Column(feature="age", doubles=pb.Doubles(values=[1]))]), "columns", "either rows or"),
        (request(rows=[ROW, pb.Row(values={"age": pb.Value()})]), "rows[1].age", "the value is empty"),
        (
            request(
                rows=[],
                columns=[
                    pb.Column(feature="age", doubles=pb.Doubles(values=[1, 2])),
                    pb.Column(feature="income", doubles=pb.Doubles(values=[1])),
                ],
            ),
            "columns[1].doubles",
            "column 'income' has 1 values where the longest column has 2",
        ),
        (
            request(
                rows=[], columns=[pb.Column(feature="age", doubles=pb.Doubles(values=[1])), pb.Column(feature="income")]
            ),
            "columns[1].values",
            "column 'income' is empty",
        ),
        (
            request(rows=[], columns=[pb.Column(feature="age", doubles=pb.Doubles(values=[1]))] * 2),
            "columns[1].feature",
            "'age' is given twice",
        ),
        (
            request(rows=[], columns=[pb.Column(feature="age", doubles=pb.Doubles(values=[1]), missing=[-1])]),
            "columns[0].missing",
            "there is no row -1",
        ),
        (request(space=17), "space", "17 is no space"),
        (request(players="custom"), "player_groups", "no group is given"),
        (request(players="features", player_groups=[pb.PlayerGroup(name="a")]), "players", "contradicts"),
        (request(player_groups=[pb.PlayerGroup(name="a")] * 2), "player_groups[1].name", "'a' is given twice"),
        (request(budget=pb.Budget()), "budget", "the budget is empty"),
        (request(formats=["html"]), "audiences", "no audience to write for"),
    ],
)
def test_contradictions_are_refused_by_field(message: pb.ExplainRequest, field: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        command(message)

    assert [violation.field for violation in caught.value.violations] == [field]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        request(rows=[ROW] * 11),
        request(rows=[], columns=[pb.Column(feature="age", integers=pb.Integers(values=range(11)))]),
    ],
    ids=["rows", "columns"],
)
def test_too_many_rows_are_refused_with_the_limit(message: pb.ExplainRequest) -> None:
    with pytest.raises(LimitExceededError, match="11 rows are more than the 10") as caught:
        command(message)

    assert caught.value.violations[0].reason == "TOO_MANY_ROWS"


def test_the_clients_request_is_the_command_it_meant() -> None:
    message = explain_request(
        "loans",
        {"age": [41, None], "purpose": ["car", "boat"]},
        output=None,
        space="log_odds",
        method="auto",
        players={"all": ["age", "purpose"]},
        budget=Deadline(0.25),
        seed=3,
        audiences=("customer",),
        formats=("html",),
        language="en",
    )

    assert command(message) == ExplainCommand(
        bundle="loans",
        rows={"age": [41, None], "purpose": ["car", "boat"]},
        space=Space.LOG_ODDS,
        players={"all": ("age", "purpose")},
        budget=Deadline(0.25),
        seed=3,
        views=(ViewRequest(audience="customer"),),
    )


def test_a_record_comes_back_as_it_was(record: object) -> None:
    whole = replace(
        record(),  # type: ignore[operator]
        caveats=(
            Caveat(
                kind="shared_credit",
                severity=Severity.CARE,
                players=("age",),
                message="They move together.",
                evidence={"r": 0.75},
            ),
        ),
        portfolio=Portfolio(rows=100, mean_prediction=0.3, adverse_share=None, rank_share=0.5),
        fact_dates={"age": date(2026, 3, 3)},
    )

    for expected in (record(), whole):  # type: ignore[operator]
        message = pb.Explanation.FromString(convert.explanation(expected).SerializeToString())
        assert answers.record(message) == expected


def test_missing_numbers_of_a_row_arrive_as_missing(record: object) -> None:
    message = convert.explanation(record(row={"age": float("nan")}))  # type: ignore[operator]

    assert answers.record(message).row == {"age": None}


def test_a_model_comes_back_as_it_was(model_info: ModelInfo) -> None:
    features = (
        Feature(
            id="savings",
            kind=Kind.NUMERIC,
            source=TensorColumn(tensor="x", column=3),
            unit="EUR",
            allow_missing=True,
            labels={"en": "Savings", "nl": "Spaargeld"},
            concept="money",
            sensitivity=Sensitivity.CUSTOMER_OWN,
            change=Change(direction=Direction.INCREASE, minimum=0.0, step=50.0),
            observed_range=(0.0, 1000.0),
        ),
        Feature(
            id="purpose",
            kind=Kind.CATEGORY,
            source=TensorColumn(tensor="purpose"),
            categories=("car", "boat"),
            category_labels={"en": {"car": "Car"}},
            change=Change(to=("boat",)),
        ),
    )
    outputs = (
        Output(
            id="default",
            tensor="probabilities",
            target="bad",
            adverse=Adverse.HIGHER,
            threshold=0.0,
            bands=(Band(id="low", upper=0.5, labels={"en": "Low"}), Band(id="high")),
        ),
        Output(id="score", tensor="score", target=0, tensor_space=Space.RAW, space=Space.RAW),
        Output(id="price", tensor="price", tensor_space=Space.RAW, space=Space.RAW),
    )
    description = replace(
        model_info.description,
        features=features,
        outputs=outputs,
        concepts=(Concept(id="money", labels={"en": "Money"}),),
        languages=("en", "nl"),
        notes="Public data.",
        texts={"nl": {"purpose": "Beslist", "out_of_scope": "Verder niets"}},
        row_labels={"en": "loans", "nl": "leningen"},
        audiences=("customer", "fraud_analyst"),
    )
    expected = replace(model_info, description=description, audiences=("customer", "fraud_analyst"), warnings=("held",))

    message = models_pb2.Model.FromString(convert_models.model(expected).SerializeToString())

    assert answers.model_info(message) == expected


def test_an_audience_and_a_view_come_back_as_they_were(audience_info: AudienceInfo) -> None:
    view = RenderedView(
        audience="customer",
        format="html",
        language="en",
        media_type="text/html",
        content="<p>",
        status="held_for_review",
    )

    assert answers.audience_info(convert_models.audience(audience_info)) == audience_info
    assert answers.view(convert.view(view)) == view


def test_a_wrong_row_keeps_its_place_and_its_violations(record: object) -> None:
    violation = FieldViolation("rows[1].age", "WRONG_TYPE", "must be a number, but is text")
    outcomes = (
        RowOutcome(index=0, record=record()),  # type: ignore[operator]
        RowOutcome(index=1, record=None, violations=(violation,)),
        RowOutcome(index=2, record=None, error="the model answered with a number that is not finite"),
    )

    response = convert.explain_response(outcomes, LOCAL)

    assert [result.index for result in response.results] == [0, 1, 2]
    assert [result.WhichOneof("outcome") for result in response.results] == ["explanation", "error", "error"]
    assert response.results[1].error.message == "rows[1].age: must be a number, but is text"
    assert response.results[1].error.violations[0].field == "rows[1].age"
    assert response.results[2].error.message == "the model answered with a number that is not finite"
