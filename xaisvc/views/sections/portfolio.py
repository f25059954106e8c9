"""Sections for whoever answers for the model: one case seen against many, without the client's own values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Level, Sensitivity
from xaisvc.views.document import Bar, BarChart, Fact, Facts, Notice, Paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block
    from xaisvc.views.entries import Entry

MIN_PORTFOLIO_ROWS = 20
"""Figures about fewer past cases are not given: single cases could be read from them."""

_WATCHED = frozenset({Sensitivity.PROTECTED, Sensitivity.PROXY})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """An entry's share of the influence in this case, and its usual share; both in whole percent, as fractions."""

    entry: Entry
    share: float
    usual: float | None


def _shares(context: SectionContext) -> list[_Share]:
    """Shares of all visible entries, largest first.

    Influence counts both directions: the sum of absolute attributions of an entry's players, in this case and on
    average over the portfolio, so that the two can be compared. Rounded here, so that no format carries more digits.
    What the model is proven not to use holds none of its attention, whatever a surrogate's weights say.
    """
    entries = [entry for entry in context.view.selection("concept").entries if not entry.unused]
    total = sum(entry.influence for entry in entries)
    usual_total = sum(entry.usual or 0.0 for entry in entries)
    if total <= 0:
        return []
    complete = usual_total > 0 and all(entry.usual is not None for entry in entries)
    found = [
        _Share(
            entry=entry,
            share=round(entry.influence / total, 2),
            usual=round((entry.usual or 0.0) / usual_total, 2) if complete else None,
        )
        for entry in entries
    ]
    return sorted(found, key=lambda item: (-item.share, item.entry.order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """One sentence that says what happened, one that says what is asked of the reader."""

    type: ClassVar[str] = "conclusion"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "adverse": (),
        "favourable": (),
        "undecided": (),
        "top": ("top", "share"),
        "band": ("band",),
        "asked_normal": (),
        "asked_care": (),
        "asked_unreliable": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The lead and the request."""
        view = context.view
        outcome = {True: "adverse", False: "favourable", None: "undecided"}[view.record.output.adverse]
        parts = [context.say(outcome)]
        if view.band:
            parts.append(context.say("band", band=view.band))
        shares = _shares(context)
        if shares and view.reliability.level is not Level.UNRELIABLE:
            parts.append(context.say("top", top=shares[0].entry.label, share=shares[0].share))
        return (
            Paragraph(text=" ".join(parts), role="lead"),
            Paragraph(text=context.say(f"asked_{view.reliability.level.value}")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """What the model is for, what it is not for, and who answers for it."""

    type: ClassVar[str] = "model_use"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "model": (),
        "model_value": (),
        "explains": (),
        "for": (),
        "not_for": (),
        "who": (),
        "not_stated": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Five facts from the bundle."""
        nothing = context.say("not_stated")
        return (
            Facts(
                rows=(
                    Fact(label=context.say("model"), value=context.say("model_value")),
                    Fact(label=context.say("explains"), value=str(context.view.common["output"])),
                    Fact(label=context.say("for"), value=str(context.view.common["purpose"]) or nothing),
                    Fact(label=context.say("not_for"), value=str(context.view.common["out_of_scope"]) or nothing),
                    Fact(label=context.say("who"), value=str(context.view.common["owner"]) or nothing),
                )
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What weighed in this case, by concept, beside what usually weighs.

    Attributes:
        maximum: Most concepts shown.
    """

    type: ClassVar[str] = "influence"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        "none": (),
        "chart": (),
        "description": (),
        "item": ("label", "text"),
        "bar": ("share",),
        "bar_usual": ("share", "usual"),
        "mark": (),
        "above": (),
    }
    reasons: ClassVar[bool] = True

    maximum: int = 7

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """A chart of shares with the usual share as a mark."""
        shares = [item for item in _shares(context) if item.share > 0][: self.maximum]
        if not shares:
            return (Paragraph(text=context.say("none")),)
        texts = [
            context.say("bar", share=item.share)
            if item.usual is None
            else context.say("bar_usual", share=item.share, usual=item.usual)
            for item in shares
        ]
        items = [
            context.say("item", label=item.entry.label, text=text) for item, text in zip(shares, texts, strict=True)
        ]
        return (
            Paragraph(text=context.say("intro")),
            BarChart(
                title=context.say("chart"),
                description=f"{context.say('description')} {' '.join(items)}",
                bars=tuple(
                    Bar(label=item.entry.label, value=item.share, text=text, mark=item.usual)
                    for item, text in zip(shares, texts, strict=True)
                ),
                above=context.say("above"),
                mark=context.say("mark") if any(item.usual is not None for item in shares) else "",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The band, and where the case stands among past ones.

    Attributes:
        share: Whether the share of past cases with the adverse decision is given.
    """

    type: ClassVar[str] = "standing"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "band": (),
        "no_band": (),
        "side": (),
        "adverse": (),
        "favourable": (),
        "undecided": (),
        "rank": (),
        "rank_value": ("share", "rows"),
        "rank_none": ("rows",),
        "rank_all": ("rows",),
        "adverse_share": (),
        "adverse_share_value": ("share", "rows"),
        "unknown": (),
    }
    reasons: ClassVar[bool] = False

    share: bool = True

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Facts; without a portfolio, the sentence that nothing is known of it."""
        view = context.view
        outcome = {True: "adverse", False: "favourable", None: "undecided"}[view.record.output.adverse]
        rows = [
            Fact(label=context.say("band"), value=view.band or context.say("no_band")),
            Fact(label=context.say("side"), value=context.say(outcome)),
        ]
        portfolio = view.record.portfolio
        if portfolio is None or portfolio.rows < MIN_PORTFOLIO_ROWS:
            return (Facts(rows=tuple(rows)), Paragraph(text=context.say("unknown")))
        rank = "rank_none" if portfolio.rank_share <= 0 else "rank_all" if portfolio.rank_share >= 1 else "rank_value"
        # Below all of them, so never worded as all of them.
        slots = {"share": min(round(portfolio.rank_share, 2), 0.99)} if rank == "rank_value" else {}
        rows.append(Fact(label=context.say("rank"), value=context.say(rank, rows=portfolio.rows, **slots)))
        if self.share and portfolio.adverse_share is not None:
            value = context.say("adverse_share_value", share=portfolio.adverse_share, rows=portfolio.rows)
            rows.append(Fact(label=context.say("adverse_share"), value=value))
        return (Facts(rows=tuple(rows)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """An alarm when facts of a protected class, or stand-ins for one, weighed in this case.

    Attributes:
        floor: Share of the visible influence from which it is an alarm.
    """

    type: ClassVar[str] = "fairness"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "alarm": ("facts",),
        "alarm_text": ("share",),
        "none": (),
        "not_used": (),
    }
    reasons: ClassVar[bool] = True

    floor: float = 0.05

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One notice."""
        watched = [
            item
            for item in _shares(context)
            if any(member.feature.sensitivity in _WATCHED for member in item.entry.members)
        ]
        if not watched:
            return (Notice(tone="info", title=context.say("not_used")),)
        share = sum(item.share for item in watched)
        if share < self.floor:
            return (Notice(tone="info", title=context.say("none")),)
        labels = tuple(item.entry.label for item in watched if item.share > 0)
        return (
            Notice(tone="care", title=context.say("alarm", facts=labels), text=context.say("alarm_text", share=share)),
        )
