"""What the clients send to ask for many explanations."""

from __future__ import annotations

from typing import Any

import pytest

from xaisvc.client import CohortSelection
from xaisvc.client.cohorts import cohort_request
from xaisvc.engine.cohort_request import CohortRequest
from xaisvc.engine.commands import ViewRequest
from xaisvc.errors import InvalidRequestError
from xaisvc.server.convert_cohort import cohort_request as read
from xaisvc.server.convert_cohort import view_request
from xaisvc.v1 import explanations_pb2 as pb

VIEW = ViewRequest(audience="board", format="json", language="nl")


def sent(**changes: Any) -> pb.RenderCohortRequest:
    choices: dict[str, Any] = {
        "selection": None, "against": None, "output": None, "segment_by": (), "view": VIEW, "reader": "",
    }  # fmt: skip
    return pb.RenderCohortRequest.FromString(cohort_request("loans", **(choices | changes)).SerializeToString())


def test_a_request_comes_back_as_it_was() -> None:
    days = CohortSelection(since="2026-10-01", until="2026-11-01")
    named = CohortSelection(ids=("e1-0", "e1-1"))

    message = sent(selection=days, against=named, output="risk", segment_by=["purpose", "band"], reader="r1")

    assert read(message) == CohortRequest(
        model="loans", selection=days, against=named, output="risk", segment_by=("purpose", "band"), audience="board"
    )
    assert view_request(message) == VIEW
    assert message.reader == "r1"


def test_what_is_not_said_is_the_service_s_choice() -> None:
    assert read(sent()) == CohortRequest(model="loans", audience="board")
    empty = pb.RenderCohortRequest(model="loans")
    assert read(empty) == CohortRequest(model="loans", audience="business_manager")
    assert view_request(empty) == ViewRequest(audience="business_manager", format="html", language="en")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"segment_by": "purpose"}, "segment_by"),
        ({"segment_by": [1]}, "segment_by"),
        ({"selection": CohortSelection(ids="e1-0")}, r"selection\.ids"),  # type: ignore[arg-type]
        ({"against": CohortSelection(ids=(1,))}, r"against\.ids"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_list_is_refused_before_it_is_sent(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field}: must be a list of texts$"):
        sent(**changes)
