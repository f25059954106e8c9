"""What the model is for: the section for whoever answers for it. It says nothing of the case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xaisvc.views.document import Fact, Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views.context import SectionContext
    from xaisvc.views.document import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """What the model is for, what it is not for, and who answers for it."""

    type: ClassVar[str] = "model_use"
    messages: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "title": (),
        "model": (),
        "model_value": (),
        "explains": (),
        "for": (),
        "not_for": (),
        "who": (),
        "not_stated": (),
    }
    reasons: ClassVar[bool] = False

    def build(self, context: SectionContext) -> tuple[Block, ...]:
        """Five facts from the bundle."""
        nothing = context.say("not_stated")
        return (
            Facts(
                rows=(
                    Fact(label=context.say("model"), value=context.say("model_value")),
                    Fact(label=context.say("explains"), value=str(context.view.common["output"])),
                    Fact(label=context.say("for"), value=str(context.view.common["purpose"]) or nothing),
                    Fact(label=context.say("not_for"), value=str(context.view.common["out_of_scope"]) or nothing),
                    Fact(label=context.say("who"), value=str(context.view.common["owner"]) or nothing),
                )
            ),
        )
