"""The service as Python programs use it, through both clients."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import xaisvc
from xaisvc.client import Feedback
from xaisvc.errors import (
    BudgetTooSmallError,
    InvalidRequestError,
    InvalidRowsError,
    LimitExceededError,
    NotFoundError,
    ServiceUnreachableError,
    TooLateError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = "german-credit-logistic"
AUDIENCES = {"data_scientist", "business_manager", "relationship_manager", "fraud_analyst", "customer"}
Rows = list[dict[str, Any]]


@pytest.fixture
def client(service: Any) -> Iterator[xaisvc.Client]:
    with xaisvc.Client(service.target) as connected:
        connected.wait_until_ready()
        yield connected


def test_every_row_is_explained_to_every_audience(client: xaisvc.Client, applicants: Rows) -> None:
    reply = client.explain(MODEL, applicants, audiences=sorted(AUDIENCES), formats=["text", "html", "markdown", "json"])

    assert [row.index for row in reply] == list(range(len(applicants)))
    assert len({record.id for record in reply.records}) == len(applicants)
    for record in reply.records:
        total = record.attribution.base_value + sum(share.value for share in record.attribution.players)
        # The exact methods add in float64 what the graph answers in float32, whose rounding is 6e-8 of the output.
        assert total == pytest.approx(record.attribution.output, abs=1e-6)
    for row in reply:
        assert {(view.audience, view.format) for view in row.views} == {
            (audience, form) for audience in AUDIENCES for form in ("text", "html", "markdown", "json")
        }
        assert len({view.content for view in row.views}) == len(row.views)


def test_columns_frames_and_rows_are_the_same_question(client: xaisvc.Client, applicants: Rows) -> None:
    frame = pd.DataFrame(applicants)

    answers = [
        [record.attribution for record in client.explain(MODEL, rows).records]
        for rows in (applicants, frame, {name: frame[name].tolist() for name in frame})
    ]

    assert answers[0] == answers[1] == answers[2]


def test_the_service_answers_what_the_library_answers(client: xaisvc.Client, applicants: Rows, bundles: Path) -> None:
    batch = xaisvc.Explainer(bundles / MODEL, device="cpu").explain(applicants, seed=3)

    reply = client.explain(MODEL, applicants, seed=3)

    for i, record in enumerate(reply.records):
        assert [share.value for share in record.attribution.players] == batch.values[i].tolist()
        assert record.attribution.base_value == batch.base_values[i]


def test_the_service_says_of_a_row_what_the_library_says(
    client: xaisvc.Client, applicants: Rows, bundles: Path
) -> None:
    batch = xaisvc.Explainer(bundles / MODEL, device="cpu").explain(applicants)

    for i, record in enumerate(client.explain(MODEL, applicants).records):
        assert record.caveats == batch.caveats[i]
        assert record.reliability == batch[i].record.reliability


def test_a_slip_of_the_unit_is_told_about_the_request(client: xaisvc.Client, bundles: Path) -> None:
    background = xaisvc.load_bundle(bundles / MODEL).background
    rows = [background.row(i) for i in range(24)]
    slipped = [row | {"amount_dm": row["amount_dm"] * 100} for row in rows]
    told = client.explain(MODEL, slipped).batch_caveats

    assert [(caveat.kind, caveat.players) for caveat in told] == [("unit_change", ("amount_dm",))]
    assert "times a hundred (for example euros and cents" in told[0].message
    assert client.explain(MODEL, rows).batch_caveats == ()
    assert client.explain(MODEL, slipped[:1]).batch_caveats == ()
    parts = list(client.explain_stream(MODEL, slipped, batch_rows=10))
    assert [part.batch_caveats for part in parts] == [told, (), ()]
    later = list(client.explain_stream(MODEL, slipped, batch_rows=10, first_row=10))
    assert [part.batch_caveats for part in later] == [told, ()]


def test_a_stored_explanation_is_the_one_that_was_answered(client: xaisvc.Client, applicants: Rows) -> None:
    row = client.explain(MODEL, applicants[:1], audiences=["customer"], formats=["html"])[0]

    assert client.get_explanation(row.explained().id) == row.explained()
    assert client.render_view(row.explained().id, "customer", "html") == row.view("customer", "html")
    assert client.render_view(row.explained().id, "data_scientist", "text").content


def test_what_days_facts_are_from_comes_back_with_the_record(client: xaisvc.Client, applicants: Rows) -> None:
    day = date(2026, 3, 3)
    rows, days = applicants[:2], [{"savings": day}, {"savings": "some day"}]
    plain = client.explain(MODEL, rows[0:1])[0].explained()
    dated, wrong = client.explain(MODEL, rows, fact_dates=days, audiences=["relationship_manager"])
    (part,) = client.explain_stream(MODEL, rows[0:1], fact_dates=days[0:1])

    assert dated.explained().fact_dates == {"savings": day}
    assert dated.explained().attribution == plain.attribution
    assert client.explain(MODEL, rows[0:1])[0].explained().fact_dates == {}
    assert client.get_explanation(dated.id) == dated.explained()
    assert client.get_explanation(part.ids[0]).fact_dates == {"savings": day}
    assert "own records, 3 March 2026" in dated.view("relationship_manager").content
    with pytest.raises(InvalidRowsError, match=r"fact_dates\[1\].savings: must be the day that the value is from"):
        wrong.explained()
    with pytest.raises(InvalidRequestError, match="fact_dates: 1 for 2 rows"):
        client.explain(MODEL, rows, fact_dates=days[:1])


def test_methods_are_compared_as_the_library_compares_them(
    client: xaisvc.Client, applicants: Rows, bundles: Path
) -> None:
    batches = xaisvc.Explainer(bundles / MODEL, device="cpu").explain_methods(applicants, ["auto", "lime"])
    told = [tuple(caveat for caveat in own if caveat.kind == "method_disagreement") for own in batches["lime"].caveats]
    replies = [client.explain(MODEL, applicants, method=method) for method in batches]

    found = [client.compare([row.id for row in rows]) for rows in zip(*replies, strict=True)]

    assert [one.others[0].caveats for one in found] == told
    assert {(one.method, one.others[0].method) for one in found} == {("linear", "lime")}
    for one in found:
        (other,) = one.others
        assert (other.leader_agreement == other.sign_agreement == 1) == (not other.caveats)
        for caveat in other.caveats:
            assert other.kendall_tau == caveat.evidence["kendall_tau"]


def test_models_and_audiences_are_described(client: xaisvc.Client, applicants: Rows) -> None:
    assert [info.description.name for info in client.list_models()] == ["card-fraud", "german-credit-boosting", MODEL]
    model = client.get_model(MODEL)
    assert model.description.feature_ids == tuple(applicants[0])
    assert "features that go together" in model.studies
    assert client.list_models()[1].studies == ""
    fraud, credit, _ = client.list_models()
    assert fraud.audiences == ("business_manager", "data_scientist", "fraud_analyst")
    assert "customer" in credit.audiences
    assert credit.description.languages == ("en", "nl")
    assert credit.description.text("purpose", "nl") not in {"", credit.description.purpose}
    assert {audience.id for audience in client.list_audiences()} == AUDIENCES


def test_a_wrong_row_harms_no_other(client: xaisvc.Client, applicants: Rows) -> None:
    good = applicants[0]
    rows = [
        good,
        {**good, "amount_dm": float("nan")},
        {**good, "purpose": "spaceship"},
        {**good, "amount_dm": "a lot"},
        {name: value for name, value in good.items() if name != "housing"},
        {**good, "shoe_size": 43},
        good,
    ]

    reply = client.explain(MODEL, rows)

    reasons = {index: [v.reason for v in error.violations] for index, error in reply.errors.items()}  # type: ignore[attr-defined]
    fields = [error.violations[0].field for error in reply.errors.values()]  # type: ignore[attr-defined]
    assert reasons == {
        1: ["MISSING_VALUE"],
        2: ["UNKNOWN_CATEGORY"],
        3: ["WRONG_TYPE"],
        4: ["MISSING_FIELD"],
        5: ["UNKNOWN_FIELD"],
    }
    assert fields == [
        "rows[1].amount_dm",
        "rows[2].purpose",
        "rows[3].amount_dm",
        "rows[4].housing",
        "rows[5].shoe_size",
    ]
    assert all(isinstance(error, InvalidRowsError) for error in reply.errors.values())
    assert reply[0].explained().attribution == reply[6].explained().attribution


WRONG: dict[str, tuple[Callable[[xaisvc.Client, Rows], object], type[Exception], str]] = {
    "model": (lambda c, rows: c.explain("nope", rows), NotFoundError, "there is no model 'nope'"),
    "no rows": (lambda c, _: c.explain(MODEL, []), InvalidRequestError, "rows: there is no row to explain"),
    "rows": (lambda c, rows: c.explain(MODEL, rows * 500), LimitExceededError, "2500 rows are more than the 1000"),
    "output": (lambda c, rows: c.explain(MODEL, rows, output="x"), NotFoundError, "no output 'x'; it has: default"),
    "method": (lambda c, rows: c.explain(MODEL, rows, method="magic"), InvalidRequestError, "unknown method 'magic'"),
    "budget": (lambda c, rows: c.explain(MODEL, rows, method="kernel", budget=2), BudgetTooSmallError, "raise the"),
    "players": (lambda c, rows: c.explain(MODEL, rows, players="teams"), InvalidRequestError, "'teams'"),
    "groups": (lambda c, rows: c.explain(MODEL, rows, players={"a": ["x"]}), InvalidRequestError, "feature 'x'"),
    "audience": (lambda c, rows: c.explain(MODEL, rows, audiences=["x"]), NotFoundError, "no audience 'x'"),
    "format": (
        lambda c, rows: c.explain(MODEL, rows, audiences=["customer"], formats=["doc"]),
        InvalidRequestError,
        "format: .*'doc'",
    ),
    "language": (
        lambda c, rows: c.explain(MODEL, rows, audiences=["customer"], language="xx"),
        InvalidRequestError,
        "language: .*'xx'",
    ),
    "record": (lambda c, _: c.get_explanation("nope"), NotFoundError, "there is no explanation with this id"),
    "no record": (lambda c, _: c.get_explanation(""), InvalidRequestError, "id: no explanation is named"),
    "comparison of one": (lambda c, _: c.compare(["a"]), InvalidRequestError, "ids: got 1; name the ids of 2 to 5"),
    "comparison with nothing": (lambda c, _: c.compare(["x-0", "y-0"]), NotFoundError, r"ids\[0\]: there is no explan"),
    "comparison with itself": (
        lambda c, rows: c.compare([c.explain(MODEL, rows[:1])[0].id] * 2),
        InvalidRequestError,
        r"ids\[1\]: is the same as ids\[0\]; name each explanation once",
    ),
    "comparison of two rows": (
        lambda c, rows: c.compare([row.id for row in c.explain(MODEL, rows[:2])]),
        InvalidRequestError,
        r"ids\[1\]: explains another row than ids\[0\]: they differ in .*; compare explanations of one row",
    ),
    "record of a view": (lambda c, _: c.render_view("nope", "customer"), NotFoundError, "there is no explanation"),
    "model to describe": (lambda c, _: c.get_model("nope"), NotFoundError, "there is no model 'nope'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_the_librarys_own_error(client: xaisvc.Client, applicants: Rows, case: str) -> None:
    call, error, words = WRONG[case]

    with pytest.raises(error, match=words) as caught:
        call(client, applicants)

    assert type(caught.value) is error


async def test_usage_is_counted_for_callers(service: Any, applicants: Rows) -> None:
    begin = datetime.now(UTC)
    with xaisvc.Client(service.target) as client:
        (record,) = client.explain(MODEL, applicants[:1]).records
        for reader in ("r1", "r1", "r2"):
            client.render_view(record.id, "customer", "text", reader=reader)
        client.submit_feedback(Feedback(explanation_id=record.id, audience="customer", verdict="agree"))
        end = datetime.now(UTC) + timedelta(seconds=1)
        found = client.get_usage(MODEL, since=begin, until=end)
        with pytest.raises(NotFoundError, match="there is no model 'nope'"):
            client.get_usage("nope")
        assert client.get_usage(MODEL, until=begin - timedelta(days=1)) == ()
    async with xaisvc.AsyncClient(service.target) as other:
        assert await other.get_usage(MODEL, since=begin, until=end) == found

    (one,) = found
    assert (one.audience, one.opens, one.readers, one.returning_readers) == ("customer", 3, 2, 0)
    assert (one.agreed, one.deviated, one.not_used, one.outcomes) == (1, 0, 0, 0)


def test_a_time_limit_is_told(service: Any, applicants: Rows) -> None:
    with (
        xaisvc.Client(service.target, timeout_s=0.001) as client,
        # Either side may see first that time is up.
        pytest.raises(TooLateError, match=r"did not answer within 0.001 s; send fewer rows|the deadline passed"),
    ):
        client.explain(MODEL, applicants)


def test_an_answer_too_large_for_the_client_is_told(service: Any) -> None:
    with (
        xaisvc.Client(service.target, max_message_bytes=1024) as client,
        pytest.raises(LimitExceededError, match="raise max_message_bytes"),
    ):
        client.list_models()


def test_nobody_there_is_told() -> None:
    with (
        xaisvc.Client("127.0.0.1:1", timeout_s=60) as client,
        pytest.raises(ServiceUnreachableError, match=r"nothing answers at 127\.0\.0\.1:1"),
    ):
        client.list_models()
    with xaisvc.Client("127.0.0.1:1") as client, pytest.raises(ServiceUnreachableError, match=r"within 0.2 s"):
        client.wait_until_ready(0.2)


async def test_the_asynchronous_client_does_the_same(service: Any, applicants: Rows) -> None:
    async with xaisvc.AsyncClient(service.target) as client:
        await client.wait_until_ready()
        days = [{"savings": date(2026, 3, 3)}] * len(applicants)
        reply = await client.explain(MODEL, applicants, audiences=["customer"], formats=["text"], fact_dates=days)
        record = reply[0].explained()

        assert len(reply.records) == len(applicants)
        assert record.fact_dates == days[0]
        assert await client.get_explanation(record.id) == record
        assert await client.render_view(record.id, "customer", "text") == reply[0].view("customer", "text")
        lime = (await client.explain(MODEL, applicants[:1], method="lime"))[0].id
        comparison = await client.compare([record.id, lime])
        assert (comparison.id, [other.id for other in comparison.others]) == (record.id, [lime])
        assert [info.description.name for info in await client.list_models()] == [
            "card-fraud",
            "german-credit-boosting",
            MODEL,
        ]
        assert (await client.get_model(MODEL)).description.name == MODEL
        assert {audience.id for audience in await client.list_audiences()} == AUDIENCES
        with pytest.raises(NotFoundError, match="there is no model 'nope'"):
            await client.explain("nope", applicants)
    async with xaisvc.AsyncClient("127.0.0.1:1") as client:
        with pytest.raises(ServiceUnreachableError):
            await client.wait_until_ready(0.2)
