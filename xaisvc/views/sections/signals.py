"""Signals for whoever judges an alert: of concern and of normal behaviour, each with the way to its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.views.sections.evidence import evidence_links
from xaisvc.views.sections.reasons import SideReasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Link
    from xaisvc.views.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals(SideReasons):
    """Reasons of two directions, the adverse one first, under short names: the facts stand below each, or beside it."""

    type: ClassVar[str] = "signals"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {**SideReasons.messages, "see": ("mark",)}

    def names(self, context: SectionContext, entries: tuple[Entry, ...]) -> tuple[str, ...]:
        """Short names; two signals of one list that have the same one keep their long ones."""
        names = [_short(context, entry) for entry in entries]
        return tuple(
            name if names.count(name) == 1 else entry.label for entry, name in zip(entries, names, strict=True)
        )

    def links(self, context: SectionContext, entry: Entry) -> tuple[Link, ...]:
        """The groups of evidence that hold its facts."""
        return evidence_links(context, entry.facts())


def _short(context: SectionContext, entry: Entry) -> str:
    """The name of the one fact that carries an entry, else those of its concepts."""
    code = context.view.language.code
    facts = entry.facts()
    if entry.general:
        return entry.label
    if len(facts) == 1:
        return facts[0].label(code)
    concepts = [context.view.description.concept(member.feature.concept or "") for member in entry.members]
    if None in concepts:
        return entry.label
    return context.view.language.join(list(dict.fromkeys(one.label(code) for one in concepts if one is not None)))
