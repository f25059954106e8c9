"""What could lead to a different result: other inputs on which the model itself decided otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from xaisvc.types import SELECTION_RULE, Gate, Kind, Outcome
from xaisvc.types.supplements import Supplement
from xaisvc.views.document import Fact, Facts, Paragraph
from xaisvc.views.gates import barred_features, unused_features
from xaisvc.views.selection import visible_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Alternative, ChangedFeature, Feature, RowCounterfactuals
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_FEW = 2


def offered_features(context: SectionContext) -> tuple[Feature, ...]:
    """The features that may be offered to be changed to this reader, as far as they have other values declared.

    Those that the reader may see, without what the model is proven not to use and, for readers who keep to that gate,
    what a caveat says is no reason: whoever may not name a fact as a reason must not be told to change it.
    """
    view = context.view
    kept_back = unused_features(view.record)
    if Gate.NOT_A_REASON in view.audience.gates:
        kept_back |= barred_features(view.record)
    return tuple(f for f in visible_features(view.description, view.audience) if f.change and f.id not in kept_back)


def offered(context: SectionContext, limit: int) -> RowCounterfactuals | None:
    """What could change an adverse decision, as far as this reader may know; None if it is not to be had.

    What the reader may not see is gone before anything is chosen, so that nothing here depends on it.
    """
    found = context.view.supplements.counterfactuals
    if found is None or context.view.record.output.adverse is not True:
        return None
    return found.shown([feature.id for feature in offered_features(context)], limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes on the bank's list that give another result, after an adverse decision; else the same words for everyone.

    Every change that is offered was scored by the model itself, or is proven to have the answer of one that was, all
    other facts as they are. Changes that a reader may
    not see, or that a caveat keeps from them, are left out before any is chosen.

    Attributes:
        maximum: Most alternatives.
    """

    type: ClassVar[str] = "changes"
    rule: ClassVar[str] = SELECTION_RULE
    needs: ClassVar[frozenset[Supplement]] = frozenset({Supplement.COUNTERFACTUALS})
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "found": (),
        "alone": (),
        "together": (),
        "or_alone": (),
        "or_together": (),
        "between": ("low", "high"),
        "stepwise": ("low", "high", "step"),
        "now": ("value",),
        "limits": (),
        "none_found": (),
        "no_list": (),
        "not_shown": (),
        "favourable": (),
        "undecided": (),
        "no_reasons.title": (),
        "no_reasons.text": (),
    }
    reasons: ClassVar[bool] = True

    maximum: int = 3

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The alternatives, best first, and what they do not say; or why there are none."""
        adverse = context.view.record.output.adverse
        if adverse is not True:
            return _sentences(context, "undecided" if adverse is None else "favourable")
        if not _has_list(context):
            return _sentences(context, "no_list")
        found = offered(context, self.maximum)
        if found is None or found.outcome is Outcome.NOT_ADVERSE:
            return _sentences(context, "not_shown")
        alternatives = found.alternatives
        if not alternatives:
            return _sentences(context, "none_found")
        return (
            *_sentences(context, "found"),
            *(_alternative(context, one, first=i == 0) for i, one in enumerate(alternatives)),
            *_sentences(context, "limits"),
        )


def _has_list(context: SectionContext) -> bool:
    """Whether the bundle declares any change to this reader; the same for every case of a bundle."""
    view = context.view
    return any(feature.change for feature in visible_features(view.description, view.audience))


def _sentences(context: SectionContext, key: str) -> tuple[Paragraph, ...]:
    return (Paragraph(text=context.say(key)),)


def _known(one: Alternative) -> tuple[ChangedFeature, ...]:
    """The changes, each value of which is known to be enough.

    Where a region is not known throughout, its smallest change is: each of its categories was scored there.
    """
    if one.complete:
        return one.changes
    return tuple(
        change if change.region is None else replace(change, farthest=change.nearest, values=1)
        for change in one.changes
    )


def _alternative(context: SectionContext, one: Alternative, *, first: bool) -> Facts:
    key = "alone" if len(one.changes) == 1 else "together"
    return Facts(
        title=context.say(key if first else f"or_{key}"), rows=tuple(_change(context, change) for change in _known(one))
    )


def _change(context: SectionContext, change: ChangedFeature) -> Fact:
    """One changed feature: what it is called, the values offered, and the value that it has now."""
    view, language = context.view, context.view.language
    feature = view.description.feature(change.feature)
    now = context.say("now", value=language.value(feature, view.record.row[feature.id]))
    return Fact(label=feature.label(language.code), value=_region(context, feature, change), note=now)


def _region(context: SectionContext, feature: Feature, change: ChangedFeature) -> str:
    """The values offered, in words: one, either of two, any of some, or those between two ends in steps."""
    language = context.view.language
    if change.region is None:
        return language.either([language.value(feature, target) for target in change.targets])
    low, high = change.region
    if change.values <= _FEW:
        words = language.ends(feature, low, high) if low < high else (language.value(feature, low),)
        return language.either(words)
    ends = dict(zip(("low", "high"), language.ends(feature, low, high), strict=True))
    step = feature.change.step if feature.change else None
    if feature.kind is Kind.DATE or step is None or step == 1.0:
        return context.say("between", **ends)
    return context.say("stepwise", **ends, step=language.quantity(step, feature.unit))
