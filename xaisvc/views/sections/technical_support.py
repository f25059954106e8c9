"""Sections for data scientists about what the numbers rest on: the row among the background, and how firm they are."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Kind
from xaisvc.types.supplements import Supplement
from xaisvc.views.cells import EMPTY, Cell, number_cell, ratio_cell, share_cell, signed_cell
from xaisvc.views.document import Column, Fact, Facts, Notice, Table
from xaisvc.views.kept import Same, SectionWords, kept, pattern, said
from xaisvc.views.language import Language
from xaisvc.views.sections.technical_common import absent, columns, name_cell, note, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.types import BundleDescription, PlayerValue
    from xaisvc.types.overview import Profile
    from xaisvc.views.catalogue import Catalogue
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_TAIL = 5
_RARE = 0.05
_SHOWN_QUANTILES = (5, 50, 95)
_SURE = 2.0
_PLACES = ("missing", "below", "above", "new", "rare", "tail", "usual")
_REMARKABLE = frozenset(_PLACES) - {"usual"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSupport:
    """Where each value of the row lies among those of the background."""

    type: ClassVar[str] = "input_support"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.OVERVIEW})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "all_usual": ("features", "rows"),
        "one_usual": ("rows",),
        "some_unusual": ("found", "features", "rows"),
        "shows": (),
        "shows_not": (),
        "caption": ("rows",),
        "feature": (),
        "value": (),
        "place": (),
        "at": ("percent",),
        "missing_share": (),
        "verdict": (),
        "quantile": ("percent",),
        "same_level": ("percent",),
        **{f"is.{word}": () for word in _PLACES},
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """A sentence, and one line for each feature; the remarkable ones first."""
        overview = context.view.supplements.overview
        if overview is None:
            return (absent(context),)
        row = context.view.record.row
        features = [one for one in context.view.description.features if one.id in row and one.id in overview.profiles]
        places = {one.id: _place(overview.profiles[one.id], row[one.id]) for one in features}
        found = [one for one in features if places[one.id][0] in _REMARKABLE]
        counts: dict[str, int] = {"rows": overview.background_rows}
        if found:
            counts |= {"found": len(found), "features": len(features)}
        elif len(features) != 1:
            counts |= {"features": len(features)}
        key = "some_unusual" if found else "one_usual" if len(features) == 1 else "all_usual"
        verdict = Notice(tone="care" if found else "info", title=context.say(key, **counts))
        ordered = [*found, *(one for one in features if places[one.id][0] not in _REMARKABLE)]
        words, profiles = SectionWords.of(context), overview.profiles
        cells = verdicts(words, _PLACES, ("usual",), "is.")
        known = _profile_cells(context.view.language.catalogue, Same(profiles), Same(context.view.description))
        rows = []
        forms = tuple([pattern(words, key, "percent") for key in ("quantile", "same_level")])
        for one in ordered:
            told, share = places[one.id]
            ends, missing = known[one.id]
            place = _place_cell(forms, profiles[one.id], share)
            rows.append((name_cell(one.id), Cell(text=context.view.value(one)), cells[told], place, *ends, missing))
        caption = said(words, "caption", rows=overview.background_rows)
        return (verdict, note(context), Table(caption=caption, columns=_support_heads(words), rows=tuple(rows)))


@kept(256)
def _support_heads(words: SectionWords) -> tuple[Column, ...]:
    return (
        *columns(words, ("feature", "value", "verdict"), ("place",)),
        *(Column(label=words.say("at", percent=percent), numeric=True) for percent in _SHOWN_QUANTILES),
        Column(label=words.say("missing_share"), numeric=True),
    )


def _place(profile: Profile, value: float | str | None) -> tuple[str, float | None]:
    """What is remarkable about a value, and its place: the share of the background below it, or with its level."""
    if value is None:
        return "missing", None
    if profile.shares is not None:
        share = profile.shares.get(str(value), 0.0)
        return "new" if share == 0 else "rare" if share < _RARE else "usual", share
    if not profile.quantiles or isinstance(value, str):
        return "new", None
    if value < profile.quantiles[0]:
        return "below", 0.0
    if value > profile.quantiles[-1]:
        return "above", 1.0
    steps = len(profile.quantiles) - 1
    first, last = bisect_left(profile.quantiles, value), bisect_right(profile.quantiles, value) - 1
    share = (first + last) / 2 / steps
    outer = last < _TAIL or first > steps - _TAIL
    return "tail" if outer else "usual", share


def _place_cell(forms: Sequence[str], profile: Profile, share: float | None) -> Cell:
    """Where a value lies, in words for numbers or for levels; empty where there is no such place."""
    if share is None:
        return EMPTY
    form = forms[0 if profile.shares is None else 1]
    return Cell(text=form % {"percent": f"{100 * share:.3g}"}, number=share)


@lru_cache(maxsize=64)
def _profile_cells(
    catalogue: Catalogue, profiles: Same[Mapping[str, Profile]], description: Same[BundleDescription]
) -> Mapping[str, tuple[tuple[Cell, ...], Cell]]:
    """Feature id to the cells of its quantiles and of its missing values. Kept: they are of a bundle, not of a case."""
    language = Language(catalogue)
    found = {}
    for feature in description.one.features:
        profile = profiles.one.get(feature.id)
        if profile is None:
            continue
        ends = [""] * len(_SHOWN_QUANTILES)
        if profile.quantiles and feature.kind is Kind.DATE:
            ends = [language.value(feature, profile.quantiles[at]) for at in _SHOWN_QUANTILES]
        elif profile.quantiles:
            ends = [f"{profile.quantiles[at]:.6g}" for at in _SHOWN_QUANTILES]
        missing = Cell(text=f"{100 * profile.missing:.1f}%" if profile.missing else "0", number=profile.missing)
        found[feature.id] = tuple(Cell(text=end) for end in ends), missing
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """How firm each value is: its sampling error, its error from the draw of the background, its neighbours' ranks.

    Attributes:
        max_players: Most players in the table.
    """

    type: ClassVar[str] = "stability"
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.OVERVIEW})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "absent": (),
        "exact": (),
        "sampled": (),
        "no_spread": (),
        "signs": (),
        "signs_value": ("sure", "players"),
        "ranks": (),
        "ranks_value": ("sure", "players"),
        "largest": (),
        "shows": (),
        "shows_not": (),
        "caption": ("space",),
        "player": (),
        "attribution": (),
        "sampling": (),
        "background": (),
        "ratio": (),
        "interplay": (),
        "verdict": (),
        **{f"is.{word}": () for word in ("firm", "sign", "rank")},
    }
    reasons: ClassVar[bool] = True

    max_players: int = 15

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """A summary, and one line for each strong player."""
        view = context.view
        overview, found = view.supplements.overview, view.record.attribution
        if overview is None and found.exact:
            return (absent(context),)
        spread = {} if overview is None else {name: one.background_error for name, one in overview.stability.items()}
        errors = {p.player: math.hypot(p.standard_error, spread.get(p.player, 0.0)) for p in found.players}
        used = [player for player in found.players if player.value]
        ranked = sorted(used, key=lambda player: -abs(player.value))
        unsure = {player.player for player in ranked if abs(player.value) < _SURE * errors[player.player]}
        tied = _tied(ranked, errors)
        facts = Facts(
            rows=(
                Fact(
                    label=context.say("signs"),
                    value=context.say("signs_value", sure=len(ranked) - len(unsure), players=len(ranked)),
                ),
                Fact(
                    label=context.say("ranks"),
                    value=context.say("ranks_value", sure=len(ranked) - len(tied), players=len(ranked)),
                ),
                Fact(label=context.say("largest"), value=f"{max(errors.values(), default=0.0):.3g}"),
            )
        )
        sampling = Notice(tone="info", title=context.say("exact" if found.exact else "sampled"))
        missing = () if spread else (Notice(tone="info", title=context.say("no_spread")),)
        return (sampling, *missing, facts, note(context), self._table(context, ranked, errors, unsure, tied))

    def _table(
        self,
        context: SectionContext,
        ranked: list[PlayerValue],
        errors: Mapping[str, float],
        unsure: set[str],
        tied: set[str],
    ) -> Table:
        overview = context.view.supplements.overview
        stability = {} if overview is None else overview.stability
        rows = []
        words = SectionWords.of(context)
        cells = verdicts(words, ("firm", "sign", "rank"), ("firm",), "is.")
        for player in ranked[: self.max_players]:
            name, known = player.player, stability.get(player.player)
            error = errors[name]
            verdict = "sign" if name in unsure else "rank" if name in tied else "firm"
            rows.append(
                (
                    name_cell(name),
                    signed_cell(player.value),
                    number_cell(player.standard_error, 2),
                    number_cell(None if known is None else known.background_error, 2),
                    ratio_cell(abs(player.value) / error if error else None),
                    share_cell(None if known is None else known.interplay),
                    cells[verdict],
                )
            )
        heads = _stability_heads(words)
        caption = said(words, "caption", space=context.view.record.attribution.space.value)
        return Table(caption=caption, columns=heads, rows=tuple(rows))


@kept(256)
def _stability_heads(words: SectionWords) -> tuple[Column, ...]:
    numbers = ("attribution", "sampling", "background", "ratio", "interplay")
    return (*columns(words, ("player",), numbers), Column(label=words.say("verdict")))


def _tied(ranked: list[PlayerValue], errors: Mapping[str, float]) -> set[str]:
    """Players whose size and that of the next or the previous one differ by less than two errors of the difference."""
    found = set()
    for one, other in itertools.pairwise(ranked):
        gap = abs(one.value) - abs(other.value)
        if gap < _SURE * math.hypot(errors[one.player], errors[other.player]):
            found |= {one.player, other.player}
    return found
