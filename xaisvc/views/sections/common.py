"""Sections that any audience can use: fixed words, and how far to rely on the explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from xaisvc.types import Level
from xaisvc.views.audience import choice
from xaisvc.views.document import Bullets, Notice, Paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedText:
    """The same words in every view, but for the common slots; a jurisdiction pack can put its own in their place.

    Attributes:
        style: How the sentences are set; a notice takes its first sentence as its title.
    """

    type: ClassVar[str] = "text"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {"title": (), "text": ()}
    reasons: ClassVar[bool] = False
    facts_only: ClassVar[bool] = True

    style: Literal["paragraph", "bullets", "steps", "notice", "stop", "fine"] = choice(
        "paragraph", "bullets", "steps", "notice", "stop", "fine"
    )

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The sentences under `text`, or the pack's; what is mandated stands apart, below."""
        plain, mandated = context.pack_sentences()
        sentences = plain or context.sentences("text")
        return (*self._set(sentences), *(Paragraph(text=text, role="mandated") for text in mandated))

    def _set(self, sentences: tuple[str, ...]) -> tuple[Block, ...]:
        if self.style in {"bullets", "steps"}:
            return (Bullets(items=sentences, ordered=self.style == "steps"),)
        if self.style in {"notice", "stop"}:
            tone: Literal["info", "stop"] = "stop" if self.style == "stop" else "info"
            return (Notice(tone=tone, title=sentences[0], text=" ".join(sentences[1:])),)
        return (Paragraph(text=" ".join(sentences), role="fine" if self.style == "fine" else "text"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityLine:
    """The level of reliability in words, and why it is not higher."""

    type: ClassVar[str] = "reliability"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {"title": (), "normal": (), "care": (), "unreliable": ()}
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """One notice, and the caveats' sentences below it."""
        found = context.view.reliability
        tone: Literal["info", "care", "stop"] = "info"
        if found.level is not Level.NORMAL:
            tone = "care" if found.level is Level.CARE else "stop"
        notice = Notice(tone=tone, title=context.say(found.level.value))
        return (notice, Bullets(items=found.sentences)) if found.sentences else (notice,)
