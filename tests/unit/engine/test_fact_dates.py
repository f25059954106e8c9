"""What days facts are from: read with a request, kept in its record, shown beside the facts, no part of an answer."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.engine.conftest import frozen_surroundings
from tests.unit.records.events import MASTER, open_store
from xaisvc.engine.commands import ExplainCommand, ViewRequest
from xaisvc.engine.fact_dates import checked_fact_dates, latest_day, read_fact_dates
from xaisvc.engine.loading import build_service
from xaisvc.engine.readable import ReadableParts
from xaisvc.engine.replay import replay
from xaisvc.engine.stored import StoredExplanations
from xaisvc.errors import InvalidRequestError, InvalidRowsError, NotFoundError
from xaisvc.records import EventKind, MemoryRecordStore
from xaisvc.types import LOCAL, Sensitivity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.service import ExplanationService

GOOD = {"a": 1.5, "b": 0.5}
OTHER = {"a": 2.0, "b": 1.0}
OLD, NEW = date(2026, 3, 3), date(2026, 11, 21)


@pytest.fixture
def store() -> MemoryRecordStore:
    return MemoryRecordStore()


@pytest.fixture
def service(bundle_dir: Path, store: MemoryRecordStore) -> ExplanationService:
    return build_service([bundle_dir], record_store=store, device="cpu", surroundings=frozen_surroundings())


def command(
    *rows: Mapping[str, object], fact_dates: Sequence[Mapping[str, object]] = (), **changes: Any
) -> ExplainCommand:
    return ExplainCommand(bundle="log-model", rows=rows, fact_dates=fact_dates, **changes)


def test_days_are_kept_with_their_row(service: ExplanationService) -> None:
    days = [{"a": "2026-03-03"}, {}, {"b": "2026-11-21", "a": "2026-03-03"}]
    records = [one.record for one in service.explain(command(GOOD, GOOD, OTHER, fact_dates=days))]

    for record, expected in zip(records, [{"a": OLD}, {}, {"a": OLD, "b": NEW}], strict=True):
        assert record is not None
        assert record.fact_dates == expected
        assert service.get_explanation(record.id) == record


def test_a_row_with_a_wrong_day_gets_its_own_error_and_harms_no_other(service: ExplanationService) -> None:
    """Days stay with their rows where rows in between fail, for their values or because the model cannot answer."""
    rows = [GOOD, OTHER, {"a": "x", "b": 1.0}, {"a": -1.0, "b": 0.0}, OTHER]
    days = [{"a": "3 March"}, {"a": "2026-03-03"}, {"c": "2026-03-03"}, {}, {"b": "2026-11-21"}]
    outcomes = service.explain(command(*rows, fact_dates=days))

    assert [outcome.record is not None for outcome in outcomes] == [False, True, False, False, True]
    assert [one.record.fact_dates for one in outcomes if one.record] == [{"a": OLD}, {"b": NEW}]
    assert outcomes[0].error == "the days given for its facts do not fit"
    assert [(one.field, one.reason) for one in outcomes[0].violations] == [("fact_dates[0].a", "WRONG_TYPE")]
    assert outcomes[2].error == "the row does not fit the model's feature schema"
    assert [one.field for one in outcomes[2].violations] == ["rows[2].a", "fact_dates[2].c"]
    assert "not finite" in outcomes[3].error


def test_parts_of_a_stream_have_the_days_of_their_rows(service: ExplanationService) -> None:
    days: list[dict[str, object]] = [{"a": f"2026-01-{1 + i:02d}"} for i in range(5)]
    days[2] = {"a": "never"}
    prepared = service.prepare_stream(command(*[GOOD] * 5, fact_dates=days))
    ids = [one for start in (0, 3) for one in service.explain_part(prepared, start, start + 3).ids]

    assert [service.get_explanation(one).fact_dates for one in ids] == [
        {"a": date(2026, 1, 1 + i)} for i in (0, 1, 3, 4)
    ]
    assert prepared.command.fact_dates == ()


def test_an_answer_knows_nothing_of_days(service: ExplanationService, store: MemoryRecordStore) -> None:
    """One answer is computed, the others are the cached one, and none has the days of another."""
    asked = [command(GOOD), command(GOOD, fact_dates=[{"a": OLD}]), command(GOOD, fact_dates=[{"a": NEW, "b": OLD}])]
    records = [service.explain(one)[0].record for one in (*asked, asked[0])]
    alone = service.begin_at_once(asked[0])
    contents = [event.parts[0].content for event in store.events(kinds=[EventKind.EXPLANATIONS]) if event.parts[0]]

    assert alone is not None  # the cached answer, without any days
    assert service.begin_at_once(asked[1]) is None
    assert [record.fact_dates for record in records if record] == [{}, {"a": OLD}, {"a": NEW, "b": OLD}, {}]
    assert len({repr(replace(record, id="", fact_dates={})) for record in records if record}) == 1
    assert contents[0] == contents[3] == contents[4]
    assert all(content.endswith(contents[0]) for content in contents)
    assert len(set(contents)) == 3


def test_a_dated_record_is_computed_again(
    service: ExplanationService, store: MemoryRecordStore, explainer: Explainer
) -> None:
    record = service.explain(command(GOOD, fact_dates=[{"a": OLD}]))[0].record
    assert record is not None

    assert replay(StoredExplanations(store).get(record.id, LOCAL), explainer).agrees


def test_days_are_exported_as_text(service: ExplanationService, store: MemoryRecordStore) -> None:
    service.explain(command(GOOD, fact_dates=[{"a": OLD}]))
    (event,) = store.events(kinds=[EventKind.EXPLANATIONS])
    written = ReadableParts(store)(event, 0)

    assert isinstance(written, dict)
    assert written["fact_dates"] == {"a": "2026-03-03"}


def test_days_are_encrypted_with_their_row_and_erased_with_it(bundle_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite3"
    with closing(open_store(path, master=MASTER)) as store:
        service = build_service([bundle_dir], record_store=store, device="cpu", surroundings=frozen_surroundings())
        days = [{"a": OLD}, {"a": OLD}]
        outcomes = service.explain(command(GOOD, OTHER, fact_dates=days, subjects=("ann", "bob")))
        ids = [one.record.id for one in outcomes if one.record]
        store.erase("ann")

        with pytest.raises(NotFoundError, match="the content of this explanation is gone"):
            service.get_explanation(ids[0])
        assert service.get_explanation(ids[1]).fact_dates == {"a": OLD}
    stored = b"".join(one.read_bytes() for one in tmp_path.glob("records*"))
    assert b"log-model" in stored
    assert b"2026-03-03" not in stored


def test_a_view_that_is_asked_for_later_has_the_days_too(service: ExplanationService) -> None:
    asked = ViewRequest(audience="data_scientist", format="json")
    outcome = service.explain(command(GOOD, fact_dates=[{"a": OLD}], views=(asked,)))[0]
    assert outcome.record is not None

    assert service.render_view(outcome.record.id, asked) == outcome.views[0]


def test_another_number_of_days_than_rows_is_refused(service: ExplanationService) -> None:
    with pytest.raises(InvalidRequestError, match="fact_dates: 1 for 2 rows; give one for each row, or none"):
        service.explain(command(GOOD, OTHER, fact_dates=[{}]))


@pytest.mark.parametrize(
    ("day", "violation"),
    [
        ({"aa": OLD}, ("fact_dates[0].aa", "UNKNOWN_FIELD", "is no feature of bundle 'log-model'; did you mean 'a'?")),
        ({"zz": OLD}, ("fact_dates[0].zz", "UNKNOWN_FIELD", "is no feature of bundle 'log-model'; remove it")),
        (
            {"a": "2026-13-01"},
            ("fact_dates[0].a", "WRONG_TYPE",
             "must be the day that the value is from, such as 2026-01-31; leave it out if unknown"),
        ),
        (
            {"b": date(2026, 11, 23)},
            ("fact_dates[0].b", "IN_THE_FUTURE",
             "has not begun anywhere yet; give the day that the value is from, or leave it out"),
        ),
    ],
)  # fmt: skip
def test_a_wrong_day_is_named_with_what_to_do(
    explainer: Explainer, day: dict[str, object], violation: tuple[str, str, str]
) -> None:
    described, latest = explainer.bundle.description, date(2026, 11, 22)
    found, wrong = read_fact_dates(described, [day], 1, latest)

    assert found == ({},)
    assert [(one.field, one.reason, one.description) for one in wrong[0]] == [violation]
    with pytest.raises(InvalidRowsError, match=re.escape(violation[0])):
        checked_fact_dates(described, [day], 1, latest)


def test_a_day_that_has_begun_somewhere_can_be() -> None:
    """At 10:00 in UTC it is midnight on the Line Islands, the first to have a new day."""
    ten = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

    assert latest_day(ten) == date(2026, 11, 22)
    assert latest_day(ten - timedelta(microseconds=1)) == date(2026, 11, 21)
    assert latest_day(ten.astimezone(timezone(timedelta(hours=-8)))) == date(2026, 11, 22)


def test_the_days_of_a_batch_are_in_its_records_and_views(explainer: Explainer) -> None:
    batch = explainer.explain([GOOD, OTHER])
    dated = batch.with_fact_dates({"a": [OLD, None], "b": [None, "2026-11-21"]})

    assert [one.record.fact_dates for one in dated] == [{"a": OLD}, {"b": NEW}]
    assert [one.record.fact_dates for one in dated.with_fact_dates([])] == [{}, {}]
    assert [replace(one.record, fact_dates={}) for one in dated] == [one.record for one in batch]
    assert dated.values is batch.values


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ([{}], "fact_dates: 1 for 2 rows; give one for each row, or none"),
        ([{"a": "x"}, {"c": OLD}], "fact_dates[0].a: must be the day"),
        ([{}, {"a": date(2026, 11, 23)}], "fact_dates[1].a: has not begun anywhere yet"),
    ],
)
def test_a_batch_refuses_what_cannot_be(explainer: Explainer, days: Any, words: str) -> None:
    with pytest.raises((InvalidRequestError, InvalidRowsError), match=re.escape(words)):
        explainer.explain([GOOD, OTHER]).with_fact_dates(days)


def test_a_view_says_the_day_of_a_fact(explainer: Explainer) -> None:
    described = explainer.bundle.description
    features = tuple(replace(one, sensitivity=Sensitivity.PUBLIC) for one in described.features)
    batch = explainer.explain([GOOD]).with_fact_dates([{"a": OLD}])
    public = replace(batch, provenance=replace(batch.provenance, description=replace(described, features=features)))
    page = json.loads(public[0].view("relationship_manager").to_json())

    assert '"as_of": "2026-03-03"' in json.dumps(page)
