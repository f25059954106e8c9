from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.conftest import frozen_surroundings
from xaisvc.engine.commands import ExplainCommand
from xaisvc.engine.loading import make_service
from xaisvc.engine.replay import Difference, replay
from xaisvc.engine.stored import StoredExplanations
from xaisvc.errors import InvalidRequestError
from xaisvc.records import MemoryRecordStore
from xaisvc.types import LOCAL, Deadline, ErrorTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.stored import Stored

    Explain = Callable[..., Stored]

ROW = {"a": 1.5, "b": 0.5}


@pytest.fixture
def explain(explainer: Explainer) -> Explain:
    """Explains a row by a service and reads back what it stored."""

    def work(**changes: object) -> Stored:
        store = MemoryRecordStore()
        service = make_service([explainer], store, surroundings=frozen_surroundings())
        record = service.explain(ExplainCommand(bundle="log-model", rows=[ROW], **changes))[0].record  # type: ignore[arg-type]
        assert record is not None
        return StoredExplanations(store).get(record.id, LOCAL)

    return work


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "permutation", "seed": 7},
        {"method": "kernel", "budget": 20},
        {"method": "permutation", "budget": ErrorTarget(0.5)},
        {"players": {"first": ("a",), "second": ("b",)}, "method": "kernel"},
    ],
    ids=["default", "seed", "budget", "error target", "own players"],
)
def test_a_record_is_computed_again_from_what_it_names(
    explain: Explain, explainer: Explainer, changes: dict[str, object]
) -> None:
    found = replay(explain(**changes), explainer)

    assert found.agrees
    assert found.computed
    assert found.pinned == found.numbers == ()
    assert found.largest_gap < 1e-6


def test_a_number_that_was_changed_is_named(explain: Explain, explainer: Explainer) -> None:
    stored = explain()
    attribution = stored.record.attribution
    first = attribution.players[0]
    changed = dataclasses.replace(first, value=first.value + 1e-5)
    forged = dataclasses.replace(
        stored,
        record=dataclasses.replace(
            stored.record, attribution=dataclasses.replace(attribution, players=(changed, *attribution.players[1:]))
        ),
    )

    found = replay(forged, explainer)

    assert not found.agrees
    assert [difference.what for difference in found.numbers] == ["value of a"]
    assert found.largest_gap == pytest.approx(1e-5 / abs(attribution.output), rel=1e-3)


@pytest.mark.parametrize("name", ["model", "background", "schema"])
def test_another_file_is_named_and_nothing_is_computed(explain: Explain, explainer: Explainer, name: str) -> None:
    stored = explain()
    frame = dataclasses.replace(stored.frame, digests=dataclasses.replace(stored.frame.digests, **{name: "0" * 64}))

    found = replay(dataclasses.replace(stored, frame=frame), explainer)

    assert not found.agrees
    assert not found.computed
    assert np.isnan(found.largest_gap)
    ours = getattr(explainer.bundle.digests, name)
    assert found.pinned == (Difference(what=f"{name} digest", recorded="0" * 64, found=ours),)


def test_another_version_is_told_but_numbers_decide(explain: Explain, explainer: Explainer) -> None:
    stored = explain()
    frame = dataclasses.replace(stored.frame, software={**stored.frame.software, "numpy": "1.0"})

    found = replay(dataclasses.replace(stored, frame=frame), explainer)

    assert found.agrees
    assert [(one.what, one.recorded) for one in found.pinned] == [("version of numpy", "1.0")]


def test_what_a_deadline_gave_cannot_be_repeated(explain: Explain, explainer: Explainer) -> None:
    with pytest.raises(InvalidRequestError, match="computed until a deadline"):
        replay(explain(method="permutation", budget=Deadline(0.05)), explainer)
