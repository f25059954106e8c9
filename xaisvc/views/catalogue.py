"""Messages: sentences with typed slots. A number reaches a reader through a slot or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from xaisvc.views.language import Language

SLOT_TYPES = ("text", "integer", "number", "percent", "exact", "date", "list")

SlotValue: TypeAlias = str | float | Sequence[str]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a sentence: which value goes there and how it is worded."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Single:
    """The one slot of a sentence, and what stands before and behind it."""

    before: str
    slot: Slot
    behind: str


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence as literal texts and slots, in order.

    Attributes:
        parts: The texts and slots.
        slots: Names of the slots, in order.
        literal: The sentence without its slots.
        single: Its slot and what stands around it, if it has exactly one.
    """

    parts: tuple[str | Slot, ...]
    slots: tuple[str, ...] = field(init=False, repr=False, compare=False)
    literal: str = field(init=False, repr=False, compare=False)
    single: _Single | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", tuple(part.name for part in self.parts if isinstance(part, Slot)))
        literal = "".join(part if isinstance(part, str) else "…" for part in self.parts)
        object.__setattr__(self, "literal", literal)
        object.__setattr__(self, "single", self._single())

    def _single(self) -> _Single | None:
        places = [place for place, part in enumerate(self.parts) if isinstance(part, Slot)]
        if len(places) != 1:
            return None
        (at,) = places
        before, behind = ("".join(map(str, parts)) for parts in (self.parts[:at], self.parts[at + 1 :]))
        return _Single(before, cast("Slot", self.parts[at]), behind)

    def fill(self, values: Mapping[str, SlotValue], language: Language) -> str:
        """The sentence with every slot worded in `language`."""
        single = self.single
        if single is not None:  # nearly all with a slot have one
            slot = single.slot
            return f"{single.before}{language.slot(slot.kind, values[slot.name])}{single.behind}"
        if not self.slots:
            return self.literal
        word = language.slot
        return "".join(
            [part if part.__class__ is str else word(part.kind, values[part.name]) for part in self.parts]  # type: ignore[union-attr] # no slot is a str
        )


def parse_message(text: str) -> Message:
    """Reads a sentence such as `{rows:integer} past cases`; a slot without a type is a text.

    Raises:
        ValueError: If braces do not match, a slot has no name or an unknown type; the message says which.
    """
    parts: list[str | Slot] = []
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        raise ValueError("the braces do not match; write a slot as {name:type}") from None
    for literal, name, kind, conversion in pieces:
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if not name.isidentifier() or conversion:
            raise ValueError(f"'{{{name}}}' is no slot; write a slot as {{name:type}}")
        if (kind or "text") not in SLOT_TYPES:
            raise ValueError(f"slot '{name}' has the unknown type '{kind}'; known: {', '.join(SLOT_TYPES)}")
        parts.append(Slot(name, kind or "text"))
    return Message(tuple(parts))


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All sentences of one audience in one language. Two catalogues are the same only if they are one object.

    Attributes:
        language: Code of the language.
        locale: Locale that numbers and dates are written in, for example `en_GB`.
        messages: Key to one sentence, or to several that belong together.
    """

    language: str
    locale: str
    messages: Mapping[str, tuple[Message, ...]]

    def find(self, *keys: str) -> tuple[Message, ...] | None:
        """The sentences under the first of `keys` that exists; None if none does."""
        return next((self.messages[key] for key in keys if key in self.messages), None)
