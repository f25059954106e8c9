"""What people read who have an export and not xaisvc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.unit.frames import FRAME
from xaisvc.engine.readable import ReadableParts
from xaisvc.records import Event, EventKind, Part, encode_description
from xaisvc.records.answers import encode_answer, encode_frame, encode_rows
from xaisvc.types import (
    BundleDescription,
    Caveat,
    Feature,
    Gate,
    Kind,
    Output,
    RobustNumber,
    RowAnswer,
    Severity,
    Table,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DESCRIPTION = BundleDescription(
    name="loans",
    version="1",
    owner="Credit",
    purpose="Decides",
    out_of_scope="Nothing else",
    features=(Feature(id="age", kind=Kind.NUMERIC, source=TensorColumn(tensor="age")),),
    outputs=(Output(id="default", tensor="p", target=1),),
)
CAVEATS = (
    Caveat(
        kind="shared_credit",
        severity=Severity.CARE,
        players=("age",),
        message="Read the sum.",
        evidence={"association": 0.75},
        robust=RobustNumber(players=("age",), value=0.5, low=0.25, high=0.75),
        gates=(Gate.NO_RANKING,),
        model_rows=3,
    ),
    Caveat(kind="near_threshold", severity=Severity.INFO),
)


class OneDescription:
    """A record store that knows a description and no event."""

    def get(self, event_id: str) -> Event | None:
        raise AssertionError(event_id)

    def get_description(self, schema_digest: str) -> bytes | None:
        return encode_description(DESCRIPTION) if schema_digest == "cc" else None

    def events(
        self, *, kinds: Sequence[EventKind] = (), bundle: str = "", about: str = "", with_parts: bool = True
    ) -> Iterator[Event]:
        raise AssertionError((kinds, bundle, about, with_parts))


def an_event(content: bytes) -> Event:
    return Event(
        id="e",
        kind=EventKind.EXPLANATIONS,
        at="2026-03-01T12:00:00.000Z",
        bundle="loans",
        caller="officer",
        about="",
        head={},
        frame=encode_frame(FRAME),
        parts=(Part(content=content), None),
    )


def test_an_explanation_is_written_with_the_names_of_its_caveats_and_how_far_to_rely_on_it() -> None:
    answer = RowAnswer(
        prediction=0.25,
        rank_share=0.5,
        base_value=0.0,
        output=0.5,
        values=np.array([0.5]),
        standard_errors=np.zeros(1),
        exact=True,
        model_evaluations=0,
        band="",
        adverse=None,
        detail="",
        caveats=CAVEATS,
    )
    event = an_event(encode_rows(Table({"age": np.array([41.0])}))[0] + encode_answer(answer))
    written = ReadableParts(OneDescription())(event, 0)

    assert isinstance(written, dict)
    assert written["id"] == "e-0"
    assert written["reliability"] == "care"
    assert written["caveats"] == [
        {
            "id": CAVEATS[0].id,
            "kind": "shared_credit",
            "severity": "care",
            "players": ["age"],
            "message": "Read the sum.",
            "evidence": {"association": 0.75},
            "robust": {"players": ["age"], "value": 0.5, "low": 0.25, "high": 0.75},
            "gates": ["no_ranking"],
            "model_rows": 3,
        },
        {
            "id": CAVEATS[1].id,
            "kind": "near_threshold",
            "severity": "info",
            "players": [],
            "message": "",
            "evidence": {},
            "robust": None,
            "gates": [],
            "model_rows": 0,
        },
    ]


def test_a_part_that_cannot_be_read_comes_as_its_bytes() -> None:
    event = an_event(b"\x01 of another version")

    assert ReadableParts(OneDescription())(event, 0) == {"base64": "ASBvZiBhbm90aGVyIHZlcnNpb24="}
    assert ReadableParts(OneDescription())(event, 1) is None
