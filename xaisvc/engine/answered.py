"""What has become of a request so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from xaisvc.engine.commands import RowOutcome
    from xaisvc.engine.reading import Prepared
    from xaisvc.engine.singles import Single
    from xaisvc.types import Caveat, ExplanationRecord


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request, and when its records are durable: nothing may be told before.

    Attributes:
        outcomes: One for each row, in order.
        stored: Done when the records are durable, or could not be written.
        told: To be called then.
        batch_caveats: What is the matter with the rows together; none for few rows, and for callers who see no numbers.
    """

    outcomes: tuple[RowOutcome, ...]
    stored: Future[None]
    told: Callable[[], None]
    batch_caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """A single row whose answer lay in memory: known before, but for who asked and when.

    Attributes:
        id: Id of the explanation.
        created_at: Time of the answer, ISO 8601 in UTC.
        name: Stands for everything else that the record says beside the answer: the row, and what was asked of it.
        answer: The encoded answer. Explanations of the same name and answer differ in id and time alone.
        record: Makes the record.
        stored: Done when the record is durable, or could not be written.
        told: To be called then.
    """

    id: str
    created_at: str
    name: bytes
    answer: bytes
    record: Callable[[], ExplanationRecord]
    stored: Future[None]
    told: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Underway:
    """A single row on its way, while no thread waits for it.

    Attributes:
        prepared: The request.
        single: The row; None if somebody is computing it already, so that its caller has to wait for them.
    """

    prepared: Prepared
    single: Single | None
