from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.conftest import bundle_dir
from xaisvc.config import Settings
from xaisvc.engine.commands import ExplainCommand
from xaisvc.errors import BusyError, StoreError
from xaisvc.records import Event, EventKind, Part, SqliteRecordStore, store_path
from xaisvc.server.assembly import assemble
from xaisvc.server.place import Place

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bundle_dir"]  # a fixture of the engine's tests

ROW = {"a": 1.5, "b": 0.5}
COMMAND = ExplainCommand(bundle="log-model", rows=[ROW])
LONG_AGO = "2001-01-01T00:00:00.000Z"


@pytest.fixture
def settings(bundle_dir: Path, tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    return Settings(models=(bundle_dir,), data_dir=data, device="cpu", cache="memory:")


def old_event(folder: Path, process: int) -> None:
    """Puts an event that is long past its time into the file of a process."""
    event = Event(
        id=f"old-{process}", kind=EventKind.EXPLANATIONS, at=LONG_AGO, bundle="log-model", parts=[Part(content=b"row")]
    )
    with closing(SqliteRecordStore(store_path(folder, process))) as store:
        store.append(event).result()


def test_what_was_answered_is_recorded_when_all_is_closed_and_nothing_more_is_begun(settings: Settings) -> None:
    with assemble(settings, Place()) as parts:
        (outcome,) = parts.service.explain(COMMAND)
    assert outcome.record is not None
    with pytest.raises(BusyError):
        parts.service.explain(ExplainCommand(bundle="log-model", rows=[{"a": 2.5, "b": 0.5}]))
    with pytest.raises(StoreError):
        parts.store.append(Event(id="late", kind=EventKind.FEEDBACK, at=LONG_AGO)).result()

    with closing(SqliteRecordStore(store_path(settings.data_dir))) as store:
        event = store.get(outcome.record.id.rpartition("-")[0])
    assert event is not None
    assert len(event.parts) == 1


def test_each_process_has_records_of_its_own_and_reads_those_of_all(settings: Settings) -> None:
    places = [Place(index=index, count=2) for index in (0, 1)]
    with assemble(settings, places[0]) as first, assemble(settings, places[1]) as second:
        (outcome,) = first.service.explain(COMMAND)
        assert outcome.record is not None
        assert second.service.get_explanation(outcome.record.id) == outcome.record
        assert first.store.path != second.store.path


def test_the_first_process_also_looks_after_the_age_of_records_that_others_have_left(settings: Settings) -> None:
    for process in (0, 1, 2):
        old_event(settings.data_dir, process)

    with (
        assemble(settings, Place(index=0, count=2)) as first,
        assemble(settings, Place(index=1, count=2)) as second,
    ):
        assert second.retain({}, 25, caller="test") == {"log-model": 1}
        assert first.retain({}, 25, caller="test") == {"log-model": 2}  # its own, and what a third has left
        assert first.retain({}, 25, caller="test") == {}


def test_what_is_kept_for_longer_stays(settings: Settings) -> None:
    old_event(settings.data_dir, 0)
    months = 12 * (datetime.now(UTC) - datetime.fromisoformat(LONG_AGO) + timedelta(days=400)).days // 365

    with assemble(settings, Place()) as parts:
        assert parts.retain({"log-model": months}, 1, caller="test") == {}
        assert parts.retain({}, 1, caller="test") == {"log-model": 1}
