"""Computes a stored explanation again from what it names, and says whether it agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.engine.frames import ANSWER_VERSION, software
from xaisvc.errors import InvalidRequestError
from xaisvc.types import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.engine.explainer import Explainer
    from xaisvc.engine.stored import Stored
    from xaisvc.types import ExplanationRecord, Players

TOLERANCE = 1e-6
"""Of the largest number among output, base value and attributions, at least of 1: in a batch of another shape, models
round float32 answers differently in the last bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is not as it was.

    Attributes:
        what: What differs, for example `model digest` or `value of age`.
        recorded: As the record has it.
        found: As it is now.
    """

    what: str
    recorded: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of computing a record again.

    Attributes:
        record_id: The record.
        agrees: Whether every number is the same up to `TOLERANCE`, computed from the same files.
        pinned: Digests and versions that differ from those recorded; numbers may differ for these reasons.
        numbers: Numbers that differ by more than the tolerance.
        largest_gap: Largest difference between numbers, relative to the largest of them.
        computed: Whether anything was computed: not if model, background or schema are others.
    """

    record_id: str
    agrees: bool
    pinned: tuple[Difference, ...]
    numbers: tuple[Difference, ...]
    largest_gap: float
    computed: bool


def replay(stored: Stored, explainer: Explainer) -> Replay:
    """Computes the explanation of a record again.

    Args:
        stored: The record.
        explainer: The bundle of the record's name.

    Raises:
        InvalidRequestError: If the record was made under a deadline, which nobody can repeat.
    """
    frame, record = stored.frame, stored.record
    if isinstance(frame.budget, Deadline):
        raise InvalidRequestError.of(
            "record", "it was computed until a deadline, so how much was computed depends on that moment's load"
        )
    pinned = _pinned(stored, explainer)
    if any(difference.what.endswith("digest") for difference in pinned):
        return Replay(
            record_id=record.id, agrees=False, pinned=pinned, numbers=(), largest_gap=float("nan"), computed=False
        )
    batch = explainer.explain(
        [record.row],
        method=frame.method,
        output=frame.output,
        players=_players(frame.players),
        budget=frame.budget,
        seed=frame.seed,
        space=frame.space,
    )
    numbers, gap = _compare(record, batch[0].record)
    return Replay(
        record_id=record.id, agrees=not numbers, pinned=pinned, numbers=numbers, largest_gap=gap, computed=True
    )


def _pinned(stored: Stored, explainer: Explainer) -> tuple[Difference, ...]:
    frame, digests = stored.frame, explainer.bundle.digests
    pairs: list[tuple[str, object, object]] = [
        ("model digest", frame.digests.model, digests.model),
        ("background digest", frame.digests.background, digests.background),
        ("schema digest", frame.digests.schema, digests.schema),
        ("answer version", frame.answer_version, ANSWER_VERSION),
        ("device", frame.device, explainer.device),
    ]
    versions = software()
    pairs += [
        (f"version of {name}", frame.software.get(name, "none"), versions.get(name, "none"))
        for name in sorted(frame.software.keys() | versions.keys())
    ]
    return tuple(
        Difference(what=what, recorded=str(recorded), found=str(found))
        for what, recorded, found in pairs
        if recorded != found
    )


def _players(players: Players) -> str | Mapping[str, Sequence[str]]:
    """The players as they were asked for."""
    if players.kind != "custom":
        return players.kind
    return dict(zip(players.names, players.members, strict=True))


def _compare(recorded: ExplanationRecord, found: ExplanationRecord) -> tuple[tuple[Difference, ...], float]:
    before, after = _numbers(recorded), _numbers(found)
    first, second = np.array(list(before.values())), np.array(list(after.values()))
    scale = max(1.0, float(np.abs(first).max()))
    gaps = np.abs(first - second) / scale
    differences = tuple(
        Difference(what=name, recorded=repr(before[name]), found=repr(after[name]))
        for name, gap in zip(before, gaps.tolist(), strict=True)
        if not gap <= TOLERANCE
    )
    return differences, float(gaps.max())


def _numbers(record: ExplanationRecord) -> dict[str, float]:
    attribution = record.attribution
    found = {
        "prediction": record.output.prediction,
        "output": attribution.output,
        "base value": attribution.base_value,
    }
    for player in attribution.players:
        found[f"value of {player.player}"] = player.value
        found[f"standard error of {player.player}"] = player.standard_error
    return found
