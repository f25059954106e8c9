"""Sections for whoever talks to the client: what to do next, whether the data can be right, what may be said.

And what they decided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Level, Sensitivity
from xaisvc.types.supplements import Supplement
from xaisvc.views.document import Bullets, Fact, Facts, Notice, Paragraph
from xaisvc.views.sections.changes import offered
from xaisvc.views.selection import visible_features
from xaisvc.views.support import position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Feature
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block


def facts_to_check(context: SectionContext) -> tuple[Fact, ...]:
    """Visible features that are missing, outside the range that the model has seen or too old, and what is the matter.

    A fact is too old if its day was said, its bundle says after how many days it should be asked for again, and more
    had passed when the row was explained.
    """
    found = []
    for feature in visible_features(context.view.description, context.view.audience):
        if feature.id not in context.view.record.row:
            continue
        notes = []
        where = position(context.view.record, feature)
        if where in {"missing", "above", "below", "new"}:
            bound = _bound(context, feature.observed_range, where, feature.unit)
            notes.append(context.say(f"support.{where}", bound=bound))
        day = _stale_since(context, feature)
        if day is not None:
            days = context.view.language.quantity(feature.stale_after_days or 0, "days")
            notes.append(context.say("stale", day=day.isoformat(), days=days))
        if notes:
            found.append(context.fact(feature, " ".join(notes), as_of=day))
    return tuple(found)


def _stale_since(context: SectionContext, feature: Feature) -> date | None:
    """The day that a value is from, if it is too old; None if it is not, or that is not known."""
    record = context.view.record
    day = record.fact_dates.get(feature.id)
    if day is None or feature.stale_after_days is None or record.row[feature.id] is None:
        return None
    return day if (_utc_day(record.created_at) - day).days > feature.stale_after_days else None


def _utc_day(moment: str) -> date:
    return datetime.fromisoformat(moment).astimezone(UTC).date()


def _bound(context: SectionContext, seen: tuple[float, float] | None, where: str, unit: str | None) -> str:
    if seen is None or where in {"missing", "new"}:
        return ""
    return context.view.language.quantity(seen[1] if where == "above" else seen[0], unit)


CHECK_MESSAGES = {
    "support.missing": (),
    "support.new": (),
    "support.above": ("bound",),
    "support.below": ("bound",),
    "stale": ("day", "days"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What the model suggests, as a band or in words, and what to do first."""

    type: ClassVar[str] = "next_step"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "adverse": (),
        "favourable": (),
        "undecided": (),
        "band": ("band",),
        "steps_adverse": (),
        "steps_favourable": (),
        "steps_undecided": (),
        "steps_data": (),
        "steps_changes": (),
        "steps_unreliable": (),
        **CHECK_MESSAGES,
    }
    reasons: ClassVar[bool] = False
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.COUNTERFACTUALS})

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The suggestion, the band, and the steps in order."""
        view = context.view
        outcome = {True: "adverse", False: "favourable", None: "undecided"}[view.record.output.adverse]
        if view.reliability.level is Level.UNRELIABLE:
            return (
                Notice(tone="stop", title=context.say("steps_unreliable")),
                Paragraph(text=context.say(outcome)),
            )
        lead = context.say(outcome)
        if view.band:
            lead = f"{lead} {context.say('band', band=view.band)}"
        found = offered(context, 1)
        steps = (
            *(context.sentences("steps_data") if facts_to_check(context) else ()),
            *context.sentences(f"steps_{outcome}"),
            *(context.sentences("steps_changes") if found and found.alternatives else ()),
        )
        return Paragraph(text=lead, role="lead"), Bullets(items=steps, ordered=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCheck:
    """Facts that are missing, unlike anything the model has seen or too old, before any reason is read."""

    type: ClassVar[str] = "data_check"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {"title": (), "fine": (), "found": (), **CHECK_MESSAGES}
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The facts to check, or the sentence that there are none."""
        found = facts_to_check(context)
        if not found:
            return (Notice(tone="info", title=context.say("fine")),)
        return (Notice(tone="care", title=context.say("found")), Facts(rows=found))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaySay:
    """Which reasons and changes may be talked about with the client, and what stays inside.

    What a caveat keeps from being a reason stays inside, and so does a change that needs a fact which may not be said.

    Attributes:
        classes: Sensitivity classes whose facts may be said.
        maximum: Most reasons named.
        changes: Most changes looked at: as many as the view shows.
        floor: Least share of the visible influence for a reason.
    """

    type: ClassVar[str] = "may_say"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "may": ("facts",),
        "may_none": (),
        "may_change": ("facts",),
        "internal": ("facts",),
        "internal_change": ("facts",),
        "always": (),
        "may_title": (),
        "internal_title": (),
        "no_reasons.title": (),
        "no_reasons.text": (),
    }
    reasons: ClassVar[bool] = True
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.COUNTERFACTUALS})

    classes: tuple[str, ...] = ("public", "customer_own")
    maximum: int = 5
    changes: int = 3
    floor: float = 0.05

    def __post_init__(self) -> None:
        known = [sensitivity.value for sensitivity in Sensitivity]
        unknown = [name for name in self.classes if name not in known]
        if unknown:
            raise ValueError(f"unknown sensitivity class '{unknown[0]}'; known: {', '.join(known)}")

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Two lists: to say, and not to say."""
        allowed = {Sensitivity(name) for name in self.classes}
        selection = context.view.selection("concept")
        entries = [e for e in selection.entries if abs(e.value) >= self.floor * selection.total and e.value]
        may: list[str] = []
        internal = [entry.label for entry in selection.kept_back(self.floor)]
        for entry in entries[: self.maximum]:
            open_ = all(member.feature.sensitivity in allowed for member in entry.members)
            (may if open_ else internal).append(entry.label)
        say = context.sentences("may", facts=tuple(may)) if may else context.sentences("may_none")
        keep = tuple(sentence for label in internal for sentence in context.sentences("internal", facts=(label,)))
        open_changes, closed_changes = self._changes(context, allowed)
        if open_changes:
            say = (*say, *context.sentences("may_change", facts=open_changes))
        if closed_changes:
            keep = (*keep, *context.sentences("internal_change", facts=closed_changes))
        return (
            Bullets(title=context.say("may_title"), items=say),
            Bullets(title=context.say("internal_title"), items=(*keep, *context.sentences("always"))),
        )

    def _changes(self, context: SectionContext, allowed: set[Sensitivity]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the facts in changes that may be talked about, and of those in changes that may not."""
        found = offered(context, self.changes)
        names: tuple[dict[str, None], dict[str, None]] = ({}, {})
        for one in found.alternatives if found else ():
            features = [context.view.description.feature(name) for name in one.features]
            closed = not all(feature.sensitivity in allowed for feature in features)
            names[closed].update(dict.fromkeys(feature.label(context.view.language.code) for feature in features))
        return tuple(names[False]), tuple(label for label in names[True] if label not in names[False])


CODES = ("MISSED_SOMETHING", "DATA_WRONG", "DATA_OUTDATED", "NOT_SUITABLE", "OTHER")
"""Codes of the reasons to decide otherwise, as a feedback service takes them, unless a declaration lists others."""
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCapture:
    """What to write down once it is decided: the verdict, and why, in the words that a feedback service takes.

    The same in every view, so that nobody is led to one of the answers.

    Attributes:
        codes: Codes of the reasons; the audience's messages word each under `code.<code>`.
    """

    type: ClassVar[str] = "decision_capture"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        "agree": (),
        "deviate": (),
        "not_used": (),
        "why": (),
        "after": (),
    }
    reasons: ClassVar[bool] = False

    codes: tuple[str, ...] = CODES

    def __post_init__(self) -> None:
        for code in self.codes:
            if not _CODE.fullmatch(code):
                raise ValueError(f"'{code}' is no code; use capitals, digits and '_', starting with a letter")

    def own_messages(self) -> Mapping[str, tuple[str, ...]]:
        """The words of each code."""
        return {f"code.{code}": () for code in self.codes}

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The three verdicts, the reasons by code, and where it goes."""
        return (
            Paragraph(text=context.say("intro")),
            Bullets(items=tuple(context.say(verdict) for verdict in ("agree", "deviate", "not_used"))),
            Facts(
                title=context.say("why"),
                rows=tuple(Fact(label=context.say(f"code.{code}"), value=code) for code in self.codes),
                code=True,
            ),
            Paragraph(text=context.say("after")),
        )
