"""Signs and leading entries that depend on the value function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats.findings import Figures, Words, by_players
from xaisvc.caveats.leading import are_top, most_of
from xaisvc.caveats.numbers import both_values, numbers_around, parts_around, players_of
from xaisvc.caveats.wording import listed
from xaisvc.types import Gate, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Finding
    from xaisvc.types.second_opinion import SecondOpinion


@dataclass(frozen=True, slots=True)
class ValueFunctionDisagreement:
    """Speaks where interventional and conditional values differ in a sign, or in which three players lead.

    Both value functions are in use, and each is right about its own question. A reader who is given one of them must
    know where the other says the opposite. A player whose sign is in doubt is no reason.
    """

    kind: str = "value_function_disagreement"

    def find(self, context: CaveatContext) -> tuple[Finding, ...]:
        """One finding for signs and one for the leading three; see `CaveatRule.find`."""
        opinion = context.differing
        if opinion is None:
            return ()
        flips, moves = np.count_nonzero(opinion.sign), np.count_nonzero(opinion.top_changes)
        if not flips and not moves:
            return ()
        values = context.attribution.values
        sizes = np.minimum(context.sizes, np.abs(opinion.conditional))
        found: tuple[Finding, ...] = ()
        if flips:
            found = self._found(context, opinion, opinion.sign, most_of(sizes, opinion.sign), _SIGN)
        if not moves:
            return found
        moved = context.leading != are_top(opinion.conditional)
        moved &= opinion.top_changes[:, None]
        farthest = most_of(np.abs(opinion.conditional - values), moved)
        return (*found, *self._found(context, opinion, moved, farthest, _RANK))

    def _found(
        self,
        context: CaveatContext,
        opinion: SecondOpinion,
        chosen: NDArray[np.bool_],
        most: NDArray[np.intp],
        change: _Change,
    ) -> tuple[Finding, ...]:
        def words(names: tuple[str, ...], number: int) -> Words:
            return Words(Severity.CARE, change.say(names), change.gates, players_of(context, number))

        def figures(rows: NDArray[np.intp]) -> Figures:
            at = most[rows]
            count = chosen[rows].sum(axis=1).astype(np.float64)
            values = both_values(context, opinion, at, rows)
            return Figures({change.count: count, **values}, numbers_around(context, at, rows))

        return by_players(context, self.kind, chosen, words, figures, parts_around(context, most))


@dataclass(frozen=True, slots=True)
class _Change:
    """What can be otherwise under the other value function.

    Attributes:
        count: Name of the figure that says for how many players it is.
        say: Makes the message from the players' names.
        gates: What it keeps from customers.
    """

    count: str
    say: Callable[[tuple[str, ...]], str]
    gates: tuple[Gate, ...]


def _say_sign(names: tuple[str, ...]) -> str:
    return (
        f"the sign of {listed(names)} is undetermined: interventional values (what the model used) and conditional "
        "values (what the feature tells, its companions included) point in opposite directions"
    )


def _say_rank(names: tuple[str, ...]) -> str:
    return (
        f"which three players lead depends on the value function: {listed(names)} are among them under one of "
        "interventional and conditional values only"
    )


_SIGN = _Change("sign_changes", _say_sign, (Gate.NOT_A_REASON,))
_RANK = _Change("top_three_changes", _say_rank, ())
