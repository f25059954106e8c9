"""Sections for data scientists about what goes together: sums of groups beside their members, and associations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.cells import EMPTY, Cell, number_cell, share_cell, signed_cell, signed_number
from xaisvc.views.document import Grid, HeatMap, Notice, Paragraph, Table
from xaisvc.views.kept import Same, SectionWords, kept, said
from xaisvc.views.sections.technical_common import absent, columns, name_cell, note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xaisvc.types import BundleDescription, PlayerValue
    from xaisvc.types.overview import AssociationMap
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_PAIR = 2
_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Sums of the attributions of players that belong together, beside the attributions of each."""

    type: ClassVar[str] = "groups"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.OVERVIEW})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "none": (),
        "no_clusters": (),
        "caption": ("space",),
        "group": (),
        "concept": ("name",),
        "cluster": ("place",),
        "members": (),
        "sum": (),
        "sizes": (),
        "cancelled": (),
        "shows": (),
        "shows_not": (),
    }
    reasons: ClassVar[bool] = True

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One line for each concept and each set of associated features that has several players."""
        words = SectionWords.of(context)
        groups = list(_groups(context, words))
        missing = (
            (Notice(tone="info", title=context.say("no_clusters")),)
            if context.view.supplements.overview is None
            else ()
        )
        if not groups:
            return (*missing, Notice(tone="info", title=context.say("none")))
        rows = [_group_row(name, players) for name, players in groups]
        heads = columns(words, ("group", "members"), ("sum", "sizes", "cancelled"))
        caption = said(words, "caption", space=context.view.record.attribution.space.value)
        return (*missing, Table(caption=caption, columns=heads, rows=tuple(rows)), note(context))


def _groups(context: SectionContext, words: SectionWords) -> Iterator[tuple[str, list[PlayerValue]]]:
    """Names of groups, and their players, largest first: concepts of the bundle, then sets that go together."""
    view = context.view
    owner = {name: player for player in view.record.attribution.players for name in player.features}
    overview = view.supplements.overview
    for name, features in _sets(words, Same(view.description), overview.association if overview else None):
        distinct = {owner[one].player: owner[one] for one in features if one in owner}
        if len(distinct) >= _PAIR:
            yield name, sorted(distinct.values(), key=lambda player: -abs(player.value))


@kept(_KEPT)
def _sets(
    words: SectionWords, description: Same[BundleDescription], found: AssociationMap | None
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names of sets of features, and the features. Kept: they are of a bundle, not of a case."""
    concepts: dict[str, list[str]] = {}
    for feature in description.one.features:
        if feature.concept:
            concepts.setdefault(feature.concept, []).append(feature.id)
    named = [(words.say("concept", name=name), tuple(features)) for name, features in concepts.items()]
    clusters = enumerate(found.clusters if found else (), start=1)
    return (*named, *((words.say("cluster", place=place), cluster) for place, cluster in clusters))


def _group_row(name: str, players: Sequence[PlayerValue]) -> tuple[Cell, ...]:
    total = sum(player.value for player in players)
    sizes = sum(abs(player.value) for player in players)
    cancelled = 1 - abs(total) / sizes if sizes > 0 else 0.0
    return (
        name_cell(name),
        Cell(text="; ".join([f"{player.player} {signed_number(player.value)}" for player in players])),
        signed_cell(total, 6),
        number_cell(sizes, 6),
        share_cell(cancelled),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationHeatMap:
    """How the features of the background go together.

    Attributes:
        max_pairs: Most pairs in the table, strongest first.
    """

    type: ClassVar[str] = "association"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.OVERVIEW})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "chart": ("rows",),
        "description": ("features", "pairs"),
        "left_out": ("features",),
        "shows": (),
        "shows_not": ("detectable",),
        "least": (),
        "most": (),
        "mark": (),
        "tree": (),
        "caption": ("shown", "pairs"),
        "first": (),
        "second": (),
        "effect": (),
        "sum": (),
        "no_pairs": (),
    }
    reasons: ClassVar[bool] = False

    max_pairs: int = 12

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The heat map, what it shows, and the strongest pairs."""
        overview = context.view.supplements.overview
        if overview is None:
            return (absent(context),)
        words = SectionWords.of(context)
        chart, shown = _mapped(words, overview.association)
        pairs = _linked_pairs(overview.association)
        if not pairs:
            return (chart, shown, Notice(tone="info", title=context.say("no_pairs")))
        return (chart, shown, self._table(context, words, pairs))

    def _table(self, context: SectionContext, words: SectionWords, pairs: Sequence[tuple[str, str, float]]) -> Table:
        values = {
            name: player.value
            for player in context.view.record.attribution.players
            if len(player.features) == 1
            for name in player.features
        }
        rows = []
        for one, other, effect in pairs[: self.max_pairs]:
            both = signed_cell(values[one] + values[other]) if one in values and other in values else EMPTY
            rows.append((name_cell(one), name_cell(other), _effect_cell(effect), both))
        heads = columns(words, ("first", "second"), ("effect", "sum"))
        caption = said(words, "caption", shown=len(rows), pairs=len(pairs))
        return Table(caption=caption, columns=heads, rows=tuple(rows))


@kept(_KEPT)
def _mapped(words: SectionWords, found: AssociationMap) -> tuple[HeatMap, Paragraph]:
    """The heat map, and what it shows. Kept: both are of a bundle, not of a case."""
    chart = HeatMap(
        title=words.say("chart", rows=found.rows),
        description=words.say("description", features=len(found.features), pairs=len(_linked_pairs(found))),
        labels=found.features,
        grid=_grid(found),
        ends=(words.say("least"), words.say("most")),
        mark=words.say("mark"),
        tree=words.say("tree"),
    )
    left = (words.say("left_out", features=found.left_out),) if found.left_out else ()
    detectable = words.say("shows_not", detectable=f"{found.detectable:.2f}")
    return chart, Paragraph(text=" ".join((words.say("shows"), *left, detectable)), role="fine")


@lru_cache(maxsize=_KEPT)
def _effect_cell(effect: float) -> Cell:
    """The cell of a strength. Kept: it is of a bundle, not of a case."""
    return Cell(text=f"{effect:.3f}", number=effect)


@lru_cache(maxsize=_KEPT)
def _linked_pairs(found: AssociationMap) -> tuple[tuple[str, str, float], ...]:
    names = found.features
    pairs = [
        (names[i], names[j], found.effect[i][j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if found.linked[i][j]
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair[2]))


@lru_cache(maxsize=_KEPT)
def _grid(found: AssociationMap) -> Grid:
    """One object for one study, so that it is drawn once. The diagonal is not marked: it says nothing."""
    n = len(found.features)
    marked = tuple(tuple(found.linked[i][j] and i != j for j in range(n)) for i in range(n))
    branches = tuple((one.left, one.right, one.left_height, one.right_height, one.height) for one in found.merges)
    return Grid(found.effect, marked, branches)
