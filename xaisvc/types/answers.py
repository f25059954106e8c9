"""The answer for one row, split into what it shares with every row of the same request and what is its own.

The shared part is the frame: it follows from the request and the bundle alone, before any row is computed. The own part
is what a cache keeps and a record holds. Both together make an `ExplanationRecord`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaisvc.types.attribution import Budget, Players
from xaisvc.types.record import Caveat, Digests
from xaisvc.types.schema import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.types.caveat_table import CaveatTable


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFrame:
    """What all rows of one request share; with a row it is all that is needed to compute its answer again.

    Attributes:
        bundle: Name of the bundle.
        bundle_version: Its owner's version.
        digests: What was pinned.
        device: What the model ran on, `cpu` or `cuda`.
        answer_version: Version of the code's answers.
        software: Library to version, of what computes the numbers.
        output: Id of the explained output.
        prediction_space: Unit of the output tensor.
        space: Unit of the explained number.
        method: The method that runs, never `auto`.
        value_function: `interventional`, or `local_surrogate` for LIME.
        players: Who shares the credit.
        seed: The caller's seed.
        budget: How much work was allowed; None for the method's default and for exact methods.
        budget_text: The budget in words; empty for exact methods.
        portfolio_rows: Number of background rows behind the portfolio figures.
        portfolio_mean: Mean of the output tensor over the background, in the unit of the tensor.
        adverse_share: Share of the background with the adverse decision; None without a threshold.
        portfolio_mean_abs: Mean absolute attribution of each player over the background, in `space`; None if unknown.
    """

    bundle: str
    bundle_version: str
    digests: Digests
    device: str
    answer_version: int
    software: Mapping[str, str]
    output: str
    prediction_space: Space
    space: Space
    method: str
    value_function: str
    players: Players
    seed: int
    budget: Budget | None
    budget_text: str
    portfolio_rows: int
    portfolio_mean: float
    adverse_share: float | None
    portfolio_mean_abs: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """What was found for one row with p players.

    Attributes:
        prediction: Output tensor, in its own unit.
        rank_share: Share of the background whose prediction is lower.
        base_value: Mean output over the background (LIME: intercept of the surrogate), in `space`.
        output: The explained number, in `space`.
        values: Attributions in `space`; float64, (p,).
        standard_errors: Standard errors of `values`, zeros if exact; float64, (p,).
        exact: Whether the values are exact under the value function.
        model_evaluations: Model rows scored for this row.
        band: Id of the band that holds the prediction; empty without bands.
        adverse: Whether the prediction leads to the adverse decision; None without a threshold.
        detail: How and why the method was chosen.
        diagnostics: For example LIME's fidelity.
        caveats: Warnings, most severe first.
    """

    prediction: float
    rank_share: float
    base_value: float
    output: float
    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    exact: bool
    model_evaluations: int
    band: str
    adverse: bool | None
    detail: str
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    caveats: tuple[Caveat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerColumns:
    """What was found for n rows with p players, column by column; each attribute as in `RowAnswer`.

    Attributes:
        predictions: float64, (n,).
        rank_shares: float64, (n,).
        base_values: float64, (n,).
        outputs: float64, (n,).
        values: float64, (n, p).
        standard_errors: float64, (n, p); None if all rows are exact.
        exact: One for each row.
        model_evaluations: int64, (n,).
        bands: One for each row.
        adverse: One for each row.
        details: One for each row.
        diagnostics: One for each row.
        caveats: Of all rows.
    """

    predictions: NDArray[np.float64]
    rank_shares: NDArray[np.float64]
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64] | None
    exact: Sequence[bool]
    model_evaluations: NDArray[np.int64]
    bands: Sequence[str]
    adverse: Sequence[bool | None]
    details: Sequence[str]
    diagnostics: Sequence[Mapping[str, float]]
    caveats: CaveatTable

    def __len__(self) -> int:
        """Number of rows n."""
        return len(self.predictions)

    def take(self, rows: NDArray[np.intp]) -> AnswerColumns:
        """Some of the rows, in the order in which their indices are given."""
        own = rows.tolist()
        return AnswerColumns(
            predictions=self.predictions[rows],
            rank_shares=self.rank_shares[rows],
            base_values=self.base_values[rows],
            outputs=self.outputs[rows],
            values=self.values[rows],
            standard_errors=None
            if self.standard_errors is None or all(self.exact[i] for i in own)
            else self.standard_errors[rows],
            exact=[self.exact[i] for i in own],
            model_evaluations=self.model_evaluations[rows],
            bands=[self.bands[i] for i in own],
            adverse=[self.adverse[i] for i in own],
            details=[self.details[i] for i in own],
            diagnostics=[self.diagnostics[i] for i in own],
            caveats=self.caveats.take(rows),
        )
