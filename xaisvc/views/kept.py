"""Parts of a page that are the same for every record of a bundle: made once, by functions with bounded caches.

What such a function is handed is the key of its cache, and nothing of that is of a record or of a caller's rights:
frozen things of a bundle, by identity, and words of a section that know of no record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, update_wrapper
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar, cast

from xaisvc.views.catalogue import Message, Slot
from xaisvc.views.context import COMMON_SLOTS, message_keys
from xaisvc.views.language import Language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.views.audience import SectionSpec
    from xaisvc.views.catalogue import Catalogue, SlotValue
    from xaisvc.views.context import SectionContext

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Same(Generic[T_co]):
    """Stands for one frozen object in the key of a cache, and equals only what stands for that very object.

    Attributes:
        one: The object. As long as the key is kept so is the object, and no other can have its identity.
    """

    __slots__ = ("one",)

    def __init__(self, one: T_co) -> None:
        self.one = one

    def __hash__(self) -> int:
        return id(self.one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.one is other.one


@dataclass(frozen=True, slots=True, eq=False)
class SectionWords:
    """The words of a section of an audience, in one language. They know of no record, as long as no sentence asks.

    Attributes:
        catalogue: The words.
        spec: The section.
        common: What fills the common slots, among them the reference and the date of the record; None if no sentence
            of the section has one. What these words say is kept only then.
    """

    catalogue: Catalogue
    spec: SectionSpec
    common: Mapping[str, SlotValue] | None = None

    @staticmethod
    def of(context: SectionContext) -> SectionWords:
        """The words of the section that is built."""
        found, is_general = _words(context.view.language.catalogue, context.spec)
        return found if is_general else replace(found, common=context.view.common)

    @property
    def language(self) -> Language:
        """The language that values are worded in."""
        return Language(self.catalogue)

    def sentences(self, key: str, **slots: SlotValue) -> tuple[str, ...]:
        """As `SectionContext.sentences`."""
        values = {**self.common, **slots} if self.common else slots
        return tuple([message.fill(values, self.language) for message in _messages(self.catalogue, self.spec, key)])

    def say(self, key: str, **slots: SlotValue) -> str:
        """As `SectionContext.say`."""
        return " ".join(self.sentences(key, **slots))

    def pattern(self, key: str, *names: str) -> str:
        """The sentences under `key` for the operator `%`, with `%(name)s` in place of each of these slots."""
        sentences = []
        for message in _messages(self.catalogue, self.spec, key):
            parts = [
                f"%({part.name})s"
                if isinstance(part, Slot) and part.name in names
                else Message((part,)).fill(self.common or {}, self.language).replace("%", "%%")
                for part in message.parts
            ]
            sentences.append("".join(parts))
        return " ".join(sentences)


@lru_cache(maxsize=1024)
def _words(catalogue: Catalogue, spec: SectionSpec) -> tuple[SectionWords, bool]:
    """One object for one section of one catalogue, and whether none of its sentences asks for a common slot."""
    messages = (message for key in spec.builder.messages for message in _messages(catalogue, spec, key))
    asked = {slot for message in messages for slot in message.slots}
    return SectionWords(catalogue, spec), asked.isdisjoint(COMMON_SLOTS)


def _messages(catalogue: Catalogue, spec: SectionSpec, key: str) -> tuple[Message, ...]:
    """The messages under a key that the section declares; its loader has seen to it that they are there."""
    found = catalogue.find(*message_keys(spec, key))
    if found is None:
        msg = f"section '{spec.id}' uses the message '{key}' without declaring it"
        raise KeyError(msg)
    return found


class Kept(Generic[P, R]):
    """A function of a section's words and things of a bundle, with a bounded cache."""

    def __init__(self, make: Callable[Concatenate[SectionWords, P], R], most: int) -> None:
        found = lru_cache(maxsize=most)(make)
        self._make, self._kept = make, cast("Callable[Concatenate[SectionWords, P], R]", found)
        self.cache_clear, self.cache_info, self.cache_parameters = (
            found.cache_clear,
            found.cache_info,
            found.cache_parameters,
        )
        update_wrapper(self, make)

    def __call__(self, words: SectionWords, *things: P.args, **named: P.kwargs) -> R:
        """What the function makes; made anew where the words ask for something of the record."""
        return self._kept(words, *things, **named) if words.common is None else self._make(words, *things, **named)


def kept(most: int) -> Callable[[Callable[Concatenate[SectionWords, P], R]], Kept[P, R]]:
    """Keeps at most `most` parts that a function makes of a section's words and of frozen things of a bundle."""
    return lambda make: Kept(make, most)


@kept(4096)
def said(words: SectionWords, /, key: str, **slots: SlotValue) -> str:
    """As `SectionWords.say`, kept: for slots that say something of a bundle, and nothing of a case."""
    return words.say(key, **slots)


@kept(4096)
def pattern(words: SectionWords, key: str, *names: str) -> str:
    """As `SectionWords.pattern`, kept."""
    return words.pattern(key, *names)
