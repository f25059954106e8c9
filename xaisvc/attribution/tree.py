"""Exact interventional SHAP values of tree ensembles, for raw features or groups of them, from the trees themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from xaisvc.attribution.linear import (
    LinearPart,
    Matrices,
    chunks,
    finished,
    kept_for,
    linear_part,
    players_of_columns,
    sum_size,
    why_not_additive,
)
from xaisvc.attribution.observed import Answers
from xaisvc.attribution.parallel import in_threads
from xaisvc.attribution.tree_plan import DEFAULT_BYTES
from xaisvc.attribution.tree_terms import ready, same_trees
from xaisvc.attribution.tree_walk import most_players
from xaisvc.errors import MethodNotApplicableError
from xaisvc.types import Attribution, LinearTerm, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.attribution.tree_terms import ReadyTerms
    from xaisvc.types import Problem, Settings, Table

Term = TypeVar("Term", TreeTerm, LinearTerm)

_ROWS_WORTH_A_THREAD = 64
"""Rows from which on a second thread is worth starting: some milliseconds of work."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Tree terms of several problems that differ in the values of their leaves at most.

    Attributes:
        problem: The first of the problems.
        places: Which problems.
        terms: One term for each.
    """

    problem: Problem
    places: list[int]
    terms: list[TreeTerm]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """Problems of one graph made ready: all that does not depend on the rows.

    Attributes:
        linear: The linear terms of each problem.
        shared: Tree terms, and the problems that each is for.
        bases: Base value of each problem.
        sizes: `sum_size` of each problem.
        details: How the values of each problem are made.
    """

    linear: tuple[LinearPart, ...]
    shared: tuple[tuple[tuple[int, ...], ReadyTerms], ...]
    bases: tuple[float, ...]
    sizes: tuple[float, ...]
    details: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the tables and of what the trees are walked with."""
        return sum(term.n_bytes for _, term in self.shared)


@dataclass(frozen=True, slots=True)
class TreeMethod:
    """Exact interventional SHAP values of a model read as trees, with or without linear terms beside them.

    A path of a tree is a set of conditions on columns. All conditions on columns of one player are one condition of
    that player, which holds or not for the explained row and for each background row; the Shapley values of this game
    have a closed form per leaf (see `tree_kernel`). They depend on the row through the pattern of the conditions that
    it passes alone, so they are worked out once per pattern, for all background rows together (see `tree_tables`), and
    looked up (see `tree_lookup`): the cost of a row does not depend on the background's size. Entries are float32,
    each rounded to 6e-8 of itself, and summed in float64 over every few trees. Trees whose tables would be too large
    are walked leaf by leaf instead.

    Attributes:
        table_bytes: Bound on the size of the tables of one term of one output.
    """

    table_bytes: int = DEFAULT_BYTES
    name: str = field(default="tree", init=False)
    exact: bool = field(default=True, init=False)

    def why_not(self, problem: Problem) -> str:
        """Why the method cannot be used for a problem, one sentence; empty if it can."""
        if problem.additive is None:
            return problem.additive_reason or "the model is no sum of trees"
        if not any(isinstance(term, TreeTerm) for term in problem.additive.terms):
            return "the model has no tree ensemble that depends on the row; method 'linear' explains it exactly"
        return kept_for((problem,), "tree why not", lambda: _why_not(problem))

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows.

        Args:
            problem: A model read as trees and linear terms, and its background.
            rows: n rows of raw features.
            settings: Only `max_batch_rows`, `threads` and `check` matter: the method is exact and takes no budget. A
                row's values are the same bits whatever they are, and whatever the other rows are.

        Returns:
            Values in the problem's space. `model_evaluations` is 1 per row: the row itself. The background goes through
            the preprocessing and the trees' conditions only, once for all calls if `problem.plans` is there.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty.
            ModelOutputError: If a number is not finite.
            AdditivityError: If values and base value do not sum to the output, or do not give the model's probability;
                see `observed`.
        """
        return self.attribute_outputs((problem,), rows, settings)[0]

    def attribute_outputs(
        self, problems: Sequence[Problem], rows: Table, settings: Settings
    ) -> tuple[Attribution, ...]:
        """Attributes several outputs of one model for n rows.

        Trees that differ in the values of their leaves alone, as a forest's for its classes, are gone through once for
        all outputs, unless their tables are too large together. Values are the same bits as those of `attribute`.

        Args:
            problems: One per output, all with the same background and players.
            rows: As `attribute`.
            settings: As `attribute`.

        Returns:
            One attribution per problem, in order.
        """
        known = kept_for(
            problems,
            f"ready with tables of {self.table_bytes} bytes at most",
            lambda: self._made_ready(problems, settings.threads),
            lambda made: made.n_bytes,
        )
        values = np.zeros((len(problems), len(rows), len(problems[0].players)))
        answers = [Answers(problem, len(rows)) for problem in problems]

        def work(chunk: slice) -> None:
            settings.check()
            part = rows.take(chunk)
            matrices = Matrices(part)
            for part_of_sum, own in zip(known.linear, values[:, chunk], strict=True):
                part_of_sum.add(matrices, own)
            for places, term in known.shared:
                found = np.zeros((len(places), len(part), values.shape[2]))
                term.add(matrices, found)
                for place, own in zip(places, found, strict=True):
                    values[place, chunk] += own
            for own_answers, base, own in zip(answers, known.bases, values[:, chunk], strict=True):
                own_answers.fill(chunk, part, base, own)

        in_threads(work, _pieces(len(rows), settings), settings.threads)
        return tuple(
            finished(
                problem,
                method=self.name,
                values=values[place],
                base=known.bases[place],
                outputs=answers[place].outputs,
                predictions=answers[place].predictions,
                detail=known.details[place],
                size=known.sizes[place],
            )
            for place, problem in enumerate(problems)
        )

    def _made_ready(self, problems: Sequence[Problem], threads: int) -> _Ready:
        """Makes problems of one graph ready.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty for one of them.
        """
        for problem in problems:
            reason = self.why_not(problem)
            if reason:
                raise MethodNotApplicableError.of("method", reason, "METHOD_NOT_APPLICABLE")
        linear = tuple(linear_part(problem) for problem in problems)
        shared = tuple(
            (tuple(group.places[i] for i in apart), term)
            for group in _shared(problems, [list(_terms(problem, TreeTerm)) for problem in problems])
            for apart, term in ready(group.problem, group.terms, threads, self.table_bytes)
        )
        own = [[(places, term) for places, term in shared if place in places] for place in range(len(problems))]
        return _Ready(
            linear=linear,
            shared=shared,
            bases=tuple(
                _constant(problem)
                + linear[place].base
                + sum(term.base(places.index(place)) for places, term in own[place])
                for place, problem in enumerate(problems)
            ),
            sizes=tuple(sum_size(problem) for problem in problems),
            details=tuple(
                _detail([term for _, term in own[place]], len(problem.background))
                for place, problem in enumerate(problems)
            ),
        )


def _why_not(problem: Problem) -> str:
    reason = why_not_additive(problem)
    if reason:
        return reason
    for term in _terms(problem, TreeTerm):
        most = most_players(term.trees, players_of_columns(term.owners, problem.players))
        limit = 62
        if most > limit:
            return f"a path of the trees tests {most} players, and at most {limit} are supported; use groups"
    return ""


def _terms(problem: Problem, kind: type[Term]) -> Iterator[Term]:
    """The problem's terms of one kind."""
    return (term for term in (problem.additive.terms if problem.additive else ()) if isinstance(term, kind))


def _constant(problem: Problem) -> float:
    return problem.additive.constant if problem.additive else 0.0


def _shared(problems: Sequence[Problem], terms: Sequence[Sequence[TreeTerm]]) -> list[_Group]:
    """Brings together terms of different problems that have the same trees over columns of the same features."""
    groups: list[_Group] = []
    for place, own in enumerate(terms):
        for term in own:
            for group in groups:
                first = group.terms[0]
                if place not in group.places and same_trees(first, term):
                    group.places.append(place)
                    group.terms.append(term)
                    break
            else:
                groups.append(_Group(problems[place], [place], [term]))
    return groups


def _pieces(rows: int, settings: Settings) -> list[slice]:
    """Rows that one thread takes at a time."""
    each = max(_ROWS_WORTH_A_THREAD, -(-rows // max(1, settings.threads)))
    return list(chunks(rows, max(1, min(settings.max_batch_rows, each))))


def _detail(terms: Sequence[ReadyTerms], background: int) -> str:
    tables, walks = sum(term.tables for term in terms), sum(term.walks for term in terms)
    how = (
        f"{tables} from tables of all patterns and {walks} walked leaf by leaf"
        if walks
        else "from tables of all patterns"
    )
    return f"all {tables + walks} trees of the ONNX graph summed exactly over {background} background rows, {how}"
