"""What many explanations say together, for callers of a service and users of the library."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine import cohort_store
from xaisvc.engine.cohorts import CohortRequest, Cohorts, CohortSelection, cohort_of
from xaisvc.engine.commands import ExplainCommand, Feedback, ViewRequest
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import build_service
from xaisvc.engine.surroundings import Surroundings
from xaisvc.errors import InvalidRequestError, LimitExceededError, NotAllowedError, NotFoundError
from xaisvc.records import EventKind, MemoryRecordStore
from xaisvc.types import Caller, Sensitivity, Table
from xaisvc.types.cohort import Extent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.engine.service import ExplanationService
    from xaisvc.types.cohort import Cohort

BUNDLE = BUNDLES / "german-credit-boosting"
NAME = BUNDLE.name
MANAGER = Caller(
    id="office",
    tenant="bank",
    audiences=frozenset({"business_manager", "relationship_manager"}),
    bundles=frozenset({NAME}),
)
NAMER = replace(
    MANAGER, id="analyst", audiences=frozenset({"business_manager", "relationship_manager", "data_scientist"})
)
DESK = replace(MANAGER, id="desk", audiences=frozenset({"data_scientist"}))
CUTS = ("purpose", "amount_dm", "band")


class Clock:
    """A day that tests can set."""

    def __init__(self) -> None:
        self.day = "2026-10-01"

    def now(self) -> datetime:
        return datetime.fromisoformat(f"{self.day}T12:00:00").replace(tzinfo=UTC)


class World:
    """A service and the cohorts of its store."""

    def __init__(self) -> None:
        numbers = count(1)
        self.clock = Clock()
        self.store = MemoryRecordStore()
        self.service: ExplanationService = build_service(
            [BUNDLE],
            record_store=self.store,
            device="cpu",
            surroundings=Surroundings(clock=lambda: 0.0, now=self.clock.now, new_id=lambda: f"e{next(numbers)}"),
        )
        self.cohorts = Cohorts(self.store, None, self.clock.now)

    def explain(self, day: str, rows: Table, caller: Caller = DESK, method: str = "tree", dated: str = "") -> list[str]:
        self.clock.day = day
        ids = []
        for start in range(0, len(rows), 100):
            part = rows.take(slice(start, min(start + 100, len(rows))))
            own = [part.row(i) for i in range(len(part))]
            dates = [{"amount_dm": dated}] * len(own) if dated else ()
            command = ExplainCommand(bundle=NAME, rows=own, method=method, fact_dates=dates)
            ids += [one.record.id for one in self.service.explain(command, caller=caller) if one.record is not None]
        return ids

    def ask(
        self, *, caller: Caller | None = None, selection: CohortSelection | None = None, **changes: object
    ) -> Cohort:
        """Who names explanations is, unless said otherwise, one who may see each of them."""
        self.clock.day = "2026-12-01"
        selection = selection or CohortSelection()
        caller = caller or (NAMER if selection.ids else MANAGER)
        return self.cohorts.cohort(CohortRequest(model=NAME, selection=selection, **changes), caller)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLE, "cpu")


@pytest.fixture
def world() -> World:
    return World()


def people(explainer: Explainer, n: int, seed: int = 0) -> Table:
    """Rows of the background with other amounts, all different."""
    background = explainer.bundle.background
    rng = np.random.default_rng(seed)
    rows = background.take(rng.integers(0, len(background), n))
    amounts = np.round(rng.uniform(500, 15000, n) + np.arange(n) / (2 * n), 4)
    return Table(dict(rows.columns) | {"amount_dm": np.floor(amounts) + 0.0})


@pytest.fixture(scope="module")
def batch(explainer: Explainer) -> ExplanationBatch:
    return explainer.explain_table(people(explainer, 400), method="tree")


def test_the_service_tells_what_the_library_tells(world: World, batch: ExplanationBatch) -> None:
    world.explain("2026-10-03", batch.rows)

    own = world.ask(segment_by=CUTS)
    library = cohort_of(batch, segment_by=CUTS)
    assert own.period.until == "2026-12-01"
    assert replace(own, period=library.period) == library
    assert library.n == len(set(batch.rows.row_digests()))
    assert library.drivers[0].share.percent > library.drivers[-1].share.percent
    assert sum(driver.share.percent for driver in library.drivers) == pytest.approx(100, abs=4)  # eight are rounded


def test_records_and_batches_tell_the_same(batch: ExplanationBatch) -> None:
    records = [one.record for one in batch]

    assert cohort_of(records, batch.provenance.description, segment_by=CUTS) == cohort_of(batch, segment_by=CUTS)


def test_drivers_are_those_of_the_closed_form(batch: ExplanationBatch) -> None:
    found = {driver.concept: driver.share.percent for driver in cohort_of(batch).drivers}

    _, first = np.unique(batch.rows.row_digests(), return_index=True)
    levels = [batch[int(i)].record.reliability for i in first]
    used = np.abs(batch.values[first][[level != "unreliable" for level in levels]])
    names = list(batch.players.names)
    loan = [names.index(one) for one in ("duration_months", "amount_dm", "purpose", "instalment_share")]
    assert found["loan"] == np.floor(100 * used[:, loan].sum() / used.sum() + 0.5)


def test_named_explanations(world: World, explainer: Explainer) -> None:
    ids = world.explain("2026-10-03", people(explainer, 150))

    found = world.ask(selection=CohortSelection(ids=tuple(ids[:60] * 2)))
    assert (found.n, found.period.since, found.left_out) == (60, "", None)


@pytest.mark.parametrize("place", ["selection", "against"])
def test_only_who_may_see_each_explanation_names_explanations(world: World, explainer: Explainer, place: str) -> None:
    """Whoever may name lists can take two that differ by one person from each other, whatever the lists are called."""
    ids = world.explain("2026-10-03", people(explainer, 100))

    for named in (CohortSelection(ids=tuple(ids)), CohortSelection(ids=("nothing-0",))):  # known or not: no difference
        with pytest.raises(NotAllowedError) as raised:
            world.ask(caller=MANAGER, **{place: named})  # type: ignore[arg-type]
        assert str(raised.value) == (
            "cohorts of named explanations are for callers with the audience 'data_scientist'; this token covers views "
            "for: business_manager, relationship_manager"
        )


def test_days_are_cut_as_asked_and_compared(world: World, explainer: Explainer) -> None:
    world.explain("2026-10-03", people(explainer, 100, 1))
    world.explain("2026-11-03", people(explainer, 140, 2))

    october, november = CohortSelection(until="2026-11-01"), CohortSelection(since="2026-11-01")
    found = world.ask(selection=november, against=october)
    assert found.n == 140
    assert {one.subject for one in found.changes} >= {"driver"}
    assert found.against is not None
    assert (found.against.n, found.against.period.until) == (100, "2026-11-01")
    assert world.ask(selection=october).n == 100


def test_what_answers_another_question_is_left_out_and_said_so(world: World, explainer: Explainer) -> None:
    rows = people(explainer, 120, 1)
    world.explain("2026-10-03", rows)
    others = world.explain("2026-10-04", rows.take(slice(0, 40)), method="lime")

    found = world.ask()
    assert (found.n, found.left_out) == (120, 25)
    mixed = CohortSelection(ids=(*others, *world.explain("2026-10-05", rows)))
    with pytest.raises(InvalidRequestError, match=r"ids: name explanations of different questions"):
        world.ask(selection=mixed)


def test_one_person_explained_often_is_one_person(world: World, explainer: Explainer) -> None:
    row = people(explainer, 1)
    for _ in range(30):
        world.explain("2026-10-03", row)

    with pytest.raises(InvalidRequestError, match="cohort: holds fewer than 20 persons"):
        world.ask()


def test_what_days_facts_are_from_is_no_part_of_a_cohort(world: World, explainer: Explainer) -> None:
    """Whoever is explained again with newer facts of the same values is still one person."""
    rows = people(explainer, 60)
    world.explain("2026-10-03", rows)
    plain = world.ask()
    for dated in ("2026-01-31", "2026-02-01"):
        world.explain("2026-10-03", rows, dated=dated)
    ids = world.explain("2026-10-03", rows.take([0]), dated="2026-01-31")

    assert world.service.get_explanation(ids[0]).fact_dates
    again = world.ask()
    assert (again.n, again.drivers) == (plain.n, plain.drivers) == (60, plain.drivers)


def test_who_may_not_ask_is_refused_as_elsewhere(world: World, explainer: Explainer) -> None:
    world.explain("2026-10-03", people(explainer, 50))

    with pytest.raises(NotFoundError, match="there is no audience 'business_manager'; known audiences: customer"):
        world.ask(caller=replace(MANAGER, audiences=frozenset({"customer"})))
    with pytest.raises(NotFoundError, match=f"there is no model '{NAME}'"):
        world.ask(caller=replace(MANAGER, bundles=frozenset({"other"})))


def test_other_tenants_records_do_not_exist(world: World, explainer: Explainer) -> None:
    rows = people(explainer, 60)
    ids = world.explain("2026-10-03", rows, replace(DESK, tenant="rival"))

    with pytest.raises(InvalidRequestError, match=f"selection: holds fewer than 20 explanations of '{NAME}'"):
        world.ask()
    with pytest.raises(NotFoundError, match=r"ids\[0\]: there is no explanation with this id"):
        world.ask(selection=CohortSelection(ids=tuple(ids)))


@pytest.mark.parametrize("wrong", ["e1", "e1-999999", "e1-x", "nothing-0", ""])
def test_ids_that_do_not_exist(world: World, explainer: Explainer, wrong: str) -> None:
    ids = world.explain("2026-10-03", people(explainer, 50))

    with pytest.raises(NotFoundError, match=r"^ids\[50\]: there is no explanation with this id$"):
        world.ask(selection=CohortSelection(ids=(*ids, wrong)))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (CohortSelection(since="yesterday"), "since: 'yesterday' is no day; write it like 2026-12-01"),
        (CohortSelection(until="2026-02-30"), "until: '2026-02-30' is no day; write it like 2026-12-01"),
        (
            CohortSelection(until="2026-12-02"),
            "until: 2026-12-02 is after today (2026-12-01, in UTC); only days that are over are told of",
        ),
        (
            CohortSelection(since="2026-11-01", until="2026-11-01"),
            "since: 2026-11-01 is not before the end of the period, 2026-11-01; name an earlier day",
        ),
        (
            CohortSelection(ids=("e1-0",), since="2026-11-01"),
            "ids: stands beside a period; name explanations, or days, not both",
        ),
    ],
)
def test_selections_that_contradict_themselves(world: World, selection: CohortSelection, message: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        world.ask(selection=selection)
    assert str(raised.value) == message
    with pytest.raises(InvalidRequestError) as raised:
        world.cohorts.cohort(CohortRequest(model=NAME, selection=selection), NAMER)
    assert str(raised.value) == message


def test_too_many_explanations(world: World, explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort_store, "MOST_RECORDS", 50)
    ids = world.explain("2026-10-03", people(explainer, 60))

    with pytest.raises(LimitExceededError, match="the period has more than 50 explanations"):
        world.ask()
    with pytest.raises(LimitExceededError, match="ids: got 60, but a cohort is made from at most 50"):
        world.ask(selection=CohortSelection(ids=tuple(ids)))


def test_a_tenant_cannot_get_at_few_persons_by_asking_twice(world: World, explainer: Explainer) -> None:
    ids = world.explain("2026-10-03", people(explainer, 100))

    assert world.ask(selection=CohortSelection(ids=tuple(ids))).n == 100
    with pytest.raises(InvalidRequestError, match="differs by fewer than 20 persons from cohorts"):
        world.ask(selection=CohortSelection(ids=tuple(ids[1:])))
    with pytest.raises(InvalidRequestError, match="differs by fewer than 20 persons from cohorts"):
        world.ask(selection=CohortSelection(ids=tuple(ids[1:])), caller=replace(NAMER, id="colleague"))
    assert world.ask(selection=CohortSelection(ids=tuple(ids))).n == 100
    assert world.ask(selection=CohortSelection(ids=tuple(ids[:70]))).n == 70


def few_days(world: World, explainer: Explainer) -> tuple[CohortSelection, CohortSelection]:
    """Two periods that differ by five persons."""
    world.explain("2026-10-03", people(explainer, 60, 1))
    world.explain("2026-10-04", people(explainer, 5, 2))
    return CohortSelection(until="2026-10-04"), CohortSelection(until="2026-10-05")


def render(world: World, selection: CohortSelection, caller: Caller = MANAGER, **changes: object) -> None:
    world.clock.day = "2026-12-01"
    request = CohortRequest(model=NAME, selection=selection, **changes)  # type: ignore[arg-type]
    world.service.render_cohort(request, ViewRequest(audience="business_manager", format="text"), caller)


@pytest.mark.parametrize("changes", [{}, {"segment_by": ("band",)}])
def test_what_another_process_told_counts(world: World, explainer: Explainer, changes: dict[str, object]) -> None:
    """And what was told before a restart: it is found again from the records of views."""
    first, second = few_days(world, explainer)
    render(world, first, **changes)

    elsewhere = Cohorts(world.store, None, world.clock.now)
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="differs by fewer than 20 persons"):
            elsewhere.cohort(CohortRequest(model=NAME, selection=second), MANAGER)
        assert elsewhere.cohort(CohortRequest(model=NAME, selection=first), MANAGER).n == 60
    forgetful = Cohorts(world.store, None, world.clock.now, recall=False)
    assert forgetful.cohort(CohortRequest(model=NAME, selection=second), MANAGER).n == 65


def test_what_was_told_beside_another_cohort_counts_elsewhere_too(world: World, explainer: Explainer) -> None:
    first, second = few_days(world, explainer)
    world.explain("2026-10-20", people(explainer, 40, 3))
    render(world, CohortSelection(since="2026-10-20"), against=first)

    elsewhere = Cohorts(world.store, None, world.clock.now)
    with pytest.raises(InvalidRequestError, match="differs by fewer than 20 persons"):
        elsewhere.cohort(CohortRequest(model=NAME, selection=second), MANAGER)


def test_other_tenants_and_what_is_gone_are_not_recalled(world: World, explainer: Explainer) -> None:
    first, second = few_days(world, explainer)
    rival = replace(MANAGER, tenant="rival")
    world.explain("2026-10-03", people(explainer, 60, 1), replace(DESK, tenant="rival"))
    render(world, first, rival)
    render(world, CohortSelection(ids=tuple(f"e1-{i}" for i in range(40))), NAMER)  # its names are not recorded

    elsewhere = Cohorts(world.store, None, world.clock.now)
    assert elsewhere.cohort(CohortRequest(model=NAME, selection=second), MANAGER).n == 65

    render(world, second)
    event = world.store.get("e1")
    assert event is not None
    world.store._events["e1"] = replace(event, parts=(None,) * len(event.parts))
    world.store._events["e2"] = replace(event, id="e2", parts=(None,) * 5)
    world.explain("2026-11-03", people(explainer, 30, 4))
    world.clock.day = "2026-12-01"
    latest = Cohorts(world.store, None, world.clock.now)
    assert latest.cohort(CohortRequest(model=NAME, selection=CohortSelection(since="2026-11-01")), MANAGER).n == 30


def test_two_compared_cohorts_are_not_told_apart_by_few(world: World, explainer: Explainer) -> None:
    ids = world.explain("2026-10-03", people(explainer, 100))

    with pytest.raises(InvalidRequestError, match=r"^against: differs by fewer than 20 persons"):
        world.ask(selection=CohortSelection(ids=tuple(ids)), against=CohortSelection(ids=tuple(ids[3:])))


def test_what_people_did_is_counted_from_views_and_feedback(world: World, explainer: Explainer) -> None:
    ids = world.explain("2026-10-03", people(explainer, 120))
    for i, record_id in enumerate(ids[:80]):
        verdict = "deviate" if i < 30 else "agree"
        feedback = Feedback(explanation_id=record_id, audience="relationship_manager", verdict=verdict)
        world.service.submit_feedback(feedback, MANAGER)
        world.service.submit_feedback(feedback, MANAGER)
    for day in ("2026-10-04", "2026-10-05"):
        world.clock.day = day
        for i in range(25):
            view = ViewRequest(audience="relationship_manager", format="text")
            world.service.render_view(ids[i], view, MANAGER, reader=f"r{i}")

    (found,) = world.ask().people
    assert (found.audience, found.judged, found.opened, found.readers) == ("relationship_manager", 80, 25, 25)
    assert found.overridden is not None
    assert (found.overridden.percent, found.override_extent, found.repeat_readers) == (38, Extent.SOME, None)
    assert world.ask(caller=replace(MANAGER, audiences=frozenset({"business_manager"}))).people == ()


def test_erased_contents_are_left_out(world: World, explainer: Explainer) -> None:
    ids = world.explain("2026-10-03", people(explainer, 60))
    event = world.store.get("e1")
    assert event is not None
    world.store._events["e1"] = replace(event, parts=(None, *event.parts[1:]))

    assert world.ask(selection=CohortSelection(ids=tuple(ids))).n == 59


def test_only_explanations_are_named(world: World, explainer: Explainer) -> None:
    ids = world.explain("2026-10-03", people(explainer, 50))
    world.service.submit_feedback(Feedback(explanation_id=ids[0], verdict="agree", comment="right"), MANAGER)
    (event,) = world.store.events(kinds=(EventKind.FEEDBACK,))

    with pytest.raises(NotFoundError, match=r"ids\[50\]: there is no explanation with this id"):
        world.ask(selection=CohortSelection(ids=(*ids, f"{event.id}-0")))


def test_nothing_that_is_withheld_has_a_part_in_it(batch: ExplanationBatch) -> None:
    """Values and attributions of what a manager may not see, and its names, can be anything."""
    described = batch.provenance.description
    hidden = {"savings": Sensitivity.AML, "property": Sensitivity.FRAUD_SIGNAL, "job": None}
    features = tuple(
        replace(one, sensitivity=hidden[one.id]) if one.id in hidden else one for one in described.features
    )
    description = replace(described, features=features)
    records = [one.record for one in batch]
    rng = np.random.default_rng(0)
    others = []
    for record in records:
        players = tuple(
            replace(one, value=float(rng.normal())) if one.player in hidden else one
            for one in record.attribution.players
        )
        row: Mapping[str, float | str | None] = dict(record.row) | {"savings": f"v{rng.integers(9)}", "job": "x"}
        others.append(replace(record, row=row, attribution=replace(record.attribution, players=players)))

    expected = cohort_of(records, description, segment_by=CUTS)
    assert cohort_of(others, description, segment_by=CUTS) == expected
    told = repr(expected)
    assert not any(f"'{name}'" in told for name in hidden)
    with pytest.raises(InvalidRequestError, match="cannot be cut by 'savings'"):
        cohort_of(records, description, segment_by=("savings",))


def test_what_the_library_refuses(batch: ExplanationBatch) -> None:
    records = [one.record for one in batch]
    description = batch.provenance.description

    for wrong, message in (
        ((records,), "description: is needed to read records: pass the bundle's description"),
        (([], description), "records: holds fewer than 20 records; pass more"),
    ):
        with pytest.raises(InvalidRequestError) as raised:
            cohort_of(*wrong)
        assert str(raised.value) == message
    with pytest.raises(InvalidRequestError, match="cohort: holds fewer than 20 persons"):
        cohort_of(records[:19], description)
    with pytest.raises(InvalidRequestError, match="records: answer different questions"):
        cohort_of([*records, replace(records[0], bundle_version="2")], description)
    other = [replace(one, bundle="other") for one in records]
    with pytest.raises(InvalidRequestError, match="against: answers another question"):
        cohort_of(batch, against=other)
