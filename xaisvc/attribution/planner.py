"""Which method explains a problem: the caller's choice if it applies, else the most exact one that is affordable."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from xaisvc.attribution.active import active_players
from xaisvc.attribution.kernel import coalition_range
from xaisvc.attribution.methods import METHODS
from xaisvc.attribution.tree_probability import AFFORDABLE_LINKED_CELLS, linked_cells, why_not_linked
from xaisvc.errors import InvalidRequestError, MethodNotApplicableError
from xaisvc.types import Deadline

if TYPE_CHECKING:
    from xaisvc.types import AttributionMethod, Budget, Problem

AUTO = "auto"
# What auto tries, in this order; the last applies to every model.
PREFERENCE = ("linear", "tree", "exact", "kernel")
# What to use where a method does not apply and the best method would answer another question.
INSTEAD = MappingProxyType({"lime_reference": "lime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The method that will run.

    Attributes:
        method: Ready to attribute.
        reason: Why this one, one or two sentences.
    """

    method: AttributionMethod
    reason: str


def plan(problem: Problem, method: str, budget: Budget | None) -> Plan:
    """Picks the method for a problem.

    `auto` takes the first of `PREFERENCE` that applies. All coalitions count only if they are affordable and there is
    no deadline, as `exact` cannot stop early: where they are scored by the model, if 2^p - 2 of them fit the budget
    (without one, the default of Kernel SHAP); where they are read from trees under a link, up to
    `AFFORDABLE_LINKED_CELLS`, whatever the budget, since sampling would cost more.

    Args:
        problem: What is explained.
        method: A name in `METHODS`, or `auto`.
        budget: As the caller gave it.

    Raises:
        InvalidRequestError: If the name is unknown; the message lists the known ones.
        MethodNotApplicableError: If the named method does not apply; the message says why and what does.
    """
    if method == AUTO:
        return _best(problem, budget)
    if method not in METHODS:
        known = ", ".join((AUTO, *METHODS))
        raise InvalidRequestError.of("method", f"unknown method {method!r}; use one of: {known}", "UNKNOWN_METHOD")
    chosen = METHODS[method]
    if why_not := chosen.why_not(problem):
        instead = INSTEAD.get(method) or _best(problem, budget).method.name
        raise MethodNotApplicableError.of(
            "method",
            f"{method!r} does not apply here: {why_not}; use {instead!r}, or {AUTO!r} to have it chosen",
            "NOT_APPLICABLE",
        )
    unused = "; it is exact, so the budget is not used" if chosen.exact and budget is not None else ""
    return Plan(method=chosen, reason=f"'{method}' was asked for{unused}.")


def _best(problem: Problem, budget: Budget | None) -> Plan:
    passed: dict[str, list[str]] = {}  # reason to the methods it rules out
    for name in PREFERENCE:
        chosen = METHODS[name]
        why_not = chosen.why_not(problem) or (_too_much(problem, budget) if name == "exact" else "")
        if not why_not:
            kind = "exact for this model" if chosen.exact else "sampled, as no exact method applies"
            unused = "; the budget is not used" if chosen.exact and budget is not None else ""
            ruled_out = "; ".join(f"not {' or '.join(names)}: {reason}" for reason, names in passed.items())
            return Plan(
                method=chosen, reason=f"auto chose '{name}': {kind}{unused}{f' ({ruled_out})' if ruled_out else ''}."
            )
        passed.setdefault(why_not, []).append(name)
    raise AssertionError("the last method of PREFERENCE applies to every model")


def _too_much(problem: Problem, budget: Budget | None) -> str:
    """Why all coalitions are more than is affordable; empty if they are not."""
    p = len(active_players(problem))
    if isinstance(budget, Deadline):
        return "enumeration cannot stop at a deadline"
    affordable = budget if isinstance(budget, int) else coalition_range(p).default
    needed = 2**p - 2
    if needed <= affordable:
        return ""
    if why_not_linked(problem):
        return f"{p} players have {needed:,} coalitions, and the budget is {affordable:,}"
    cells = linked_cells(problem)
    if cells <= AFFORDABLE_LINKED_CELLS:
        return ""
    return (
        f"the exact values of this probability need {cells:,} evaluations of the link for each row, and {AUTO!r} "
        f"spends at most {AFFORDABLE_LINKED_CELLS:,}; ask for method 'exact' to have them all the same"
    )
