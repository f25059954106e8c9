"""The JSON schema of each audience's views: what it allows is what is rendered, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from tests.unit.views.cases import UNRELIABLE, make_description, make_open_description, make_record
from xaisvc.cli import app
from xaisvc.errors import InvalidRequestError
from xaisvc.types import Sensitivity
from xaisvc.views import build_view, load_audiences, render_view
from xaisvc.views.schema import _value, view_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience, View

DAYS = {"checking_status": date(2026, 2, 1), "purpose": date(2020, 2, 29)}
NAMES = ["business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"]


@pytest.fixture(params=NAMES)
def audience(request: pytest.FixtureRequest, audiences: Mapping[str, Audience]) -> Audience:
    return audiences[request.param]


def _views(audience: Audience) -> list[View]:
    """Views of every status that the audience can get."""
    full, open_ = make_description(), make_open_description()
    closed = replace(full, features=tuple(replace(f, sensitivity=Sensitivity.AML) for f in full.features))
    return [
        build_view(record, description, audience, language, judged=judged)
        for language in audience.languages
        for record, description in (
            (make_record(), full),
            (make_record(description=open_), open_),
            (make_record(adverse=False, caveats=(UNRELIABLE,)), full),
            (replace(make_record(description=open_), fact_dates=DAYS), open_),
            (replace(make_record(adverse=False), fact_dates=DAYS), full),
            (make_record(), closed),
        )
        for judged in (True, False)
    ]


def test_a_schema_is_a_schema(audience: Audience) -> None:
    Draft202012Validator.check_schema(view_schema(audience))


def test_every_view_fits_its_schema(audience: Audience) -> None:
    validator = Draft202012Validator(view_schema(audience))
    for view in _views(audience):
        assert [error.message for error in validator.iter_errors(json.loads(render_view(view, "json")))] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda view: view.update(audience="somebody_else"),
        lambda view: view.update(language="fr"),
        lambda view: view.update(status="maybe"),
        lambda view: view.update(extra=1),
        lambda view: view.pop("title"),
        lambda view: view["sections"].reverse(),
        lambda view: view["sections"].pop(),
        lambda view: view["sections"][0].update(id="other"),
        lambda view: view["sections"][0]["blocks"].append({"type": "unheard_of"}),
        lambda view: view["sections"][0]["blocks"][0].pop("type"),
        lambda view: view["sections"][0]["blocks"][0].update(secret=1),
    ],
    ids=range(11),
)
def test_a_view_that_is_not_as_declared_does_not_fit(audiences: Mapping[str, Audience], change: Any) -> None:
    audience = audiences["customer"]
    view = json.loads(render_view(build_view(make_record(adverse=False), make_description(), audience), "json"))
    validator = Draft202012Validator(view_schema(audience))
    assert validator.is_valid(view)
    change(view)

    assert not validator.is_valid(view)


def test_one_audiences_view_does_not_fit_anothers_schema(audiences: Mapping[str, Audience]) -> None:
    view = json.loads(render_view(_views(audiences["customer"])[0], "json"))

    assert not Draft202012Validator(view_schema(audiences["relationship_manager"])).is_valid(view)


def test_only_audiences_with_views_of_many_cases_have_a_schema_of_them(audiences: Mapping[str, Audience]) -> None:
    Draft202012Validator.check_schema(view_schema(audiences["business_manager"], cohort=True))
    with pytest.raises(InvalidRequestError, match="'customer' has no views of many cases"):
        view_schema(audiences["customer"], cohort=True)


def test_a_field_that_json_has_no_word_for_is_a_mistake_of_ours() -> None:
    @dataclass
    class Odd:
        field: bytes

    with pytest.raises(TypeError, match="a view cannot hold"):
        _value(Odd.__annotations__["field"], {})


def test_the_command_prints_a_schema() -> None:
    done = CliRunner().invoke(app, ["audience", "schema", "customer"], catch_exceptions=False)

    assert json.loads(done.stdout) == view_schema(load_audiences()["customer"])
