"""Sections for data scientists: every number, how it was made, and what it does not say."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import Level, Severity
from xaisvc.views.document import Bullets, Fact, Facts, Notice
from xaisvc.views.reliability import caveat_sentence
from xaisvc.views.sections.technical_common import LOCAL_SURROGATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Caveat
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block, Tone

_SET_BY: Mapping[Level, tuple[Severity | None, Tone]] = MappingProxyType(
    {
        Level.NORMAL: (None, "info"),
        Level.CARE: (Severity.CARE, "care"),
        Level.UNRELIABLE: (Severity.UNRELIABLE, "stop"),
    }
)
EXACT_METHOD = "exact"
_PLAYERS = ("features", "concepts", "clusters", "custom")
_RECORD_LANGUAGE = "en"
"""The language of the sentences that a record holds."""
_METHODS = ("linear", "tree", "exact", "kernel", "permutation", "lime")


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
        **{f"players_of.{kind}": ("players",) for kind in _PLAYERS},
        "budget": (),
        "no_budget": (),
        "seed": (),
        "evaluations": (),
        "device": (),
        "answer_version": (),
        "choice": (),
        "choice_recorded": (),
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
            ("players", context.say(f"players_of.{found.players_kind}", players=len(found.players))),
            ("budget", found.budget or context.say("no_budget")),
            ("seed", str(found.seed)),
            ("evaluations", str(found.model_evaluations)),
            ("device", record.device),
            ("answer_version", str(record.answer_version)),
        ]
        if found.detail:
            how.append(("choice" if _is_recorded(context) else "choice_recorded", found.detail))
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
        "higher": (),
        "lower": (),
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
            ("adverse_when", context.say(output.adverse.value) if output.adverse else nothing),
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
        "recorded": ("finding", "words"),
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


def _is_recorded(context: SectionContext) -> bool:
    """Whether the sentences that the record holds are in the reader's language."""
    return context.view.language.code == _RECORD_LANGUAGE


def _caveat(context: SectionContext, caveat: Caveat) -> Facts:
    """What a caveat says, under its id; what it does not have is left out.

    In another language than the record's the catalogue says what its kind means. The record's own words stand beside
    that: names of units and the like are told nowhere else.
    """
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
    said = "" if _is_recorded(context) else caveat_sentence(caveat, caveat.players, context.view.language)
    both = context.say("recorded", finding=said, words=caveat.message) if said and caveat.message else ""
    rows = (
        ("message", both or caveat.message),
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
        "each": (),
        "used": (),
        "compared": (),
        **{f"of.{method}": () for method in _METHODS},
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Two lists about the method that ran, and one line for each method."""
        found = context.view.record.attribution
        kind = "surrogate" if found.value_function == LOCAL_SURROGATE else "interventional"
        not_shown = context.sentences(f"{kind}_not")
        if not found.exact:
            not_shown = (*not_shown, *context.sentences("sampled"))
        return (
            Bullets(title=context.say("shows"), items=context.sentences(kind)),
            Bullets(title=context.say("shows_not"), items=not_shown),
            Facts(title=context.say("each"), rows=tuple(_limit(context, method) for method in _METHODS)),
        )


def _limit(context: SectionContext, method: str) -> Fact:
    """A method's limit in one line, and whether it speaks on this page."""
    other = context.view.supplements.second_method
    note = ""
    if _kin(context.view.record.attribution.method) == method:
        note = context.say("used")
    elif other is not None and _kin(other.method) == method:
        note = context.say("compared")
    return Fact(label=method, value=context.say(f"of.{method}"), note=note)


def _kin(method: str) -> str:
    """The method that a variant belongs to."""
    return "lime" if method.startswith("lime") else method
