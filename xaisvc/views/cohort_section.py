"""What a type of section is that tells of many cases, and how a declaration names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.cohort_context import CohortSection
    from xaisvc.views.document import Block

COHORT_SLOTS = ("period", "n", "cases", "bundle", "version", "owner", "purpose", "out_of_scope", "output")
"""Slots that every sentence about many cases may use."""

PREFIX = "cohort"
"""Sentences about many cases stand under this key, apart from those about one."""


class CohortSectionType(Protocol):
    """A type of section: a frozen dataclass whose fields are the options that a declaration may set.

    Attributes:
        type: Name in declarations.
        messages: Key of each sentence that it needs, to the names of the slots that it fills there beside the common
            ones.
    """

    type: ClassVar[str]
    messages: ClassVar[Mapping[str, tuple[str, ...]]]

    def build(self, context: CohortSection) -> tuple[Block, ...]:
        """The blocks of the section for one cohort."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSpec:
    """One section of a declaration: its id (the prefix of its messages) and its type with options."""

    id: str
    builder: CohortSectionType


def cohort_keys(spec: CohortSpec, key: str) -> tuple[str, ...]:
    """The places where a section's message may stand, nearest first."""
    return tuple(dict.fromkeys((f"{PREFIX}.{spec.id}.{key}", f"{PREFIX}.{spec.builder.type}.{key}", f"{PREFIX}.{key}")))
