"""How an alert is rated, how often such alerts are right, and whether anything like it is on file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.document import Fact, Facts, Notice, Paragraph
from xaisvc.views.sections.evidence import is_unlike

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.outcomes import BandOutcome
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

FEWEST_CASES = 20
"""Of fewer cases, no share is named: one case more or less would change it too much."""

_BASES = (100, 1_000, 10_000)
_FEW = 1.0
_ROUNDING = 1e-9
_EPOCH = date(1970, 1, 1)

MIN_PORTFOLIO_ROWS = 20
"""Figures about fewer past cases are not given: single cases could be read from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """A share as a count among a round number of cases, with an interval that is rounded outwards."""

    base: int
    about: int
    low: int
    high: int


def as_frequency(outcome: BandOutcome) -> Frequency | None:
    """The share of a band's cases that were confirmed, of 100 cases; of 1,000 or 10,000 where it is small.

    None for fewer than 20 cases.
    """
    share, interval = outcome.share, outcome.interval
    if share is None or interval is None or outcome.cases < FEWEST_CASES:
        return None
    # What stands for none is the upper end: "up to 4 of 1,000" says more than "up to 1 of 100".
    scale = share if share > 0 else interval[1]
    base = next((base for base in _BASES if scale * base >= _FEW), _BASES[-1])
    low, high = (floor(interval[0] * base + _ROUNDING), ceil(interval[1] * base - _ROUNDING))
    return Frequency(base=base, about=round(share * base), low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBand:
    """The band of the prediction, and of 100 such cases how many were confirmed; the rank among earlier rows."""

    type: ClassVar[str] = "alert_band"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "band": ("band",),
        "no_band": (),
        "precision_alert": ("base", "about", "low", "high"),
        "precision_quiet": ("base", "about", "low", "high"),
        "none_alert": ("cases", "base", "high"),
        "none_quiet": ("cases", "base", "high"),
        "quiet": (),
        "too_few": ("cases",),
        "not_counted": (),
        "counted": (),
        "counted_value": ("cases", "confirmed", "first", "last"),
        "unlike": (),
        "side": (),
        "adverse": (),
        "favourable": (),
        "undecided": (),
        "rank": (),
        "rank_value": ("share", "rows"),
        "rank_none": ("rows",),
        "rank_all": ("rows",),
    }
    reasons: ClassVar[bool] = False
    needs: ClassVar[frozenset[Supplement]] = frozenset(
        {Supplement.BANDS, Supplement.SIMILAR_CASES, Supplement.STANDING}
    )

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One sentence that counts, what limits it, and where the case stands."""
        view = context.view
        outcome = view.supplements.bands.band(view.record.output.band) if view.supplements.bands else None
        alert = view.record.output.adverse is not False
        lead = context.say("band", band=view.band) if view.band else context.say("no_band")
        blocks: list[Block] = [Paragraph(text=f"{lead} {_precision(context, outcome, alert=alert)}", role="lead")]
        if outcome is not None and not alert:
            blocks.append(Paragraph(text=context.say("quiet")))
        if outcome is not None and is_unlike(view):
            blocks.append(Notice(tone="care", title=context.say("unlike")))
        side = {True: "adverse", False: "favourable", None: "undecided"}[view.record.output.adverse]
        rows = [Fact(label=context.say("side"), value=context.say(side))]
        if outcome is not None and outcome.cases >= FEWEST_CASES:
            rows.append(Fact(label=context.say("counted"), value=_counted(context, outcome)))
        return (*blocks, Facts(rows=(*rows, *_rank(context))))


def _precision(context: SectionContext, outcome: BandOutcome | None, *, alert: bool) -> str:
    if outcome is None:
        return context.say("not_counted")
    found = as_frequency(outcome)
    if found is None:
        return context.say("too_few", cases=outcome.cases)
    kind = "alert" if alert else "quiet"
    if not outcome.confirmed:
        return context.say(f"none_{kind}", cases=outcome.cases, base=found.base, high=found.high)
    return context.say(f"precision_{kind}", base=found.base, about=found.about, low=found.low, high=found.high)


def _counted(context: SectionContext, outcome: BandOutcome) -> str:
    bands = context.view.supplements.bands
    assert bands is not None, "an outcome comes from bands"  # noqa: S101 - a rule of this module
    return context.say(
        "counted_value",
        cases=outcome.cases,
        confirmed=outcome.confirmed,
        first=bands.first.isoformat(),
        last=bands.last.isoformat(),
    )


def _rank(context: SectionContext) -> tuple[Fact, ...]:
    """Where the prediction stands among those of the background."""
    portfolio = context.view.record.portfolio
    if portfolio is None or portfolio.rows < MIN_PORTFOLIO_ROWS:
        return ()
    label = context.say("rank")
    if portfolio.rank_share <= 0:
        return (Fact(label=label, value=context.say("rank_none", rows=portfolio.rows)),)
    if portfolio.rank_share >= 1:
        return (Fact(label=label, value=context.say("rank_all", rows=portfolio.rows)),)
    # Below some of them, so never worded as above all of them.
    share = min(round(portfolio.rank_share, 2), 0.99)
    return (Fact(label=label, value=context.say("rank_value", share=share, rows=portfolio.rows)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """Whether the case is unlike what is on file, which is no low risk; from its facts alone."""

    type: ClassVar[str] = "novelty"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "unlike": (),
        "unlike_text": (),
        "like": (),
    }
    reasons: ClassVar[bool] = False
    facts_only: ClassVar[bool] = True
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.SIMILAR_CASES, Supplement.STANDING})

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """A notice, or one quiet sentence."""
        if is_unlike(context.view):
            return (Notice(tone="care", title=context.say("unlike"), text=context.say("unlike_text")),)
        return (Paragraph(text=context.say("like"), role="fine"),)


def closing_day(days: int) -> str:
    """A day as ISO 8601 from the days since 1970-01-01."""
    return (_EPOCH + timedelta(days=days)).isoformat()
