"""Golden cases: real records, and what each becomes when something is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from xaisvc.types import Caveat, Gate, Sensitivity, Severity
from xaisvc.types.supplements import NO_SUPPLEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.types.supplements import Supplements
    from xaisvc.views.audience import Audience

_TIED = 2
_STALE_AFTER_DAYS = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCase:
    """A record that every audience is shown.

    Attributes:
        name: What it is called in findings.
        record: The record.
        description: The bundle that it was made with.
        supply: What is shown to an audience beside the record; nothing if None.
        judged: Whether the reader's own first judgement is stored.
    """

    name: str
    record: ExplanationRecord
    description: BundleDescription
    supply: Callable[[Audience], Supplements] | None = None
    judged: bool = True

    def beside(self, audience: Audience) -> Supplements:
        """What is shown to an audience beside the record."""
        return NO_SUPPLEMENTS if self.supply is None else self.supply(audience)


def golden_cases(given: Iterable[GoldenCase], audiences: Iterable[Audience]) -> tuple[GoldenCase, ...]:
    """The given cases, and for the first of each bundle what an audience must be able to say of it.

    Added are: explanations that cannot be relied on (of every case), a bundle that some audiences get no view of, an
    output without a decision, a case that its reader has not judged yet, one whose facts have days and are too old, and
    each caveat that any audience has words for, with the gate that the words are for.
    """
    kinds = sorted({kind for audience in audiences for kind in _worded(audience)}, key=str)
    found: list[GoldenCase] = []
    seen: set[str] = set()
    for case in given:
        found += [case, _unreliable(case)]
        if case.description.name not in seen:
            seen.add(case.description.name)
            found += [_closed(case), _undecided(case), _before(case), _dated(case), *_with_caveats(case, kinds)]
    return tuple(found)


def _worded(audience: Audience) -> Iterator[tuple[str, Gate | None]]:
    """The kinds of caveats that an audience has words for, each with the gate that they are for."""
    gates = {gate.value: gate for gate in Gate}
    for catalogue in audience.catalogues.values():
        for key in catalogue.messages:
            if key.startswith("caveat.") and not key.startswith("caveat.other."):
                _, kind, *rest = key.split(".")
                yield kind, gates.get(rest[0])


def _unreliable(case: GoldenCase) -> GoldenCase:
    caveat = Caveat(kind="estimator_noise", severity=Severity.UNRELIABLE, gates=(Gate.NO_REASONS,))
    return replace(
        case, name=f"{case.name}, unreliable", record=replace(case.record, caveats=(caveat, *case.record.caveats))
    )


def _closed(case: GoldenCase) -> GoldenCase:
    """The bundle as if its last feature were about money laundering."""
    *features, last = case.description.features
    description = replace(case.description, features=(*features, replace(last, sensitivity=Sensitivity.AML)))
    return replace(case, name=f"{case.name}, closed", description=description)


def _before(case: GoldenCase) -> GoldenCase:
    return replace(case, name=f"{case.name}, not judged yet", judged=False)


def _dated(case: GoldenCase) -> GoldenCase:
    """The facts as if they were of the day before the oldest that the bundle would take; every other with an origin."""
    day = datetime.fromisoformat(case.record.created_at).date() - timedelta(days=_STALE_AFTER_DAYS + 1)
    features = tuple(
        replace(feature, stale_after_days=_STALE_AFTER_DAYS, origins=feature.origins if i % 2 else {})
        for i, feature in enumerate(case.description.features)
    )
    return replace(
        case,
        name=f"{case.name}, dated",
        record=replace(case.record, fact_dates=dict.fromkeys(case.record.row, day)),
        description=replace(case.description, features=features),
    )


def _undecided(case: GoldenCase) -> GoldenCase:
    outputs = tuple(replace(out, adverse=None, threshold=None, bands=()) for out in case.description.outputs)
    output = replace(case.record.output, adverse=None, band="")
    return replace(
        case,
        name=f"{case.name}, undecided",
        record=replace(case.record, output=output),
        description=replace(case.description, outputs=outputs),
    )


def _with_caveats(case: GoldenCase, kinds: Iterable[tuple[str, Gate | None]]) -> Iterator[GoldenCase]:
    """One caveat at a time: about the strongest player, or the two strongest where it says that they go together."""
    ranked = sorted(case.record.attribution.players, key=lambda player: -abs(player.value))
    names = tuple(player.player for player in ranked[:_TIED])
    for kind, gate in kinds:
        tied = kind == "shared_credit"
        gates = (*((Gate.NO_RANKING,) if tied else ()), *((gate,) if gate else ()))
        caveat = Caveat(kind=kind, severity=Severity.CARE, players=names if tied else names[:1], gates=gates)
        name = f"{case.name}, {kind}" + (f" with {gate.value}" if gate else "")
        yield replace(case, name=name, record=replace(case.record, caveats=(caveat,)))
