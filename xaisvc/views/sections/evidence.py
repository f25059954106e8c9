"""The evidence of a case as it is, before anybody says what to think of it."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, ClassVar, cast

from xaisvc.types import Kind
from xaisvc.types.supplements import Supplement
from xaisvc.views.context import SOURCE_MESSAGES
from xaisvc.views.document import Fact, Facts, Link, Paragraph
from xaisvc.views.selection import visible_features
from xaisvc.views.support import OUTSIDE_KINDS, position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.types import Feature
    from xaisvc.types.supplements import FactStanding
    from xaisvc.views.context import SectionContext, ViewContext
    from xaisvc.views.document import Block

UNUSUAL_SHARE = 0.05
"""A fact is unusual if at most this share of earlier rows is as far out; for categories, if at most so many have it."""

FEWEST_ROWS = 20
"""With fewer earlier rows, nothing is said of where a fact lies among them."""

_HUNDRED = 100
_OUTSIDE = frozenset({"above", "below", "new"})
_MATCHED = frozenset({Kind.CATEGORY, Kind.BOOLEAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class FactGroup:
    """The facts of one concept.

    Attributes:
        mark: Its letter, by which signals name it.
        label: The concept's name; empty for facts without a concept.
        unusual: Its unusual facts, the rarest first.
        usual: The others, in the order of the schema.
    """

    mark: str
    label: str
    unusual: tuple[Feature, ...]
    usual: tuple[Feature, ...]

    @property
    def anchor(self) -> str:
        """Where links lead."""
        return f"evidence-{self.mark.lower()}"


def fact_groups(view: ViewContext) -> tuple[FactGroup, ...]:
    """The visible facts by concept; the group with the rarest fact first, those without an unusual one last.

    The order depends on the facts alone, so that the first judgement is the reader's own.
    """
    if "fact_groups" not in view.kept:
        view.kept["fact_groups"] = _grouped(view)
    return cast("tuple[FactGroup, ...]", view.kept["fact_groups"])


def _grouped(view: ViewContext) -> tuple[FactGroup, ...]:
    by_concept: dict[str, list[tuple[float, Feature]]] = {}
    for feature in visible_features(view.description, view.audience):
        if feature.id in view.record.row:
            by_concept.setdefault(feature.concept or "", []).append((_rarity(view, feature), feature))
    ranked = sorted(by_concept.items(), key=lambda item: min(_capped(rarity) for rarity, _ in item[1]))
    found = []
    for place, (concept_id, facts) in enumerate(ranked):
        concept = view.description.concept(concept_id)
        rare = sorted((pair for pair in facts if pair[0] <= UNUSUAL_SHARE), key=lambda pair: pair[0])
        found.append(
            FactGroup(
                mark=_mark(place),
                label=concept.label(view.language.code) if concept else "",
                unusual=tuple(feature for _, feature in rare),
                usual=tuple(feature for rarity, feature in facts if rarity > UNUSUAL_SHARE),
            )
        )
    return tuple(found)


def evidence_links(context: SectionContext, features: Sequence[Feature]) -> tuple[Link, ...]:
    """Links to the groups that hold these features, in the order of the page; none if the view shows no evidence."""
    if not any(isinstance(spec.builder, Evidence) for spec in context.view.audience.sections):
        return ()
    wanted = {feature.id for feature in features}
    return tuple(
        Link(text=context.say("see", mark=group.mark), anchor=group.anchor)
        for group in fact_groups(context.view)
        if wanted & {feature.id for feature in (*group.unusual, *group.usual)}
    )


def is_unlike(view: ViewContext) -> bool:
    """Whether the case is unlike what is on file: far from every closed case, and from the earlier rows too.

    A case without a closed one near it that is like many earlier rows is no news: nobody looks into what is usual. Only
    what the reader may see decides, and nothing of the model's answer. Where there are no closed cases, it is the
    caveat about the support of the row that tells.
    """
    near = view.supplements.similar_cases
    visible = {feature.id for feature in visible_features(view.description, view.audience)}
    if near is not None and any(_is_beyond_rows(view, name) for name in near.beyond if name in visible):
        return True
    return (near is None or near.remote) and _is_outside_support(view, visible)


def _is_outside_support(view: ViewContext, visible: set[str]) -> bool:
    """Whether a caveat that the reader may know of says that the row, or a fact of it, is outside the background."""
    players = {player.player: set(player.features) for player in view.record.attribution.players}
    return any(
        caveat.kind in OUTSIDE_KINDS
        and (not caveat.players or any(players.get(name, {""}) <= visible for name in caveat.players))
        for caveat in view.record.caveats
    )


def _is_beyond_rows(view: ViewContext, name: str) -> bool:
    standing = (view.supplements.standing or {}).get(name)
    return standing.is_outside if standing is not None else True


def _mark(place: int) -> str:
    """A, B, ... Z, AA, AB ..."""
    head, tail = divmod(place, len(ascii_uppercase))
    return (_mark(head - 1) if head else "") + ascii_uppercase[tail]


def _capped(rarity: float) -> float:
    """Facts that are not unusual do not decide which group comes first."""
    return rarity if rarity <= UNUSUAL_SHARE else 1.0


def _standing(view: ViewContext, feature: Feature) -> FactStanding | None:
    found = (view.supplements.standing or {}).get(feature.id)
    return found if found is not None and found.rows >= FEWEST_ROWS else None


def _rarity(view: ViewContext, feature: Feature) -> float:
    """Share of earlier rows that are as far out; 0 for what is missing or was never seen, 1 where nothing is known."""
    if view.record.row[feature.id] is None:
        return 0.0
    standing = _standing(view, feature)
    if standing is not None:
        return standing.rarity
    return 0.0 if position(view.record, feature) in _OUTSIDE else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Every fact that may be seen, by concept: what is unusual beside earlier rows first, the rest in short.

    No score and no reasons.

    Attributes:
        origins: Whether it is said where each fact comes from and what day it is from, as far as that is known.
    """

    type: ClassVar[str] = "evidence"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "intro": (),
        "compared": ("rows",),
        "none": (),
        "group": ("mark", "label"),
        "other": (),
        "nothing_unusual": (),
        "the_rest": (),
        "missing": (),
        "above": ("bound", "rows"),
        "below": ("bound", "rows"),
        "beyond_above": ("bound",),
        "beyond_below": ("bound",),
        "higher": ("n", "of"),
        "lower": ("n", "of"),
        "seldom": ("n", "rows"),
        "never": ("rows",),
        "new": (),
        **SOURCE_MESSAGES,
    }
    reasons: ClassVar[bool] = False
    facts_only: ClassVar[bool] = True
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.STANDING})

    origins: bool = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """A list for each concept that has an unusual fact, then the rest in short."""
        view = context.view
        groups = fact_groups(view)
        if not groups:
            return (Paragraph(text=context.say("none")),)
        blocks: list[Block] = [Paragraph(text=self._intro(context, groups))]
        make = context.sourced_fact if self.origins else context.fact
        unusual = [group for group in groups if group.unusual]
        for group in unusual:
            rows = tuple(make(feature, _note(context, feature)) for feature in group.unusual)
            blocks.append(Facts(title=_title(context, group), rows=rows, anchor=group.anchor))
        if not unusual:
            blocks.append(Paragraph(text=context.say("nothing_unusual"), role="lead"))
        rest = [group for group in groups if group.usual]
        if rest:
            blocks.append(Paragraph(text=context.say("the_rest"), role="fine"))
        for group in rest:
            facts: tuple[Fact, ...] = tuple(make(feature) for feature in group.usual)
            anchor = "" if group.unusual else group.anchor
            blocks.append(Facts(title=_title(context, group), rows=facts, quiet=True, anchor=anchor))
        return tuple(blocks)

    def _intro(self, context: SectionContext, groups: Sequence[FactGroup]) -> str:
        known = [
            standing.rows
            for group in groups
            for feature in (*group.unusual, *group.usual)
            if (standing := _standing(context.view, feature)) is not None
        ]
        compared = context.say("compared", rows=max(known)) if known else ""
        return f"{context.say('intro')} {compared}"


def _title(context: SectionContext, group: FactGroup) -> str:
    return context.say("group", mark=group.mark, label=group.label or context.say("other"))


def _note(context: SectionContext, feature: Feature) -> str:
    """What is unusual about a fact."""
    if context.view.record.row[feature.id] is None:
        return context.say("missing")
    standing = _standing(context.view, feature)
    if standing is None:
        return _beyond(context, feature)
    if feature.kind in _MATCHED:
        rare = {"n": standing.equal, "rows": standing.rows}
        return context.say("seldom", **rare) if standing.equal else context.say("never", rows=standing.rows)
    return _among(context, feature, standing)


def _beyond(context: SectionContext, feature: Feature) -> str:
    """A value outside of what the model has seen, where earlier rows are not at hand."""
    where, bounds = position(context.view.record, feature), feature.observed_range
    if bounds is None or where == "new":
        return context.say("new")
    bound = bounds[0 if where == "below" else 1]
    return context.say(f"beyond_{where}", bound=context.view.language.value(feature, bound))


def _among(context: SectionContext, feature: Feature, standing: FactStanding) -> str:
    """How many earlier rows are lower, or higher: of 100, rounded down."""
    rows, bounds = standing.rows, feature.observed_range
    below, above = standing.below, standing.rows - standing.below - standing.equal
    if bounds is not None and rows in {below, above}:
        key, bound = ("above", bounds[1]) if below == rows else ("below", bounds[0])
        return context.say(key, bound=context.view.language.value(feature, bound), rows=rows)
    key, count = ("higher", below) if above <= below else ("lower", above)
    of = min(rows, _HUNDRED)
    return context.say(key, n=of * count // rows, of=of)
