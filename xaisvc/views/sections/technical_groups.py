"""Sections for data scientists about what goes together: sums of groups beside their members, and associations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.document import Cell, Grid, HeatMap, Notice, Table
from xaisvc.views.sections.technical_common import absent, column, name_cell, note, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xaisvc.types import PlayerValue
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
        groups = list(_groups(context))
        missing = (
            (Notice(tone="info", title=context.say("no_clusters")),)
            if context.view.supplements.overview is None
            else ()
        )
        if not groups:
            return (*missing, Notice(tone="info", title=context.say("none")))
        rows = [_group_row(name, players) for name, players in groups]
        columns = (
            column(context.say("group")),
            column(context.say("members")),
            *(column(context.say(key), numeric=True) for key in ("sum", "sizes", "cancelled")),
        )
        caption = context.say("caption", space=context.view.record.attribution.space.value)
        return (*missing, Table(caption=caption, columns=columns, rows=tuple(rows)), note(context))


def _groups(context: SectionContext) -> Iterator[tuple[str, list[PlayerValue]]]:
    """Names of groups, and their players, largest first: concepts of the bundle, then sets that go together."""
    view = context.view
    players = view.record.attribution.players
    owner = {name: player for player in players for name in player.features}
    concepts: dict[str, list[PlayerValue]] = {}
    for feature in view.description.features:
        if feature.concept and feature.id in owner:
            concepts.setdefault(feature.concept, []).append(owner[feature.id])
    sets = [(context.say("concept", name=name), members) for name, members in concepts.items()]
    overview = view.supplements.overview
    for place, cluster in enumerate(overview.association.clusters if overview else (), start=1):
        sets.append((context.say("cluster", place=place), [owner[name] for name in cluster if name in owner]))
    for name, members in sets:
        distinct = list({player.player: player for player in members}.values())
        if len(distinct) >= _PAIR:
            yield name, sorted(distinct, key=lambda player: -abs(player.value))


def _group_row(name: str, players: Sequence[PlayerValue]) -> tuple[Cell, ...]:
    total = sum(player.value for player in players)
    sizes = sum(abs(player.value) for player in players)
    cancelled = 1 - abs(total) / sizes if sizes > 0 else 0.0
    return (
        name_cell(name),
        Cell(text="; ".join(f"{player.player} {number(player.value)}" for player in players)),
        Cell(text=number(total, 6), number=total),
        Cell(text=f"{sizes:.6g}", number=sizes),
        Cell(text=f"{100 * cancelled:.0f}%", number=cancelled),
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
        found = overview.association
        pairs = _linked_pairs(found)
        chart = HeatMap(
            title=context.say("chart", rows=found.rows),
            description=context.say("description", features=len(found.features), pairs=len(pairs)),
            labels=found.features,
            grid=_grid(found),
            ends=(context.say("least"), context.say("most")),
            mark=context.say("mark"),
            tree=context.say("tree"),
        )
        left = (context.say("left_out", features=found.left_out),) if found.left_out else ()
        words = (context.say("shows"), *left, context.say("shows_not", detectable=f"{found.detectable:.2f}"))
        shown = note(context, *words)
        if not pairs:
            return (chart, shown, Notice(tone="info", title=context.say("no_pairs")))
        return (chart, shown, self._table(context, pairs))

    def _table(self, context: SectionContext, pairs: Sequence[tuple[str, str, float]]) -> Table:
        values = {
            name: player.value
            for player in context.view.record.attribution.players
            if len(player.features) == 1
            for name in player.features
        }
        rows = []
        for one, other, effect in pairs[: self.max_pairs]:
            both = values[one] + values[other] if one in values and other in values else None
            rows.append(
                (
                    name_cell(one),
                    name_cell(other),
                    Cell(text=f"{effect:.3f}", number=effect),
                    Cell(text="" if both is None else number(both), number=both),
                )
            )
        columns = (
            column(context.say("first")),
            column(context.say("second")),
            column(context.say("effect"), numeric=True),
            column(context.say("sum"), numeric=True),
        )
        caption = context.say("caption", shown=len(rows), pairs=len(pairs))
        return Table(caption=caption, columns=columns, rows=tuple(rows))


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
