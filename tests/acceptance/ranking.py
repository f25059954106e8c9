"""What the reasons of a record must be, computed again from the record, the bundle and the declared rule alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from babel.lists import format_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.acceptance.worlds import Declared
    from xaisvc.types import BundleDescription, Caveat, ExplanationRecord, Feature

LOCALES = {"en": "en_GB", "nl": "nl_NL"}


@dataclass(frozen=True)
class Ranked:
    """Facts that count as one reason.

    Attributes:
        label: What readers of one language call it.
        features: Its features.
        value: What they add up to.
        error: Upper bound of the standard error.
        seen: Whether the reader may see it.
        shown: Whether the reader may be given it as a reason.
        held: Whether the letter must be held if it is a principal reason.
        unused: Whether the model is proven not to use it.
        order: Place in the record.
    """

    label: str
    features: frozenset[str]
    value: float
    error: float
    seen: bool
    shown: bool
    held: bool
    unused: bool
    order: int


def gates_of(declared: Declared, audience: str) -> frozenset[str]:
    """Gates that an audience keeps to: all of them unless it says otherwise."""
    return frozenset(declared.audience(audience).get("gates", ("no_reasons", "not_a_reason", "no_ranking")))


def is_unreliable(record: ExplanationRecord, declared: Declared, audience: str) -> bool:
    """Whether reasons must not be given."""
    gates = gates_of(declared, audience)
    return any(
        caveat.severity.value == "unreliable" or ("no_reasons" in caveat.gates and "no_reasons" in gates)
        for caveat in record.caveats
    )


def ties_of(record: ExplanationRecord) -> list[frozenset[str]]:
    """Players that must not be two reasons, for each caveat that says so; without those that are not used."""
    unused = _unused(record.caveats)
    return [
        frozenset(caveat.players) - unused
        for caveat in record.caveats
        if "no_ranking" in caveat.gates or (caveat.kind == "shared_credit" and caveat.severity.value != "info")
    ]


def rank(  # noqa: PLR0913, PLR0917 - what a ranking depends on
    record: ExplanationRecord,
    description: BundleDescription,
    declared: Declared,
    audience: str,
    language: str,
    level: str = "concept",
) -> list[Ranked]:
    """Everything that could be a reason, strongest first."""
    players = {one.player: one for one in record.attribution.players}
    features = {one.id: one for one in description.features}
    gates = gates_of(declared, audience)
    unused = _unused(record.caveats)
    barred = {p for c in record.caveats if "not_a_reason" in c.gates for p in c.players}
    ties = [tie for tie in ties_of(record) if len(tie) > 1]
    action = {one.id: declared.action(audience, one) for one in description.features}
    holding = {p for p, one in players.items() for name in one.features if action[name] == "hold"}

    def kind(player: str) -> object:
        return frozenset(features[name].sensitivity for name in players[player].features)

    sets: list[set[str]] = [{p} for p in players]
    for tie in ties:
        for one in {kind(p) for p in tie if p in players}:
            _join(sets, {p for p in tie if p in players and kind(p) == one})
    open_ = {p for one in sets if one - barred for p in one}
    for key in {_key(features[players[p].features[0]], action, level, language) for p in open_} - {None}:
        mine = {p for p in open_ if _key(features[players[p].features[0]], action, level, language) == key}
        _join(sets, mine)
    order = list(players)
    found = []
    for one in sorted(sets, key=lambda s: min(order.index(p) for p in s)):
        names = [name for p in sorted(one, key=order.index) for name in players[p].features]
        actions = {action[name] for name in names}
        general = actions == {"generalise"}
        foreign = set().union(*(tie for tie in ties if tie & one)) - one
        kept = ("not_a_reason" in gates and one <= barred) or ("no_ranking" in gates and bool(foreign & holding))
        visible = actions == {"show"} or general
        found.append(
            Ranked(
                label=_label([features[n] for n in names], description, language, level, general=general),
                features=frozenset(names),
                value=sum(players[p].value for p in one),
                error=sum(players[p].standard_error for p in one),
                seen=visible,
                shown=visible and not kept,
                held=("hold" in actions or (visible and kept)) and not one <= unused,
                unused=one <= unused,
                order=min(order.index(p) for p in one),
            )
        )
    twice = [one.label for one in found if one.seen]
    named = [
        replace(
            one,
            label=f"{one.label}: {_listed([features[n].label(language) for n in _ordered(one, features)], language)}",
        )
        if one.seen and twice.count(one.label) > 1 and "generalise" not in {action[n] for n in one.features}
        else one
        for one in found
    ]
    return sorted(named, key=lambda one: (-abs(one.value), one.order))


def reasons(ranked: Sequence[Ranked], sign: int, options: dict[str, Any], maximum: int) -> list[Ranked]:
    """The reasons of one direction under the declared rule."""
    total = sum(abs(one.value) for one in ranked if one.seen and not one.unused)
    found = [
        one
        for one in ranked
        if one.shown
        and one.value * sign > 0
        and abs(one.value) >= options["floor"] * total
        and abs(one.value) >= options["certainty"] * one.error
    ]
    return found[:maximum]


def misses(ranked: Sequence[Ranked], sign: int, options: dict[str, Any], given: Sequence[Ranked]) -> bool:
    """Whether what is given is not the true beginning, because something stands in it that must not be named."""
    used = [one for one in ranked if not one.unused]
    total = sum(abs(one.value) for one in used)
    first = [one for one in used if one.value * sign > 0 and abs(one.value) >= options["floor"] * total]
    weakest = min((one.value * sign for one in given), default=float("inf"))
    return any(one.held and (one in first[: options["maximum"]] or one.value * sign > weakest) for one in ranked)


def named(
    item: Mapping[str, Any], ranked: Sequence[Ranked], description: BundleDescription, language: str
) -> Ranked | None:
    """What a reason of a view is: what has its name, or what all its facts are of and one of them is called so."""
    ranked = [one for one in ranked if one.seen]  # what is withheld can have the same concept, and so the same name
    exact = next((one for one in ranked if one.label == item["label"]), None)
    if exact is not None:
        return exact
    facts = {fact["label"] for fact in item["facts"]}
    for one in ranked:
        members = [feature for feature in description.features if feature.id in one.features]
        names = {feature.label(language) for feature in members}
        concepts = {c.label(language) for c in description.concepts if c.id in {f.concept for f in members}}
        if facts and facts <= names and item["label"] in names | concepts:
            return one
    return None


def _unused(caveats: Iterable[Caveat]) -> frozenset[str]:
    return frozenset(
        p for c in caveats if c.kind == "attributed_but_unused" and "not_a_reason" in c.gates for p in c.players
    )


def _join(sets: list[set[str]], members: set[str]) -> None:
    touched = [one for one in sets if one & members]
    for one in touched:
        sets.remove(one)
    sets.append(set().union(*touched))


def _key(feature: Feature, action: dict[str, str], level: str, language: str) -> tuple[str, ...] | None:
    if action[feature.id] == "generalise":
        return ("general", feature.general_label(language))
    if level == "concept" and feature.concept:
        return ("concept", feature.concept, str(feature.sensitivity))
    return None


def _ordered(one: Ranked, features: dict[str, Feature]) -> list[str]:
    return [name for name in features if name in one.features]


def _label(
    members: Sequence[Feature], description: BundleDescription, language: str, level: str, *, general: bool
) -> str:
    if general:
        names = [one.general_label(language) for one in members]
    else:
        concepts = {one.id: one.label(language) for one in description.concepts}
        name: Callable[[Feature], str] = lambda one: (  # noqa: E731 - one line of the rule
            concepts[one.concept] if level == "concept" and one.concept else one.label(language)
        )
        names = [name(one) for one in members]
    return _listed(list(dict.fromkeys(names)), language)


def _listed(names: Sequence[str], language: str) -> str:
    if len(names) > 1 and any("," in name or {"en": " and ", "nl": " en "}[language] in name for name in names):
        return "; ".join(names)
    return format_list(list(names), locale=LOCALES[language])
