"""How explanations are used, per audience, counted from views and feedback. Names nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xaisvc.records.base import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xaisvc.records.base import Event

USAGE_KINDS: Final = (EventKind.VIEW, EventKind.FEEDBACK)
AGREE: Final = "agree"
DEVIATE: Final = "deviate"
NOT_USED: Final = "not_used"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceUsage:
    """How one audience used explanations.

    Attributes:
        audience: Name of the audience.
        opens: Views that were rendered.
        readers: Different readers that opened one: by their pseudonyms, or by the caller where none was given.
        repeat_readers: Those of them that opened one on two or more days (UTC).
        agreements: Feedback that the reader's judgement agreed with the model.
        overrides: Feedback that the reader deviated from the model.
        not_used: Feedback that the explanation played no part.
        changed_judgements: Feedback whose final judgement differs from the first; both were given.
        reasons: Reason code to number of times it was given.
        outcomes: Later outcome to number of times it was reported.
    """

    audience: str
    opens: int = 0
    readers: int = 0
    repeat_readers: int = 0
    agreements: int = 0
    overrides: int = 0
    not_used: int = 0
    changed_judgements: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "audience": self.audience,
            "opens": self.opens,
            "readers": self.readers,
            "repeat_readers": self.repeat_readers,
            "agreements": self.agreements,
            "overrides": self.overrides,
            "not_used": self.not_used,
            "changed_judgements": self.changed_judgements,
            "reasons": dict(self.reasons),
            "outcomes": dict(self.outcomes),
        }


@dataclass(slots=True)
class _Counts:
    """What was counted for one audience so far."""

    opens: int = 0
    days: dict[str, set[str]] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        if event.kind == EventKind.VIEW:
            self.opens += 1
            reader = _fact(event, "reader") or event.caller
            self.days.setdefault(reader, set()).add(event.at[:10])
            return
        self.verdicts[_fact(event, "verdict")] += 1
        first, final = _fact(event, "first_judgement"), _fact(event, "final_judgement")
        self.changed += bool(first and final and first != final)
        for name, counter in (("reason_code", self.reasons), ("outcome", self.outcomes)):
            value = _fact(event, name)
            if value:
                counter[value] += 1

    def result(self, audience: str) -> AudienceUsage:
        return AudienceUsage(
            audience=audience,
            opens=self.opens,
            readers=len(self.days),
            repeat_readers=sum(len(days) > 1 for days in self.days.values()),
            agreements=self.verdicts[AGREE],
            overrides=self.verdicts[DEVIATE],
            not_used=self.verdicts[NOT_USED],
            changed_judgements=self.changed,
            reasons=dict(sorted(self.reasons.items())),
            outcomes=dict(sorted(self.outcomes.items())),
        )


def usage(events: Iterable[Event], *, bundle: str = "", since: str = "", until: str = "") -> tuple[AudienceUsage, ...]:
    """Counts views and feedback per audience, in the order of the audiences' names.

    Views carry `audience` in their head; feedback carries `audience`, `verdict` (`agree`, `deviate` or `not_used`),
    `reason_code`, `first_judgement`, `final_judgement` and `outcome`. Events of other kinds are passed over.

    Args:
        events: Events in any order; their parts are not read.
        bundle: Only this bundle; all of them if empty.
        since: From this time on, ISO 8601 in UTC; a date will do.
        until: Before this time; the same.
    """
    counts: dict[str, _Counts] = {}
    for event in events:
        if event.kind not in USAGE_KINDS or (bundle and event.bundle != bundle):
            continue
        if event.at < since or (until and event.at >= until):
            continue
        counts.setdefault(_fact(event, "audience"), _Counts()).add(event)
    return tuple(counts[audience].result(audience) for audience in sorted(counts))


def _fact(event: Event, name: str) -> str:
    value = event.head.get(name)
    return "" if value is None else str(value)
