"""Sections for data scientists: every number, how it was made, and what it does not say."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Level, Severity
from xaisvc.views.document import (
    Bar,
    BarChart,
    Bullets,
    Cell,
    Column,
    Fact,
    Facts,
    Notice,
    Paragraph,
    Table,
)
from xaisvc.views.entries import player_label
from xaisvc.views.language import exact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Caveat, PlayerValue
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block, Tone

_SET_BY: Mapping[Level, tuple[Severity | None, Tone]] = MappingProxyType(
    {
        Level.NORMAL: (None, "info"),
        Level.CARE: (Severity.CARE, "care"),
        Level.UNRELIABLE: (Severity.UNRELIABLE, "stop"),
    }
)
LOCAL_SURROGATE = "local_surrogate"
EXACT_METHOD = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Everything needed to compute the same answer again."""

    type: ClassVar[str] = "reproduction"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "record": (),
        "created": (),
        "bundle": (),
        "model": (),
        "background": (),
        "schema": (),
        "method": (),
        "exact": (),
        "enumerated": (),
        "sampled": (),
        "value_function": (),
        "space": (),
        "players": (),
        "budget": (),
        "no_budget": (),
        "seed": (),
        "evaluations": (),
        "device": (),
        "answer_version": (),
        "choice": (),
        "how": (),
        "pinned": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """How it was computed, then what was pinned."""
        record = context.view.record
        found = record.attribution
        # The method of that name is told by what it does: "exact (exact)" would say nothing.
        kind = "sampled" if not found.exact else "enumerated" if found.method == EXACT_METHOD else "exact"
        how = [
            ("record", record.id),
            ("created", record.created_at),
            ("bundle", f"{record.bundle} {record.bundle_version}"),
            ("method", f"{found.method} ({context.say(kind)})"),
            ("value_function", found.value_function),
            ("space", found.space.value),
            ("players", f"{len(found.players)} {found.players_kind}"),
            ("budget", found.budget or context.say("no_budget")),
            ("seed", str(found.seed)),
            ("evaluations", str(found.model_evaluations)),
            ("device", record.device),
            ("answer_version", str(record.answer_version)),
        ]
        if found.detail:
            how.append(("choice", found.detail))
        pinned = (
            ("model", record.digests.model),
            ("background", record.digests.background),
            ("schema", record.digests.schema),
        )
        return (
            Facts(title=context.say("how"), rows=tuple(Fact(label=context.say(k), value=v) for k, v in how)),
            Facts(
                title=context.say("pinned"),
                rows=tuple(Fact(label=context.say(k), value=v) for k, v in pinned),
                code=True,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The model's answer and the numbers it is compared with, exactly."""

    type: ClassVar[str] = "prediction"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "output_id": (),
        "prediction": (),
        "explained": (),
        "base": (),
        "threshold": (),
        "band": (),
        "side": (),
        "adverse": (),
        "favourable": (),
        "undecided": (),
        "none": (),
        "in_space": ("value", "space"),
        "adverse_when": (),
        "rank": (),
        "rank_value": ("share", "rows", "mean"),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Facts in full precision."""
        view = context.view
        answer, found, output = view.record.output, view.record.attribution, view.output
        nothing = context.say("none")
        outcome = {True: "adverse", False: "favourable", None: "undecided"}[answer.adverse]

        def number(value: float, space: str) -> str:
            return context.say("in_space", value=value, space=space)

        tensor_space = answer.prediction_space.value
        rows = [
            ("output_id", f"{output.id} ({output.label(view.language.code)})"),
            ("prediction", number(answer.prediction, tensor_space)),
            ("explained", number(found.output, found.space.value)),
            ("base", number(found.base_value, found.space.value)),
            ("threshold", nothing if output.threshold is None else number(output.threshold, tensor_space)),
            ("adverse_when", output.adverse.value if output.adverse else nothing),
            ("side", context.say(outcome)),
            ("band", f"{answer.band} ({view.band})" if answer.band else nothing),
        ]
        portfolio = view.record.portfolio
        if portfolio is not None:
            value = context.say(
                "rank_value", share=portfolio.rank_share, rows=portfolio.rows, mean=portfolio.mean_prediction
            )
            rows.append(("rank", value))
        return (Facts(rows=tuple(Fact(label=context.say(key), value=value) for key, value in rows)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaveatList:
    """How far the record may be relied on, which caveats say so, and every caveat with its evidence."""

    type: ClassVar[str] = "caveats"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "none": (),
        "level": ("level",),
        "triggers": ("triggers",),
        "no_triggers": (),
        "rule": (),
        "heading": ("id", "severity"),
        "message": (),
        "players": (),
        "whole": (),
        "robust": (),
        "robust_value": ("players", "value", "low", "high"),
        "evidence": (),
        "gates": (),
        "model_rows": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The level with what set it, then each caveat, most severe first as recorded."""
        caveats = context.view.record.caveats
        if not caveats:
            return (Notice(tone="info", title=context.say("none")),)
        return (_level(context), *(_caveat(context, caveat) for caveat in caveats))


def _level(context: SectionContext) -> Notice:
    """How far the record may be relied on, with the caveats that set the level."""
    record = context.view.record
    severity, tone = _SET_BY[record.reliability]
    setting = tuple(caveat.id for caveat in record.caveats if caveat.severity is severity)
    why = context.say("triggers", triggers=setting) if setting else context.say("no_triggers")
    return Notice(
        tone=tone,
        title=context.say("level", level=record.reliability.value),
        text=f"{why} {context.say('rule')}",
    )


def _caveat(context: SectionContext, caveat: Caveat) -> Facts:
    """What a caveat says, under its id; what it does not have is left out."""
    robust = caveat.robust
    read_instead = (
        ""
        if robust is None
        else context.say(
            "robust_value",
            players=" + ".join(robust.players),
            value=f"{robust.value:+.4g}",
            low=f"{robust.low:+.4g}",
            high=f"{robust.high:+.4g}",
        )
    )
    rows = (
        ("message", caveat.message),
        ("players", ", ".join(caveat.players) or context.say("whole")),
        ("robust", read_instead),
        ("evidence", ", ".join(f"{name} = {value:.6g}" for name, value in caveat.evidence.items())),
        ("gates", ", ".join(caveat.gates)),
        ("model_rows", str(caveat.model_rows or "")),
    )
    return Facts(
        title=context.say("heading", id=caveat.id, severity=caveat.severity.value),
        rows=tuple(Fact(label=context.say(key), value=value) for key, value in rows if value),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionTable:
    """The largest attributions as signed bars, and all of them as a table.

    Attributes:
        max_bars: Most bars in the chart; the table always holds every player.
    """

    type: ClassVar[str] = "attributions"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "chart": (),
        "description": ("bars", "players", "space"),
        "below": (),
        "above": (),
        "raised": ("value",),
        "lowered": ("value",),
        "nothing": ("value",),
        "caption": ("space",),
        "player": (),
        "value": (),
        "attribution": (),
        "error": (),
        "usual": (),
        "class": (),
        "no_class": (),
    }
    reasons: ClassVar[bool] = True

    max_bars: int = 15

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Chart and table, both by absolute value."""
        found = context.view.record.attribution
        ranked = sorted(found.players, key=lambda player: -abs(player.value))
        shown = ranked[: self.max_bars]
        chart = BarChart(
            title=context.say("chart"),
            description=context.say("description", bars=len(shown), players=len(ranked), space=found.space.value),
            bars=tuple(
                Bar(label=_name(context, player), value=player.value, text=_signed(context, player.value))
                for player in shown
            ),
            below=context.say("below"),
            above=context.say("above"),
        )
        columns = (
            Column(label=context.say("player")),
            Column(label=context.say("value")),
            Column(label=context.say("attribution"), numeric=True),
            Column(label=context.say("error"), numeric=True),
            Column(label=context.say("usual"), numeric=True),
            Column(label=context.say("class")),
        )
        table = Table(
            caption=context.say("caption", space=found.space.value),
            columns=columns,
            rows=tuple(_row(context, player) for player in ranked),
        )
        return (chart, table)


def _name(context: SectionContext, player: PlayerValue) -> str:
    return player_label(player, context.view.description, context.view.language)


def _signed(context: SectionContext, value: float) -> str:
    word = "raised" if value > 0 else "lowered" if value < 0 else "nothing"
    return context.say(word, value=f"{value:+.4g}" if value else "0")


def _row(context: SectionContext, player: PlayerValue) -> tuple[Cell, ...]:
    view = context.view
    features = [view.description.feature(name) for name in player.features]
    values = [view.language.value(feature, view.record.row.get(feature.id)) for feature in features]
    single = view.record.row.get(player.features[0]) if len(player.features) == 1 else None
    classes = dict.fromkeys(f.sensitivity.value if f.sensitivity else context.say("no_class") for f in features)
    usual = player.portfolio_mean_abs
    return (
        Cell(text=player.player),
        Cell(text="; ".join(values), number=single if isinstance(single, float) else None),
        Cell(text=f"{player.value:+.6g}" if player.value else "0", number=player.value),
        Cell(text=f"{player.standard_error:.2g}", number=player.standard_error),
        Cell(text="" if usual is None else f"{usual:.6g}", number=usual),
        Cell(text=", ".join(classes)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Whether the numbers add up, and the method's own diagnostics."""

    type: ClassVar[str] = "checks"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "additivity": (),
        "surrogate": (),
        "sum": (),
        "explained": (),
        "residual": (),
        "diagnostics": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Base value plus attributions beside the explained number, and their difference."""
        found = context.view.record.attribution
        total = found.base_value + sum(player.value for player in found.players)
        kind = "surrogate" if found.value_function == LOCAL_SURROGATE else "additivity"
        rows = (("sum", total), ("explained", found.output), ("residual", found.output - total))
        blocks: list[Block] = [
            Paragraph(text=context.say(kind)),
            Facts(rows=tuple(Fact(label=context.say(key), value=exact(value)) for key, value in rows)),
        ]
        if found.diagnostics:
            diagnostics = tuple(Fact(label=name, value=exact(value)) for name, value in found.diagnostics.items())
            blocks.append(Facts(title=context.say("diagnostics"), rows=diagnostics))
        return tuple(blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodLimits:
    """What the numbers show and what they do not, for the method that ran."""

    type: ClassVar[str] = "method_limits"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "shows": (),
        "shows_not": (),
        "interventional": (),
        "interventional_not": (),
        "surrogate": (),
        "surrogate_not": (),
        "sampled": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Two lists."""
        found = context.view.record.attribution
        kind = "surrogate" if found.value_function == LOCAL_SURROGATE else "interventional"
        not_shown = context.sentences(f"{kind}_not")
        if not found.exact:
            not_shown = (*not_shown, *context.sentences("sampled"))
        return (
            Bullets(title=context.say("shows"), items=context.sentences(kind)),
            Bullets(title=context.say("shows_not"), items=not_shown),
        )
