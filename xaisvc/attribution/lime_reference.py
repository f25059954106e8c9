"""LIME by the lime package itself, one row at a time: slow, and the reference for `lime`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution.lime import lime_detail, sample_range
from xaisvc.attribution.lime_batch import DIAGNOSTICS, DistinctRows, Fits, answer, spend_on_rows
from xaisvc.attribution.lime_columns import MAX_FLAG_VALUES, is_whole
from xaisvc.attribution.lime_sample import SAMPLE_ROWS, generator_of
from xaisvc.attribution.masking import score, score_in_chunks
from xaisvc.attribution.surrogate import RIDGE_ALPHA, draw_resamples, fit_surrogate
from xaisvc.errors import MethodNotApplicableError
from xaisvc.types import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.linear_model import Ridge

    from xaisvc.types import Attribution, Problem, Settings
    from xaisvc.types.table import Column


@dataclass(frozen=True, slots=True)
class LimeReferenceMethod:
    """`lime.lime_tabular.LimeTabularExplainer` in its default mode without feature selection, seeded for each row.

    Weights and intercept are lime's own; errors and diagnostics are computed from lime's own samples, as `lime` does.
    """

    name: str = field(default="lime_reference", init=False)
    exact: bool = field(default=False, init=False)

    def why_not(self, problem: Problem) -> str:
        """Why the lime package cannot take a problem, one sentence; empty if it can."""
        grouped = [
            n for n, members in zip(problem.players.names, problem.players.members, strict=True) if len(members) > 1
        ]
        if grouped:
            return f"the lime package explains single features and {grouped[0]!r} is a group"
        for name, values in problem.background.columns.items():
            if values.dtype != np.object_ and np.isnan(values.astype(np.float64)).any():
                return f"the lime package cannot take missing numbers and the background lacks some of {name!r}"
        return ""

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Explains n rows with the lime package.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty, or a row lacks a number.
            InvalidRequestError: If the budget is not a number, an error target or a deadline that makes sense.
            BudgetTooSmallError: If the budget is below the minimum, which the message names.
            LimitExceededError: If the budget is above the limit, which the message names.
            ModelOutputError: If the model's answers are not finite numbers, one per row.
        """
        reason = self.why_not(problem) or _missing_in(rows)
        if reason:
            raise MethodNotApplicableError.of(
                "method", f"'{self.name}' cannot be used: {reason}; use 'lime'", "NOT_APPLICABLE"
            )
        p = len(problem.players)
        allowed = sample_range(p)
        allowed.check(settings.budget)
        distinct = DistinctRows.of(rows)
        n = len(distinct.rows)
        outputs = np.array([score(problem, distinct.rows.take(slice(i, i + 1)), "explained rows")[0] for i in range(n)])
        evaluations = np.zeros(n, dtype=np.int64)

        def fit(places: NDArray[np.intp], size: int) -> Fits:
            found = Fits.empty(len(places), p)
            for index, place in enumerate(places):
                settings.check()
                run = _Run(
                    problem, distinct.rows.take(slice(place, place + 1)), settings.row_seeds[distinct.first[place]]
                )
                run.fit(size, settings.max_batch_rows, found, index)
            # The package cannot go on from an earlier stage.
            evaluations[places] += size
            return found

        spent = spend_on_rows(settings, allowed, n, p, fit)
        return answer(
            problem,
            distinct,
            spent,
            outputs,
            method=self.name,
            detail=lime_detail("The lime package", problem, spent),
            allowed=allowed,
            evaluations=evaluations,
        )


def _missing_in(rows: Table) -> str:
    for name, values in rows.columns.items():
        if values.dtype != np.object_ and np.isnan(values.astype(np.float64)).any():
            return f"the lime package cannot take missing numbers and a row lacks {name!r}"
    return ""


class _RecordingRidge:
    """lime's default regressor, which keeps what it was fitted to."""

    def __init__(self, ridge: Ridge) -> None:
        self._ridge = ridge

    def fit(
        self, agreement: NDArray[np.float64], answers: NDArray[np.float64], sample_weight: NDArray[np.float64]
    ) -> None:
        self.agreement, self.answers, self.sample_weight = agreement, answers, sample_weight
        self._ridge.fit(agreement, answers, sample_weight=sample_weight)
        self.coef_, self.intercept_ = self._ridge.coef_, self._ridge.intercept_

    def score(
        self, agreement: NDArray[np.float64], answers: NDArray[np.float64], sample_weight: NDArray[np.float64]
    ) -> float:
        return float(self._ridge.score(agreement, answers, sample_weight=sample_weight))

    def predict(self, agreement: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._ridge.predict(agreement))


class _Run:
    """The lime package at work on one row. Lives for one row of one call and is never shared."""

    def __init__(self, problem: Problem, row: Table, seed: bytes) -> None:
        self._problem = problem
        self._row = row
        self._seed = seed
        self._coding = {
            name: _Coding.of(values, row.columns[name]) for name, values in problem.background.columns.items()
        }

    def fit(self, n_samples: int, max_batch_rows: int, found: Fits, place: int) -> None:
        """Writes the package's answer for `n_samples` samples into `found` at `place`."""
        from lime.lime_tabular import LimeTabularExplainer  # noqa: PLC0415 - heavy: loaded when used
        from sklearn.linear_model import Ridge  # noqa: PLC0415 - heavy: loaded when used

        def predict(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
            return score_in_chunks(self._problem, self._decode(matrix), SAMPLE_ROWS, max_batch_rows)

        coding = list(self._coding.values())
        explainer = LimeTabularExplainer(
            self._encode(self._problem.background),
            mode="regression",
            feature_names=list(self._coding),
            categorical_features=[index for index, code in enumerate(coding) if code.category],
            feature_selection="none",
            random_state=np.random.RandomState(  # noqa: TID251 - the lime package takes no Generator
                np.frombuffer(self._seed, dtype="<u4")
            ),
        )
        recorder = _RecordingRidge(Ridge(alpha=RIDGE_ALPHA, fit_intercept=True))
        explanation = explainer.explain_instance(
            self._encode(self._row)[0],
            predict,
            num_features=len(coding),
            num_samples=n_samples,
            model_regressor=recorder,
        )
        own = fit_surrogate(
            recorder.agreement,
            recorder.answers,
            recorder.sample_weight,
            draw_resamples(generator_of(self._seed, 1)),
        )
        weights = np.zeros(len(coding))
        for index, weight in explanation.local_exp[1]:
            weights[index] = weight
        found.weights[place] = self._by_player(weights)
        found.standard_errors[place] = self._by_player(own.standard_errors)
        found.intercepts[place] = float(explanation.intercept[1])
        found.diagnostics[place] = [own.diagnostics[name] for name in DIAGNOSTICS]

    def _by_player(self, by_feature: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers in the order of the players instead of the table's columns."""
        places = {name: index for index, name in enumerate(self._coding)}
        return by_feature[[places[members[0]] for members in self._problem.players.members]]

    def _encode(self, rows: Table) -> NDArray[np.float64]:
        return np.column_stack([code.encode(rows.columns[name]) for name, code in self._coding.items()])

    def _decode(self, matrix: NDArray[np.float64]) -> Table:
        return Table({name: code.decode(matrix[:, index]) for index, (name, code) in enumerate(self._coding.items())})


@dataclass(frozen=True, slots=True)
class _Coding:
    """How a feature becomes a number for the lime package and back.

    Attributes:
        category: Whether lime draws it by frequency.
        values: The values of the codes 0, 1, ... of a category; empty for other features.
        whole: Whether a number is rounded before the model sees it.
    """

    category: bool
    values: Column
    whole: bool

    @classmethod
    def of(cls, background: Column, row: Column) -> _Coding:
        if background.dtype == np.object_:
            known = list(dict.fromkeys([*background, *row]))
            values = np.empty(len(known), dtype=np.object_)
            values[:] = known
            return cls(category=True, values=values, whole=False)
        numbers = background.astype(np.float64)
        if len(np.unique(numbers)) <= MAX_FLAG_VALUES:
            return cls(category=True, values=np.unique(np.concatenate([numbers, row.astype(np.float64)])), whole=False)
        return cls(category=False, values=np.empty(0), whole=is_whole(numbers))

    def encode(self, column: Column) -> NDArray[np.float64]:
        if not self.category:
            return column.astype(np.float64)
        codes = {value: float(code) for code, value in enumerate(self.values.tolist())}
        return np.array([codes[value] for value in column.tolist()])

    def decode(self, codes: NDArray[np.float64]) -> Column:
        if self.category:
            return self.values[codes.astype(np.intp)]
        return np.round(codes) if self.whole else codes.copy()
