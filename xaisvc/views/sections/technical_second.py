"""Sections for data scientists with a second look at the row: another method, and what pairs of players do together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types.supplements import Supplement
from xaisvc.views.cells import number_cell, share_cell, signed_cell
from xaisvc.views.cleaning import clean
from xaisvc.views.document import Bar, BarChart, Column, Fact, Facts, Notice, Table
from xaisvc.views.kept import SectionWords, kept, pattern, said
from xaisvc.views.language import exact
from xaisvc.views.sections.technical_common import (
    SIDES,
    absent,
    columns,
    name_cell,
    note,
    rank_cell,
    signer,
    verdicts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.overview import RowInteractions, SecondMethod
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The same row by another method, and how far the two agree."""

    type: ClassVar[str] = "agreement"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.SECOND_METHOD})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "agree": ("first", "second"),
        "disagree": ("first", "second"),
        "conflicting": ("players",),
        "disputed": ("players",),
        "material": (),
        "tau": (),
        "signs": (),
        "leaders": (),
        "not_told": (),
        "cost": (),
        "cost_value": ("model_rows", "seed"),
        "shows": (),
        "shows_not": (),
        "caption": ("first", "second", "space"),
        "player": (),
        "value_by": ("method",),
        "rank_by": ("method",),
        "error_by": ("method",),
        "verdict": (),
        "sign": (),
        "lead": (),
        "same": (),
    }
    reasons: ClassVar[bool] = True

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """What they agree on, the figures behind it, and both values of every player."""
        other = context.view.supplements.second_method
        if other is None:
            return (absent(context),)
        first = context.view.record.attribution.method
        differ = [
            *((context.say("conflicting", players=other.conflicting),) if other.conflicting else ()),
            *((context.say("disputed", players=other.disputed),) if other.disputed else ()),
        ]
        verdict = Notice(
            tone="care" if differ else "info",
            title=context.say("disagree" if differ else "agree", first=first, second=other.method),
            text=" ".join(differ),
        )
        return (verdict, _agreement_facts(context, other), note(context), _agreement_table(context, other))


def _agreement_facts(context: SectionContext, other: SecondMethod) -> Facts:
    def told(value: float | None) -> str:
        return context.say("not_told") if value is None else f"{value:.3g}"

    rows = (
        ("material", str(other.material_players)),
        ("tau", told(other.kendall_tau)),
        ("signs", told(other.sign_agreement)),
        ("leaders", told(other.leader_agreement)),
        ("cost", context.say("cost_value", model_rows=other.model_rows, seed=other.seed)),
    )
    return Facts(
        rows=(
            *(Fact(label=context.say(key), value=value) for key, value in rows),
            *(Fact(label=f"{other.method} {name}", value=exact(value)) for name, value in other.diagnostics.items()),
        )
    )


def _agreement_table(context: SectionContext, other: SecondMethod) -> Table:
    found = context.view.record.attribution
    own = {player.player: player.value for player in found.players}
    ranked = sorted(own, key=lambda name: -abs(own[name]))
    places = {name: rank for rank, name in enumerate(sorted(own, key=lambda name: -abs(other.values[name])), start=1)}
    rows = []
    words = SectionWords.of(context)
    cells = verdicts(words, ("sign", "lead", "same"), ("same",))
    for rank, name in enumerate(ranked, start=1):
        verdict = "sign" if name in other.conflicting else "lead" if name in other.disputed else "same"
        rows.append(
            (
                name_cell(name),
                signed_cell(own[name]),
                rank_cell(rank),
                signed_cell(other.values[name]),
                number_cell(other.standard_errors[name], 2),
                rank_cell(places[name]),
                cells[verdict],
            )
        )
    heads = _heads(words, found.method, other.method)
    caption = said(words, "caption", first=found.method, second=other.method, space=found.space.value)
    return Table(caption=caption, columns=heads, rows=tuple(rows))


@kept(256)
def _heads(words: SectionWords, first: str, second: str) -> tuple[Column, ...]:
    """The columns of the table, by the names of the methods."""
    return (
        Column(label=words.say("player")),
        Column(label=words.say("value_by", method=first), numeric=True),
        Column(label=words.say("rank_by", method=first), numeric=True),
        Column(label=words.say("value_by", method=second), numeric=True),
        Column(label=words.say("error_by", method=second), numeric=True),
        Column(label=words.say("rank_by", method=second), numeric=True),
        Column(label=words.say("verdict")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """What pairs of players do together in this row, beside what each does alone.

    Attributes:
        max_pairs: Most pairs in the chart.
        max_players: Most players in the table.
    """

    type: ClassVar[str] = "interactions"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.INTERACTIONS})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "none": (),
        "chart": ("pairs",),
        "description": ("pairs", "space"),
        "pair": ("first", "second"),
        "shows": (),
        "shows_not": (),
        "caption": ("space",),
        "player": (),
        "main": (),
        "with_others": (),
        "attribution": (),
        "share": (),
        **SIDES,
    }
    reasons: ClassVar[bool] = True

    max_pairs: int = 10
    max_players: int = 15

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The strongest pairs as bars, and how each strong player splits."""
        found = context.view.supplements.interactions
        if found is None:
            return (absent(context),)
        if not found.pairs:
            return (Notice(tone="info", title=context.say("none")),)
        shown = found.pairs[: self.max_pairs]
        space = context.view.record.attribution.space.value
        words = SectionWords.of(context)
        signed, named = signer(words), pattern(words, "pair", "first", "second")
        chart = BarChart(
            title=context.say("chart", pairs=len(shown)),
            description=context.say("description", pairs=len(shown), space=space),
            bars=tuple(
                [
                    Bar(
                        label=named % {"first": clean(pair.players[0]), "second": clean(pair.players[1])},
                        value=pair.value,
                        text=signed(pair.value),
                    )
                    for pair in shown
                ]
            ),
            below=context.say("below"),
            above=context.say("above"),
        )
        return (chart, note(context), self._table(context, words, found))

    def _table(self, context: SectionContext, words: SectionWords, found: RowInteractions) -> Table:
        ranked = sorted(context.view.record.attribution.players, key=lambda player: -abs(player.value))
        rows = []
        for player in ranked[: self.max_players]:
            main = found.main[player.player]
            rest = player.value - main
            size = abs(main) + abs(rest)
            share = abs(rest) / size if size > 0 else 0.0
            rows.append(
                (
                    name_cell(player.player),
                    signed_cell(main),
                    signed_cell(rest),
                    signed_cell(player.value),
                    share_cell(share),
                )
            )
        heads = columns(words, ("player",), ("main", "with_others", "attribution", "share"))
        caption = said(words, "caption", space=context.view.record.attribution.space.value)
        return Table(caption=caption, columns=heads, rows=tuple(rows))
