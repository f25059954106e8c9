"""What people did with the explanations, and what whoever answers for the model has to look into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.cohort import ALARM_FLOOR, Extent
from xaisvc.views.cohort_context import fraction
from xaisvc.views.cohort_points import STAND_IN_KINDS
from xaisvc.views.document import Cell, Column, Notice, Paragraph, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.cohort import Alarm, People, Share
    from xaisvc.views.cohort_context import CohortSection
    from xaisvc.views.document import Block


_COUNTS = ("opened", "judged", "overridden", "unused", "readers", "repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleAndModel:
    """How often explanations were opened, overruled and left aside, reader by reader; nobody is singled out."""

    type: ClassVar[str] = "people"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "none": (),
        "intro": (),
        "followed": ("readers",),
        "caption": (),
        "who": (),
        "opened": (),
        "judged": (),
        "overridden": (),
        "unused": (),
        "readers": (),
        "repeat": (),
        "count": ("count",),
        "range": ("share", "low", "high"),
        "few": (),
        "nearly_all": (),
        "untold": (),
        "hidden": ("counts",),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """One row for each audience."""
        people = context.view.cohort.people
        if not people:
            return (Paragraph(text=context.say("none")),)
        found: list[Block] = [Paragraph(text=context.say("intro"))]
        followed = tuple(self._name(context, one) for one in people if one.rarely_overridden)
        if followed:
            found.insert(0, Notice(tone="care", title=context.say("followed", readers=followed)))
        rows = [self._row(context, one) for one in people]
        shown = [key for key in _COUNTS if any(row[key] for row in rows)]
        hidden = [context.say(key) for key in _COUNTS if key not in shown]
        if shown:
            untold = context.say("untold")
            columns = (
                Column(label=context.say("who")),
                *(Column(label=context.say(key), numeric=True) for key in shown),
            )
            cells = tuple(
                (Cell(text=self._name(context, one)), *(Cell(text=row[key] or untold) for key in shown))
                for one, row in zip(people, rows, strict=True)
            )
            found.append(Table(caption=context.say("caption"), columns=columns, rows=cells))
        if hidden:
            found.append(Paragraph(text=context.say("hidden", counts="; ".join(hidden)), role="fine"))
        return tuple(found)

    @staticmethod
    def _name(context: CohortSection, one: People) -> str:
        return context.view.names.get(one.audience, one.audience)

    @staticmethod
    def _row(context: CohortSection, one: People) -> dict[str, str]:
        """Each count in words; empty where it is not told."""

        def count(number: int | None) -> str:
            return "" if number is None else context.say("count", count=number)

        def share(found: Share | None) -> str:
            return "" if found is None else context.range_of(found)

        overridden = share(one.overridden)
        if one.overridden is None and one.override_extent in {Extent.FEW, Extent.NEARLY_ALL}:
            overridden = context.say(one.override_extent.value)
        return {
            "opened": count(one.opened),
            "judged": count(one.judged),
            "overridden": overridden,
            "unused": share(one.unused),
            "readers": count(one.readers),
            "repeat": share(one.repeat_readers),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Protected facts, and stand-ins for them, that weigh; and signs that explanations were played with."""

    type: ClassVar[str] = "alarms"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "none": ("floor",),
        "protected": ("facts",),
        "protected_text": ("share",),
        "proxy": ("facts",),
        "proxy_unnamed": (),
        "proxy_text": (),
        "hidden": ("facts",),
        "hidden_unnamed": (),
        "hidden_text": (),
        "manipulation": (),
        "manipulation_text": (),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """One notice for each alarm."""
        alarms = context.view.cohort.alarms
        if not alarms:
            return (Notice(tone="info", title=context.say("none", floor=ALARM_FLOOR)),)
        return tuple(self._notice(context, alarm) for alarm in alarms)

    @staticmethod
    def _notice(context: CohortSection, alarm: Alarm) -> Notice:
        description, code = context.view.description, context.view.language.code
        facts = tuple(description.feature(one).label(code) for one in alarm.features)
        if alarm.kind == "protected_influence" and alarm.share is not None:
            text = context.say("protected_text", share=fraction(alarm.share.percent))
            return Notice(tone="care", title=context.say("protected", facts=facts), text=text)
        if alarm.kind == "possible_manipulation":
            return Notice(tone="stop", title=context.say("manipulation"), text=context.say("manipulation_text"))
        kind = STAND_IN_KINDS[alarm.kind]
        title = context.say(kind, facts=facts) if facts else context.say(f"{kind}_unnamed")
        return Notice(tone="care", title=title, text=context.say(f"{kind}_text"))
