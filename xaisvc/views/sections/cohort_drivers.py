"""What drove many outcomes, what is different from another period, and the model in a few rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.views.cohort_context import fraction
from xaisvc.views.cohort_points import change_name, changed
from xaisvc.views.document import Bar, BarChart, Bullets, Cell, Column, Paragraph, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.cohort import Change, Driver, Rule
    from xaisvc.views.cohort_context import CohortSection
    from xaisvc.views.document import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """Each theme's share of the model's attention over many cases, beside the other period's.

    Attributes:
        maximum: Most themes shown one by one; the others are shown together.
    """

    type: ClassVar[str] = "drivers"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        "grouped": (),
        "withheld": (),
        "chart": (),
        "description": (),
        "item": ("label", "text"),
        "range": ("share", "low", "high"),
        "bar": ("text", "against"),
        "bar_raised": ("text", "against"),
        "rest": ("share",),
        "above": (),
        "mark": (),
    }

    maximum: int = 7

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """A chart, and what has to be known to read it."""
        drivers = context.view.cohort.drivers
        if not drivers:
            return (Paragraph(text=context.say("withheld")),)
        shown, rest = drivers[: self.maximum], drivers[self.maximum :]
        before = {one.concept: one.before / 100 for one in context.view.cohort.changes if one.subject == "driver"}
        bars = tuple(self._bar(context, driver, before.get(driver.concept)) for driver in shown)
        items = [context.say("item", label=bar.label, text=bar.text) for bar in bars]
        found: list[Block] = [
            Paragraph(text=context.say("intro")),
            BarChart(
                title=context.say("chart"),
                description=f"{context.say('description')} {' '.join(items)}",
                bars=bars,
                above=context.say("above"),
                mark=context.say("mark") if any(bar.mark is not None for bar in bars) else "",
            ),
        ]
        if rest:
            found.append(Paragraph(text=context.say("rest", share=fraction(sum(one.share.percent for one in rest)))))
        return (*found, Paragraph(text=context.say("grouped"), role="fine"))

    @staticmethod
    def _bar(context: CohortSection, driver: Driver, before: float | None) -> Bar:
        key = "bar_raised" if context.view.output.adverse is None else "bar"
        text = context.say(key, text=context.range_of(driver.share), against=driver.against.percent / 100)
        label = context.view.theme(driver.concept, driver.features)
        return Bar(label=label, value=driver.share.percent / 100, text=text, mark=before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is different from another period, and what is not, beyond chance."""

    type: ClassVar[str] = "changes"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "none_asked": (),
        "intro": ("period", "count"),
        "nothing": (),
        "untold": (),
        "caption": (),
        "what": (),
        "before": (),
        "now": (),
        "change": (),
        "share": ("share",),
        **{f"{word}{form}": ("low", "high") for word in ("higher", "lower") for form in ("", "_up_to")},
        "same": ("subjects",),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """One row for each thing that changed, largest change first; segments that did not are not named."""
        view, against = context.view, context.view.cohort.against
        if against is None:
            return (Paragraph(text=context.say("none_asked")),)
        intro = context.say("intro", period=view.period(against.period), count=against.n)
        if not view.cohort.changes:
            return (Paragraph(text=f"{intro} {context.say('untold')}"),)
        rows = changed(view.cohort.changes)
        same = [one for one in view.cohort.changes if one not in rows and one.cell is None]
        rest = Paragraph(text=context.say("same", subjects="; ".join(change_name(view, one) for one in same)))
        if not rows:
            return (Paragraph(text=f"{intro} {context.say('nothing')}"), *((rest,) if same else ()))
        columns = (
            Column(label=context.say("what")),
            Column(label=context.say("before"), numeric=True),
            Column(label=context.say("now"), numeric=True),
            Column(label=context.say("change")),
        )
        table = Table(
            caption=context.say("caption"), columns=columns, rows=tuple(self._row(context, one) for one in rows)
        )
        return (Paragraph(text=intro), table, *((rest,) if same else ()))

    @staticmethod
    def _row(context: CohortSection, one: Change) -> tuple[Cell, ...]:
        low, high = sorted((abs(one.low), abs(one.high)))
        word = context.say(f"{one.word.value}{'' if low else '_up_to'}", low=low, high=high)
        return (
            Cell(text=change_name(context.view, one)),
            Cell(text=context.say("share", share=fraction(one.before))),
            Cell(text=context.say("share", share=fraction(one.now))),
            Cell(text=word, marked=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortRules:
    """One to three rules that stand in for the model, and how far they do."""

    type: ClassVar[str] = "rules"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "none": (),
        **{f"intro_{word}": () for word in ("adverse", "favourable", "higher", "lower")},
        "rule": ("conditions", "strength", "share"),
        "rule_exact": ("conditions", "strength", "share", "right"),
        "condition": ("subject", "cell"),
        "more_often": (),
        "mostly": (),
        "nearly_always": (),
        "fidelity": ("fidelity", "agreement"),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """One sentence for each rule."""
        rules = context.view.cohort.rules
        if rules is None:
            return (Paragraph(text=context.say("none")),)
        return (
            Paragraph(text=context.say(f"intro_{rules.outcome}")),
            Bullets(items=tuple(self._rule(context, rule) for rule in rules.rules)),
            Paragraph(
                text=context.say("fidelity", fidelity=rules.fidelity / 100, agreement=rules.agreement / 100),
                role="fine",
            ),
        )

    @staticmethod
    def _rule(context: CohortSection, rule: Rule) -> str:
        view = context.view
        conditions = tuple(
            context.say("condition", subject=view.subject(one.feature), cell=view.cell(one.feature, one.cell))
            for one in rule.conditions
        )
        slots = {"conditions": "; ".join(conditions), "strength": context.say(rule.strength.value)}
        if rule.precision is None:
            return context.say("rule", share=fraction(rule.covers), **slots)
        return context.say("rule_exact", share=fraction(rule.covers), right=rule.precision / 100, **slots)
