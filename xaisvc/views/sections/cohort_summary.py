"""What many cases come to, what is asked of whoever answers for the model, and how they sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from xaisvc.types.cohort import MIN_CELL, Extent
from xaisvc.views.audience import choice
from xaisvc.views.cohort_context import fraction
from xaisvc.views.cohort_points import POINTS, find_points
from xaisvc.views.document import Bullets, Cell, Column, Fact, Facts, Notice, Paragraph, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.cohort_context import CohortSection
    from xaisvc.views.document import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortConclusion:
    """One sentence that says what came out, one that says what is asked of the reader, and what stands out."""

    type: ClassVar[str] = "conclusion"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "adverse": ("share",),
        "some": (),
        "few": (),
        "nearly_all": (),
        "undecided": (),
        "lead": ("outcome", "top", "share"),
        "lead_alone": ("outcome",),
        "asked_points": ("count",),
        "asked_point": (),
        "asked_none": (),
        "points": (),
        **{f"point.{kind}": slots for kind, slots in POINTS.items()},
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """The lead, the request, and the points that it is about."""
        cohort = context.view.cohort
        outcome = self._outcome(context)
        top = next((driver for driver in cohort.drivers if driver.concept), None)
        if top is None:
            lead = context.say("lead_alone", outcome=outcome)
        else:
            name = context.view.theme(top.concept, top.features)
            lead = context.say("lead", outcome=outcome, top=name, share=fraction(top.share.percent))
        points = find_points(context.view)
        found: list[Block] = [Paragraph(text=lead, role="lead")]
        if not points:
            return (*found, Paragraph(text=context.say("asked_none")))
        asked = "asked_point" if len(points) == 1 else "asked_points"
        found.append(Paragraph(text=context.say(asked, **({} if len(points) == 1 else {"count": len(points)}))))
        items = tuple(context.say(f"point.{point.kind}", **point.slots) for point in points)
        return (*found, Bullets(title=context.say("points"), items=items))

    @staticmethod
    def _outcome(context: CohortSection) -> str:
        cohort = context.view.cohort
        if cohort.adverse is not None:
            return context.say("adverse", share=fraction(cohort.adverse.percent))
        extent = {Extent.FEW: "few", Extent.NEARLY_ALL: "nearly_all"}.get(cohort.adverse_extent or Extent.SOME, "some")
        return context.say("undecided" if cohort.adverse_extent is None else extent)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortModelUse:
    """Which model and which cases; what the model is for, what it is not for, and who answers for it."""

    type: ClassVar[str] = "model_use"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "model": (),
        "model_value": (),
        "explains": (),
        "cases": (),
        "cases_value": (),
        "cases_note": (),
        "left_out": ("share",),
        "for": (),
        "not_for": (),
        "who": (),
        "not_stated": (),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """Facts from the bundle and from the request."""
        common, left_out = context.view.common, context.view.cohort.left_out
        nothing = context.say("not_stated")
        note = context.say("cases_note")
        if left_out is not None:
            note = f"{note} {context.say('left_out', share=fraction(left_out))}"
        return (
            Facts(
                rows=(
                    Fact(label=context.say("model"), value=context.say("model_value")),
                    Fact(label=context.say("explains"), value=str(common["output"])),
                    Fact(label=context.say("cases"), value=context.say("cases_value"), note=note),
                    Fact(label=context.say("for"), value=str(common["purpose"]) or nothing),
                    Fact(label=context.say("not_for"), value=str(common["out_of_scope"]) or nothing),
                    Fact(label=context.say("who"), value=str(common["owner"]) or nothing),
                )
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortLimits:
    """What the page does not say, and how often the explanations behind it have limits of their own."""

    type: ClassVar[str] = "limits"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "text": (),
        "withheld": ("least",),
        "kinds": (),
        "kind": (),
        "cases": (),
        "no_kinds": (),
        "number": ("count",),
        "few": ("least",),
        "nearly_all": (),
        "untold": (),
        "kind_of.other": (),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """Sentences, and one row for each kind of limit that was found."""
        view, blocks = context.view, [Bullets(items=context.sentences("text"))]
        rows = []
        named: dict[str, None] = {}
        for one in view.cohort.caveats:
            if one.extent is Extent.FEW:
                continue
            found = view.language.catalogue.find(f"cohort.{self.type}.kind_of.{one.kind}")
            name = found[0].literal if found else context.say("kind_of.other")
            if name in named:
                continue
            named[name] = None
            if one.n is not None:
                text = context.say("number", count=one.n)
            else:
                text = context.say("nearly_all" if one.extent is Extent.NEARLY_ALL else "untold")
            rows.append((Cell(text=name), Cell(text=text)))
        if not rows:
            return (*blocks, Paragraph(text=context.say("no_kinds")), self._withheld(context))
        columns = (Column(label=context.say("kind")), Column(label=context.say("cases"), numeric=True))
        table = Table(caption=context.say("kinds"), columns=columns, rows=tuple(rows))
        return (*blocks, table, self._withheld(context))

    @staticmethod
    def _withheld(context: CohortSection) -> Paragraph:
        return Paragraph(text=context.say("withheld", least=MIN_CELL), role="fine")


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortActions:
    """What has to be done, by whom and by when."""

    type: ClassVar[str] = "actions"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "caption": (),
        "what": (),
        "who": (),
        "when": (),
        "you": (),
        "no_owner": (),
        "open": (),
        "review": (),
        **{f"do.{kind}": slots for kind, slots in POINTS.items()},
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """One row for each point that stands out, and the next review."""
        owner = str(context.view.common["owner"]) or context.say("no_owner")
        you, open_ = context.say("you"), context.say("open")
        rows = [
            (context.say(f"do.{point.kind}", **point.slots), you if point.kind == "followed" else owner)
            for point in find_points(context.view)
        ]
        rows.append((context.say("review"), you))
        labels = (context.say("what"), context.say("who"), context.say("when"))
        return (
            Table(
                caption=context.say("caption"),
                columns=tuple(Column(label=label) for label in labels),
                rows=tuple((Cell(text=what), Cell(text=who), Cell(text=open_)) for what, who in rows),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """Where whoever answers for the model writes down what was decided."""

    type: ClassVar[str] = "sign_off"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        "decision": (),
        "go_on": (),
        "limits": (),
        "stop": (),
        "line": (),
        "name": (),
        "reason": (),
        "which": (),
        "day": (),
        "next": (),
    }

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """Boxes to tick and lines to fill in."""
        line = context.say("line")
        boxes = "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE} ".join(
            f"\N{BALLOT BOX}\N{NO-BREAK SPACE}{context.say(key)}" for key in ("go_on", "limits", "stop")
        )
        lines = [Fact(label=context.say(key), value=line) for key in ("which", "reason", "name", "day", "next")]
        return (
            Paragraph(text=context.say("intro")),
            Facts(rows=(Fact(label=context.say("decision"), value=boxes), *lines)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortText:
    """The same words in every view, but for the common slots.

    Attributes:
        style: How the sentences are set; a notice takes its first sentence as its title.
    """

    type: ClassVar[str] = "text"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {"title": (), "text": ()}

    style: Literal["paragraph", "bullets", "steps", "notice", "fine"] = choice(
        "paragraph", "bullets", "steps", "notice", "fine"
    )

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """The sentences under `text`."""
        sentences = context.sentences("text")
        if self.style in {"bullets", "steps"}:
            return (Bullets(items=sentences, ordered=self.style == "steps"),)
        if self.style == "notice":
            return (Notice(tone="info", title=sentences[0], text=" ".join(sentences[1:])),)
        return (Paragraph(text=" ".join(sentences), role="fine" if self.style == "fine" else "text"),)
