"""What days the facts of rows are from, of which a file beside the rows tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xaisvc.bundles import read_dates
from xaisvc.engine.fact_dates import checked_fact_dates, latest_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.types import BundleDescription, FactDates


def read_days(
    description: BundleDescription, file: Path | None, only: Sequence[int] | None, count: int
) -> tuple[FactDates, ...]:
    """The days of each row, checked before anything is computed.

    Args:
        description: The schema.
        file: Holds them; none are known if None.
        only: Indices of the rows wanted; all of them if None.
        count: Number of rows wanted.

    Raises:
        InvalidInputError: If the file cannot be read, or says what cannot be.
    """
    if file is None:
        return ()
    return checked_fact_dates(description, read_dates(file, only), count, latest_day(datetime.now(UTC)))


def dated(batches: Iterable[ExplanationBatch], days: Sequence[FactDates]) -> Iterator[ExplanationBatch]:
    """Batches of consecutive rows with the days of each."""
    start = 0
    for batch in batches:
        yield batch.with_fact_dates(days[start : start + len(batch)])
        start += len(batch)
