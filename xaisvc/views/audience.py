"""An audience: a reader, declared in files. Frozen; knows no YAML and no format."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import Feature, Gate
    from xaisvc.types.supplements import Supplement
    from xaisvc.views.catalogue import Catalogue
    from xaisvc.views.cohort_section import CohortSpec
    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block
    from xaisvc.views.packs import PackUse
    from xaisvc.views.wording import ReadingLimits

UNCLASSIFIED = "unclassified"
"""Stands for the missing sensitivity class of a feature, wherever classes are listed."""

Layout: TypeAlias = Literal["report", "brief", "card", "case", "letter"]


class Action(StrEnum):
    """What happens to a feature of a sensitivity class in an audience's view.

    `show`: it is shown. `generalise`: it appears under the general words that the bundle declares for it, without its
    name and value, as one with all others of these words; without such words it is held for, or hidden where views are
    never held. `hide`: it is left out before anything is ranked, scaled or counted. `hold`: as `hide`, and if it is a
    principal reason of an adverse decision, the view is held for a person instead of naming other reasons. `closed`:
    this audience gets no view of any case of a bundle that uses such a feature, always in the same words.
    """

    SHOW = "show"
    GENERALISE = "generalise"
    HIDE = "hide"
    HOLD = "hold"
    CLOSED = "closed"


class OnUnreliable(StrEnum):
    """What an audience gets when a caveat says that reasons must not be given."""

    SHOW = "show"
    NO_REASONS = "no_reasons"
    HOLD = "hold"


_T = TypeVar("_T")


def choice(default: _T, *others: _T) -> _T:
    """An option of a section type that takes one of a few words; the first is its default."""
    return field(default=default, metadata={"choices": (default, *others)})


class SectionType(Protocol):
    """A type of section: a frozen dataclass whose fields are the options that a declaration may set.

    Attributes:
        type: Name in declarations.
        messages: Key of each sentence that it needs, to the names of the slots that it fills there beside the common
            ones.
        reasons: Whether it gives reasons, which an unreliable explanation must not.
    """

    type: ClassVar[str]
    messages: ClassVar[Mapping[str, tuple[str, ...]]]
    reasons: ClassVar[bool]

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The blocks of the section for one record."""
        ...


@runtime_checkable
class Supplied(Protocol):
    """A type of section that needs something beside the record.

    Attributes:
        needs: What it needs; it finds it in `context.view.supplements`, or None there if it is not to be had.
    """

    needs: ClassVar[frozenset[Supplement]]


@runtime_checkable
class FactsOnly(Protocol):
    """A type of section that shows the facts of a case, and nothing that follows from the model's answer.

    Attributes:
        facts_only: True. A section of another type cannot be read before a first judgement.
    """

    facts_only: ClassVar[bool]


@runtime_checkable
class Worded(Protocol):
    """A type of section that needs sentences which follow from its options."""

    def own_messages(self) -> Mapping[str, tuple[str, ...]]:
        """Key of each of them to the names of the slots that it fills there."""
        ...


@runtime_checkable
class Ruled(Protocol):
    """A type of section that chooses what to say.

    Attributes:
        rule: Name and version of the rule by which it chooses.
    """

    rule: ClassVar[str]


@runtime_checkable
class Holding(Protocol):
    """A type of section that can hold its whole view, where it cannot be given truthfully.

    Attributes:
        may_hold: True. Of the sections of a view, only these decide its status.
    """

    may_hold: ClassVar[bool]


@runtime_checkable
class Coded(Protocol):
    """A type of section that lists the codes of reasons which its readers can give in feedback."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes, in the order of the page."""
        ...


@runtime_checkable
class Decided(Protocol):
    """A type of section that lists the decisions which its readers can give as judgements in feedback."""

    @property
    def decisions(self) -> tuple[str, ...]:
        """Codes of the decisions, in the order of the page."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSpec:
    """One section of a declaration: its id (the prefix of its messages) and its type with options."""

    id: str
    builder: SectionType


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A reader, and everything that decides what they see.

    Attributes:
        id: Name used by callers.
        version: Version of the declaration.
        labels: Language to name for people.
        purposes: Language to what the reader uses the view for.
        questions: Questions that the view answers, by id.
        actions: Sensitivity class (or `unclassified`) to what happens to its features; hidden if absent.
        sections: Content of a complete view, in order.
        held: Content of a view that is held for review, in order; the same for every case.
        closed: Content for a bundle that this audience gets no view of; the same for every case.
        on_unreliable: What happens when reasons must not be given.
        gates: Gates of caveats that this audience keeps to. Players that must not be ranked among each other are one
            for every audience; one that keeps to `no_ranking` does not name part of them where it may not see the rest
            and would be held for it.
        caveats: How many caveats are worded.
        banned: Language to terms that must not reach this reader.
        reading: Language to how hard the text may be.
        layout: Page layout.
        formats: Formats served.
        catalogues: Language to sentences.
        packs: Which jurisdiction pack speaks in its views.
        extends: Id of the audience whose declaration this one tightens; empty for none.
        before: Content until the reader's own first judgement of the case is stored, the facts alone; empty if none is
            asked for.
        cohort_sections: Content of a view of many cases, in order; empty for an audience that has none.
    """

    id: str
    version: int
    labels: Mapping[str, str]
    purposes: Mapping[str, str]
    questions: tuple[str, ...]
    actions: Mapping[str, Action]
    sections: tuple[SectionSpec, ...]
    held: tuple[SectionSpec, ...]
    closed: tuple[SectionSpec, ...]
    on_unreliable: OnUnreliable
    gates: frozenset[Gate]
    caveats: int
    banned: Mapping[str, tuple[str, ...]]
    reading: Mapping[str, ReadingLimits]
    layout: Layout
    formats: tuple[str, ...]
    catalogues: Mapping[str, Catalogue]
    packs: PackUse
    extends: str = ""
    before: tuple[SectionSpec, ...] = ()
    cohort_sections: tuple[CohortSpec, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that views are written in."""
        return tuple(self.catalogues)

    @property
    def label(self) -> str:
        """Name for people, in English or else in the first language."""
        return self.labels.get("en") or self.labels[self.languages[0]]

    @property
    def purpose(self) -> str:
        """What the reader uses the view for, in English or else in the first language."""
        return self.purposes.get("en") or self.purposes[self.languages[0]]

    @property
    def reason_codes(self) -> tuple[str, ...]:
        """Codes of the reasons that its views list for feedback, each once; empty if they list none."""
        found = [spec.builder.codes for spec in (*self.before, *self.sections) if isinstance(spec.builder, Coded)]
        return tuple(dict.fromkeys(code for codes in found for code in codes))

    @property
    def decisions(self) -> tuple[str, ...]:
        """Codes of the decisions that its views list for feedback, each once; empty if they list none."""
        found = [spec.builder.decisions for spec in (*self.before, *self.sections) if isinstance(spec.builder, Decided)]
        return tuple(dict.fromkeys(code for codes in found for code in codes))

    def action(self, feature: Feature) -> Action:
        """What happens to a feature; hidden unless the declaration says otherwise."""
        found = self.actions.get(feature.sensitivity.value if feature.sensitivity else UNCLASSIFIED, Action.HIDE)
        if found is Action.GENERALISE and not feature.generalised:
            return Action.HOLD if self.held else Action.HIDE
        return found

    def catalogue(self, language: str) -> Catalogue:
        """The sentences in `language`.

        Raises:
            InvalidRequestError: If the audience has no such language; the message lists those it has.
        """
        found = self.catalogues.get(language)
        if found is None:
            known = ", ".join(self.languages)
            raise InvalidRequestError.of(
                "language", f"audience '{self.id}' has no view in '{language}'; it has: {known}", "UNKNOWN_LANGUAGE"
            )
        return found
