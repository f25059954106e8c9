"""An audience that extends another: it takes over what it does not say itself, and may only withhold more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.views.audience import Action, OnUnreliable
from xaisvc.views.sections.client import MaySay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.audience import Audience
    from xaisvc.views.yamlfile import YamlFile

_OWN_KEYS = frozenset({"schema", "id", "extends", "version", "label", "purpose"})
"""What every audience says itself."""

_STRICTER = (Action.SHOW, Action.GENERALISE, Action.HIDE, Action.HOLD, Action.CLOSED)
_STRICTER_UNRELIABLE = (OnUnreliable.SHOW, OnUnreliable.NO_REASONS, OnUnreliable.HOLD)


def inherited(declared: Mapping[str, YamlFile], name: str) -> tuple[YamlFile, str]:
    """A declaration with what it takes over, and the id of the audience that it extends; empty if it extends none.

    Raises:
        AudienceError: If it extends itself, an audience that is not there, or one that extends another.
    """
    file = declared[name]
    if "extends" not in file.content:
        return file, ""
    parent = file.text("extends", file.content["extends"])
    if parent not in declared or parent == name:
        others = ", ".join(other for other in declared if other != name)
        raise file.error("extends", f"there is no other audience '{parent}' to extend; known: {others}")
    if "extends" in declared[parent].content:
        raise file.error("extends", f"'{parent}' extends an audience itself; extend that one")
    taken = {key: value for key, value in declared[parent].content.items() if key not in _OWN_KEYS}
    return replace(file, content={**taken, **file.content}), parent


def check_tightens(file: YamlFile, child: Audience, parent: Audience) -> None:
    """Checks that a child withholds at least what its parent does.

    Raises:
        AudienceError: If it shows a class, or a fact of a class in a conversation, that the parent does not, gives
            reasons where the parent gives none, or does not keep to a gate of the parent; the message says what to do.
    """
    again = f"an audience that extends '{parent.id}' may only withhold more"
    for name, action in parent.actions.items():
        mine = child.actions.get(name, Action.HIDE)
        if _STRICTER.index(mine) < _STRICTER.index(action):
            raise file.error(
                "clearance",
                f"'{name}' is '{mine}' here and '{action}' for '{parent.id}'; {again}: make it '{action}' or "
                "stricter in clearance or classes.yaml",
            )
    if _STRICTER_UNRELIABLE.index(child.on_unreliable) < _STRICTER_UNRELIABLE.index(parent.on_unreliable):
        raise file.error(
            "on_unreliable", f"is '{child.on_unreliable}', for '{parent.id}' it is '{parent.on_unreliable}'; {again}"
        )
    if parent.before and not child.before:
        raise file.error("first_judgement", f"must be 'required', as for '{parent.id}'; {again}")
    missing = sorted(parent.gates - child.gates)
    if missing:
        raise file.error("gates", f"must name '{missing[0]}' as well: '{parent.id}' keeps to it, and {again}")
    for name in sorted(_may_say(child) - _may_say(parent)):
        if _may_say(parent):
            raise file.error("sections", f"'may_say' allows '{name}', which '{parent.id}' does not; {again}")


def _may_say(audience: Audience) -> frozenset[str]:
    """Classes whose facts the audience may name to clients."""
    return frozenset(
        name for spec in audience.sections if isinstance(spec.builder, MaySay) for name in spec.builder.classes
    )
