"""What a quality report knows of a method: how it is asked and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.engine.quality.subject import Subject
    from xaisvc.types import Table

Kind = Literal["ours", "peer"]


class Attributed(NamedTuple):
    """What a method answered for n rows.

    Attributes:
        values: float64, (n, p).
        base_values: float64, (n,).
        evaluations: Model rows scored for a row, on average.
        exact: Whether the values are exact Shapley values.
        detail: What ran, a few words.
    """

    values: NDArray[np.float64]
    base_values: NDArray[np.float64]
    evaluations: float
    exact: bool
    detail: str


class QualityMethod(Protocol):
    """One way to explain rows, ours or not."""

    @property
    def name(self) -> str:
        """Name in tables and options."""
        ...

    @property
    def kind(self) -> Kind:
        """Whose it is."""
        ...

    @property
    def package(self) -> str:
        """The package that it needs."""
        ...

    @property
    def is_shapley(self) -> bool:
        """Whether it estimates interventional Shapley values, so that an error against them has a meaning."""
        ...

    @property
    def is_sampled(self) -> bool:
        """Whether it answers within a budget."""
        ...

    @property
    def most_rows(self) -> int | None:
        """Most rows it is asked about unless told otherwise, since it is slow; None for no limit."""
        ...

    def attribute(
        self, subject: Subject, rows: Table, budget: int | None, seed: int, cancel: Callable[[], bool]
    ) -> Attributed:
        """Explains rows.

        Args:
            subject: The model.
            rows: n rows.
            budget: Coalitions per row, or samples for LIME; None for the method's default.
            seed: Of its randomness.
            cancel: Asked between pieces of work where the method can stop.

        Raises:
            MethodNotApplicableError: If it has no meaning for the model.
            BudgetTooSmallError: If the budget gives no answer.
            AbandonedError: If `cancel` said yes.
        """
        ...
