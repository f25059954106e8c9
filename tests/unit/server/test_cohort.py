"""Views of many explanations over gRPC: a real server with a real model, and days that tests can set."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

from tests.unit.server.calling import failure, reason, violations
from xaisvc.client import AsyncClient, CohortSelection
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.commands import ExplainCommand
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import build_service
from xaisvc.engine.surroundings import Surroundings
from xaisvc.errors import InvalidRequestError, NotFoundError
from xaisvc.records import EventKind, MemoryRecordStore
from xaisvc.types import Table
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import explanations_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from xaisvc.engine.batch import ExplanationBatch

BUNDLE = BUNDLES / "german-credit-logistic"
NAME = BUNDLE.name
MINIMUM = 20
TODAY = "2026-12-01"


class World:
    """A service whose day can be set, and what is in its store."""

    def __init__(self) -> None:
        numbers = count(1)
        self.day = TODAY
        self.store = MemoryRecordStore()
        self.service = build_service(
            [BUNDLE],
            record_store=self.store,
            device="cpu",
            surroundings=Surroundings(clock=lambda: 0.0, now=self._now, new_id=lambda: f"e{next(numbers)}"),
        )

    def _now(self) -> datetime:
        return datetime.fromisoformat(f"{self.day}T12:00:00").replace(tzinfo=UTC)

    def explain(self, day: str, rows: Table) -> list[str]:
        self.day = day
        command = ExplainCommand(bundle=NAME, rows=[rows.row(i) for i in range(len(rows))])
        found = [one.record.id for one in self.service.explain(command) if one.record is not None]
        self.day = TODAY
        return found


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLE, "cpu")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def stub(serving: Any, world: World) -> AsyncIterator[Any]:
    async with serving(world.service) as served:
        yield explanations_pb2_grpc.ExplanationServiceStub(served.channel)


def people(explainer: Explainer, n: int, seed: int = 0) -> Table:
    """Rows of the background with other amounts, all different, whatever the seed."""
    background = explainer.bundle.background
    rows = background.take(np.random.default_rng(seed).integers(0, len(background), n))
    return Table(dict(rows.columns) | {"amount_dm": 1000.0 * (seed + 1) + np.arange(n)})


async def test_the_page_has_the_declared_sections_and_the_numbers_of_the_cohort(
    stub: Any, world: World, explainer: Explainer
) -> None:
    world.explain("2026-10-03", people(explainer, 120))
    world.explain("2026-11-03", people(explainer, 90, 1))

    request = pb.RenderCohortRequest(
        model=NAME,
        selection=pb.CohortSelection(since="2026-11-01"),
        against=pb.CohortSelection(until="2026-11-01"),
        segment_by=["purpose", "band"],
        format="json",
    )
    view = (await stub.RenderCohort(request)).view
    page = json.loads(view.content)

    assert (view.audience, view.language, view.media_type) == ("business_manager", "en", "application/json")
    assert view.status == pb.VIEW_STATUS_COMPLETE
    assert [section["id"] for section in page["sections"]] == [
        "conclusion", "model_use", "drivers", "rules", "changes", "segments", "people", "alarms", "limits", "actions",
        "sign_off",
    ]  # fmt: skip
    assert re.match("90 [a-z ]+ · 1 November 2026 to 30 November 2026 · model", page["subtitle"])
    assert "Compared with 120 other cases: up to 31 October 2026." in view.content


@pytest.mark.parametrize("form", ["html", "markdown", "text", "json"])
@pytest.mark.parametrize("language", ["en", "nl"])
async def test_every_format_and_language(
    stub: Any, world: World, explainer: Explainer, form: str, language: str
) -> None:
    world.explain("2026-10-03", people(explainer, 60))

    response = await stub.RenderCohort(pb.RenderCohortRequest(model=NAME, format=form, language=language))
    again = await stub.RenderCohort(pb.RenderCohortRequest(model=NAME, format=form, language=language))

    assert response == again
    assert ("Beoordeling van het model" if language == "nl" else "Model review") in response.view.content


async def test_that_it_was_rendered_is_stored_with_what_it_is_about(
    stub: Any, world: World, explainer: Explainer
) -> None:
    ids = world.explain("2026-10-03", people(explainer, 60))

    named = pb.CohortSelection(ids=ids)
    await stub.RenderCohort(pb.RenderCohortRequest(model=NAME, selection=named, segment_by=["band"], reader="r1"))
    await stub.RenderCohort(pb.RenderCohortRequest(model=NAME, format="text", language="nl"))

    first, second = world.store.events(kinds=(EventKind.VIEW,))
    assert (first.bundle, first.about, first.head["audience"]) == (NAME, "", "business_manager")
    assert first.head["reader"]
    assert "r1" not in str(first.head)
    cohort: Any = first.head["cohort"]
    assert (cohort["segment_by"], cohort["of"]["named"], len(cohort["of"]["sha256"])) == (["band"], 60, 64)
    assert not any(record_id in str(first.head) for record_id in ids)
    assert second.head["cohort"] == {
        "output": "", "segment_by": [], "of": {"since": "", "until": ""}, "against": None,
    }  # fmt: skip
    (usage,) = world.service.usage(NAME)
    assert (usage.audience, usage.opens) == ("business_manager", 2)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({}, "INVALID_ARGUMENT", "model: no model is named"),
        ({"model": "nope"}, "NOT_FOUND", "there is no model 'nope'"),
        ({"model": NAME, "audience": "nope"}, "NOT_FOUND", "there is no audience 'nope'"),
        (
            {"model": NAME, "audience": "customer"},
            "INVALID_ARGUMENT",
            "audience: 'customer' has no view of many cases; these audiences have: business_manager",
        ),
        ({"model": NAME, "language": "fr"}, "INVALID_ARGUMENT", "language: audience 'business_manager' has no"),
        ({"model": NAME, "format": "docx"}, "INVALID_ARGUMENT", "format: audience 'business_manager' has no format"),
        ({"model": NAME, "format": "pdf"}, "INVALID_ARGUMENT", "format: a service makes no PDF"),
        ({"model": NAME, "segment_by": ["shoe"]}, "INVALID_ARGUMENT", "segment_by[0]: a cohort cannot be cut by"),
        (
            {"model": NAME, "selection": pb.CohortSelection(until="2026-10-01")},
            "INVALID_ARGUMENT",
            f"selection: holds fewer than 20 explanations of '{NAME}'; ask for a longer period or for more records",
        ),
        (
            {"model": NAME, "selection": pb.CohortSelection(since="2026-11-30")},
            "INVALID_ARGUMENT",
            f"selection: holds fewer than 20 explanations of '{NAME}' up to yesterday (a day counts when it is over)",
        ),
    ],
)
async def test_what_is_refused_and_how(  # noqa: PLR0913, PLR0917 - a table
    stub: Any, world: World, explainer: Explainer, request_: dict[str, Any], code: str, text: str
) -> None:
    world.explain("2026-10-03", people(explainer, 40))

    error = await failure(stub.RenderCohort(pb.RenderCohortRequest(**request_)))

    assert (error.code(), error.details()[: len(text)]) == (grpc.StatusCode[code], text)
    assert not list(world.store.events(kinds=(EventKind.VIEW,)))


async def test_cohorts_that_differ_by_few_are_refused_with_a_reason_for_programs(
    stub: Any, world: World, explainer: Explainer
) -> None:
    ids = world.explain("2026-10-03", people(explainer, 100))
    request = pb.RenderCohortRequest(model=NAME, selection=pb.CohortSelection(ids=ids))
    await stub.RenderCohort(request)

    error = await failure(
        stub.RenderCohort(pb.RenderCohortRequest(model=NAME, selection=pb.CohortSelection(ids=ids[1:])))
    )

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.reason for one in violations(error)] == ["TOO_CLOSE"]
    assert reason(error) == "INVALID_REQUEST"
    assert (await stub.RenderCohort(request)).view.content


async def test_the_client_asks_for_days_and_gets_the_library_s_errors(
    serving: Any, world: World, explainer: Explainer
) -> None:
    world.explain("2026-10-03", people(explainer, 60))
    async with serving(world.service) as served, AsyncClient(served.target) as client:
        view = await client.render_cohort(
            NAME, selection=CohortSelection(until="2026-11-01"), segment_by=["purpose"], format="text", language="nl"
        )
        assert re.search("60 [a-z ]+ · tot en met 31 oktober 2026", view.content)
        with pytest.raises(NotFoundError, match="there is no model 'nope'"):
            await client.render_cohort("nope")
        with pytest.raises(InvalidRequestError, match="segment_by: must be a list of texts"):
            await client.render_cohort(NAME, segment_by="purpose")
        with pytest.raises(InvalidRequestError, match=r"selection\.ids: must be a list of texts"):
            await client.render_cohort(NAME, selection=CohortSelection(ids="e1-0"))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
async def test_no_differences_of_answers_are_about_few_persons(
    stub: Any, world: World, explainer: Explainer, seed: int
) -> None:
    """Somebody asks for many periods, one after the other. What they know then has no difference of few persons."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([3, 8, 15, 25, 40], 8)
    for place, size in enumerate(sizes.tolist()):
        world.explain(f"2026-11-{place + 1:02}", people(explainer, size, place))
    persons = np.arange(len(sizes))
    told: dict[tuple[int, int], int] = {}
    refused = 0
    for first, last in rng.permutation(list(itertools.combinations(range(9), 2))).tolist():
        request = pb.RenderCohortRequest(
            model=NAME,
            selection=pb.CohortSelection(since=f"2026-11-{first + 1:02}", until=f"2026-11-{last + 1:02}"),
            segment_by=["band"],
            format="json",
        )
        view = await answered(stub, request)
        if view is None:
            refused += 1
            continue
        page = json.loads(view.content)
        told[first, last] = int(page["subtitle"].split()[0])
        assert told[first, last] == sizes[first:last].sum() >= MINIMUM
        assert all(number >= MINIMUM for number in counts(page))
    for one, other in itertools.combinations(told, 2):
        in_one, in_other = (((low <= persons) & (persons < high)).astype(int) for low, high in (one, other))
        for mixed in (in_one - in_other, in_one + in_other):
            left = int(sizes[mixed != 0].sum())
            assert left == 0 or left >= MINIMUM, (one, other, sizes)
    assert refused > 0
    assert len(told) > 1


async def answered(stub: Any, request: pb.RenderCohortRequest) -> pb.View | None:
    """The view; None if the cohort is refused as too small, or as too close to others."""
    call = stub.RenderCohort(request)
    if await call.code() is grpc.StatusCode.OK:
        view: pb.View = (await call).view
        return view
    error = await failure(call)
    assert {one.reason for one in violations(error)} <= {"TOO_FEW", "TOO_CLOSE"}
    return None


def counts(page: dict[str, Any]) -> list[int]:
    """Every number of cases in the tables of segments and of limits."""
    return [
        int(found.group(1).replace(",", ""))
        for section in page["sections"]
        if section["id"] in {"segments", "limits"}
        for block in section["blocks"]
        if block["type"] == "table"
        for row in block["rows"]
        if (found := re.match(r"([\d,]+)(?: \(|$)", row[1]["text"]))
    ]


def test_the_library_and_the_service_show_the_same(world: World, explainer: Explainer) -> None:
    import xaisvc
    from xaisvc.engine.cohort_request import CohortRequest
    from xaisvc.engine.commands import ViewRequest

    rows = people(explainer, 80)
    ids = world.explain("2026-10-03", rows)
    batch: ExplanationBatch = explainer.explain_table(rows, method="auto")

    request = CohortRequest(model=NAME, selection=CohortSelection(ids=tuple(ids)), segment_by=("band",))
    asked = ViewRequest(audience="business_manager", format="text")
    service = world.service.render_cohort(request, asked)
    library = xaisvc.cohort_view(batch, segment_by=["band"])
    assert library.to_text() == service.content
