"""What whoever judges a case writes down, in codes that can be counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.views.document import Bullets, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block

_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """What to record: steps, the decisions that there are, and the reason codes with when to use each.

    The codes are what `FeedbackService.Submit` is sent as final judgement and reason code. For each, the audience's
    messages say when to use it, under `decision.<code>` and `reason.<code>`.

    Attributes:
        decisions: Codes of the decisions.
        codes: Codes of the reasons.
    """

    type: ClassVar[str] = "case_record"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "text": (),
        "decisions": (),
        "reasons": (),
        "code": (),
        "use": (),
    }
    reasons: ClassVar[bool] = False

    decisions: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for code in (*self.decisions, *self.codes):
            if not _CODE.fullmatch(code):
                raise ValueError(f"'{code}' is no code; use small letters, digits and hyphens, starting with a letter")

    def own_messages(self) -> Mapping[str, tuple[str, ...]]:
        """A sentence for each code, saying when to use it."""
        return {
            **{f"decision.{code}": () for code in self.decisions},
            **{f"reason.{code}": () for code in self.codes},
        }

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """The steps, and a table for each kind of code."""
        return (
            Bullets(items=context.sentences("text"), ordered=True),
            *self._table(context, "decisions", "decision", self.decisions),
            *self._table(context, "reasons", "reason", self.codes),
        )

    def _table(self, context: SectionContext, caption: str, kind: str, codes: tuple[str, ...]) -> tuple[Table, ...]:
        if not codes:
            return ()
        return (
            Table(
                caption=context.say(caption),
                columns=(Column(label=context.say("code")), Column(label=context.say("use"))),
                rows=tuple((Cell(text=code), Cell(text=context.say(f"{kind}.{code}"))) for code in codes),
            ),
        )
