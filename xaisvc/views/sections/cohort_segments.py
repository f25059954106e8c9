"""Where a model is weaker: how far explanations may be relied on, overall and segment by segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from xaisvc.types.cohort import Comparison
from xaisvc.views.cohort_context import fraction
from xaisvc.views.document import Cell, Column, Fact, Facts, Notice, Paragraph, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.cohort import Segment, Segmentation
    from xaisvc.views.cohort_context import CohortSection
    from xaisvc.views.document import Block

_LEVELS = ("normal", "care", "unreliable", "normal_care", "care_unreliable")
"""Levels of reliability, and those that can be told as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Shares of the levels of reliability, and one table for each way in which the cohort was cut."""

    type: ClassVar[str] = "segments"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "weaker": (),
        "weaker_text": ("segments",),
        "none": (),
        "not_cut": (),
        "not_compared": (),
        "levels": (),
        **{f"level.{level}": () for level in _LEVELS},
        "levels_withheld": (),
        **{f"nearly_all.{level}": () for level in _LEVELS[:3]},
        "range": ("share", "low", "high"),
        "caption": ("subject",),
        "cases": (),
        "cases_value": ("count", "share"),
        "adverse": (),
        "limits": (),
        "plain": ("share",),
        "compared": ("share", "word"),
        "higher": (),
        "lower": (),
        "not_beyond_chance": (),
        "untold": (),
        "not_told": ("subject",),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """What is weaker first, then the figures."""
        view = context.view
        cuts = view.cohort.segments
        found: list[Block] = []
        if view.weaker:
            named = "; ".join(f"{view.subject(by)}: {view.cell(by, one.cell)}" for by, one in view.weaker)
            text = context.say("weaker_text", segments=named)
            found.append(Notice(tone="care", title=context.say("weaker"), text=text))
        else:
            is_compared = any(one.weaker is not None for cut in cuts for one in cut.segments)
            found.append(Paragraph(text=context.say("none" if is_compared else "not_compared" if cuts else "not_cut")))
        found.append(self._levels(context))
        for cut in cuts:
            if cut.segments:
                found.append(self._table(context, cut))
            else:
                found.append(Paragraph(text=context.say("not_told", subject=view.subject(cut.by)), role="fine"))
        return tuple(found)

    @staticmethod
    def _levels(context: CohortSection) -> Block:
        parts = context.view.cohort.reliability
        level = context.view.cohort.level
        if level:
            tone: Literal["info", "care", "stop"] = "info"
            if level != "normal":
                tone = "care" if level == "care" else "stop"
            return Notice(tone=tone, title=context.say(f"nearly_all.{level}"))
        if not parts:
            return Paragraph(text=context.say("levels_withheld"))
        rows = tuple(
            Fact(
                label=context.say(f"level.{'_'.join(part.levels)}"),
                value=context.range_of(part.share),
            )
            for part in parts
        )
        return Facts(title=context.say("levels"), rows=rows)

    def _table(self, context: CohortSection, cut: Segmentation) -> Table:
        subject = context.view.subject(cut.by)
        decided = any(one.adverse is not None for one in cut.segments)
        relied = any(one.reliability for one in cut.segments)
        columns = (
            Column(label=subject),
            Column(label=context.say("cases"), numeric=True),
            *((Column(label=context.say("adverse")),) if decided else ()),
            *((Column(label=context.say("limits")),) if relied else ()),
        )
        return Table(
            caption=context.say("caption", subject=subject),
            columns=columns,
            rows=tuple(self._row(context, cut.by, one, decided=decided, relied=relied) for one in cut.segments),
        )

    def _row(self, context: CohortSection, by: str, one: Segment, *, decided: bool, relied: bool) -> tuple[Cell, ...]:
        adverse = None if one.adverse is None else one.adverse.percent
        normal = next((part.share.percent for part in one.reliability if part.levels == ("normal",)), None)
        limits = None if normal is None else 100 - normal
        return (
            Cell(text=context.view.cell(by, one.cell)),
            Cell(text=context.say("cases_value", count=one.n, share=fraction(one.share))),
            *((self._compared(context, adverse, one.adverse_compared),) if decided else ()),
            *((self._compared(context, limits, one.weaker, marked=one.weaker is Comparison.HIGHER),) if relied else ()),
        )

    @staticmethod
    def _compared(
        context: CohortSection, percent: int | None, word: Comparison | None, *, marked: bool = False
    ) -> Cell:
        if percent is None:
            return Cell(text=context.say("untold"))
        share = fraction(percent)
        if word is None:
            return Cell(text=context.say("plain", share=share))
        return Cell(text=context.say("compared", share=share, word=context.say(word.value)), marked=marked)
