"""Messages: sentences with typed slots. A number reaches a reader through a slot or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias

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
class Message:
    """A sentence as literal texts and slots, in order.

    Attributes:
        parts: The texts and slots.
        slots: Names of the slots, in order.
        literal: The sentence without its slots.
    """

    parts: tuple[str | Slot, ...]
    slots: tuple[str, ...] = field(init=False, repr=False, compare=False)
    literal: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", tuple(part.name for part in self.parts if isinstance(part, Slot)))
        literal = "".join(part if isinstance(part, str) else "…" for part in self.parts)
        object.__setattr__(self, "literal", literal)

    def fill(self, values: Mapping[str, SlotValue], language: Language) -> str:
        """The sentence with every slot worded in `language`."""
        if not self.slots:
            return self.literal
        return "".join(
            [part if isinstance(part, str) else language.slot(part.kind, values[part.name]) for part in self.parts]
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
