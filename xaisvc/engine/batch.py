"""What `Explainer.explain` returns: the numbers of a batch, and one explanation per row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, overload

from xaisvc.engine.fact_dates import checked_fact_dates, latest_day
from xaisvc.engine.figures import bars_figure, waterfall_figure
from xaisvc.engine.frames import make_record
from xaisvc.engine.viewing import ExplanationView, audiences, find_audience, make_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import shap
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from xaisvc.engine.supplements import Supplier
    from xaisvc.types import (
        Attribution,
        BundleDescription,
        Caveat,
        Digests,
        ExplanationRecord,
        FactDates,
        Output,
        Players,
        Space,
        Table,
    )
    from xaisvc.types.fact_dates import DatesGiven


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a batch comes from: the same for all its rows.

    Attributes:
        description: The bundle.
        digests: What was pinned.
        device: What the model ran on.
        output: The output explained.
        space: Unit of the explained number.
        players: Who shares the credit.
        seed: The caller's seed.
        budget: The budget in words; empty for exact methods.
        background_predictions: Output tensor for the background, in the tensor's unit, ascending; float64, (b,).
        adverse_share: Share of the background with the adverse decision; None without a threshold.
        portfolio_mean_abs: Mean absolute attribution of each player over a sample of the background; float64, (p,);
            None if the model has no exact method.
        supplier: Computes what views show beside the records.
    """

    description: BundleDescription
    digests: Digests
    device: str
    output: Output
    space: Space
    players: Players
    seed: int
    budget: str
    background_predictions: NDArray[np.float64]
    adverse_share: float | None
    portfolio_mean_abs: NDArray[np.float64] | None
    supplier: Supplier


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExplanationBatch:
    """Explanations of n rows with p players.

    Attributes:
        rows: The rows as validated.
        attribution: The numbers and how they were made.
        predictions: Output tensor of each row, in the tensor's own unit; float64, (n,).
        caveats: One tuple per row, most severe first; a row's objects are made when it is read.
        provenance: Where the batch comes from.
        ids: One identifier per row.
        created_at: Time of the answer, ISO 8601 in UTC.
        together: Finds the caveats of the rows together.
        fact_dates: What days the facts of each row are from, see `with_fact_dates`; empty if not said.
    """

    rows: Table
    attribution: Attribution
    predictions: NDArray[np.float64]
    caveats: Sequence[tuple[Caveat, ...]]
    provenance: Provenance
    ids: Sequence[str]
    created_at: str
    together: Callable[[], tuple[Caveat, ...]]
    fact_dates: Sequence[FactDates] = ()

    def with_fact_dates(self, fact_dates: DatesGiven) -> ExplanationBatch:
        """The same explanations of rows whose facts have days, which views show beside them. No number changes.

        Args:
            fact_dates: Feature id to the day that its value is from, for each row: a list of mappings, a mapping of
                columns, or a DataFrame. A day is ISO 8601 text such as `2026-03-03` or a date; one that is not known is
                left out or None.

        Raises:
            InvalidRowsError: If a feature is not known, or a day is none or had not begun; names every field.
            InvalidRequestError: If they are for another number of rows, or have another form.
        """
        latest = latest_day(datetime.fromisoformat(self.created_at))
        days = checked_fact_dates(self.provenance.description, fact_dates, len(self), latest)
        return replace(self, fact_dates=days)

    @property
    def batch_caveats(self) -> tuple[Caveat, ...]:
        """What is the matter with the rows together, for example values in another unit; seen in 16 rows or more.

        Never a part of a row's own caveats or record: a row's answer does not depend on the rows beside it.
        """
        return self.together()

    @property
    def values(self) -> NDArray[np.float64]:
        """Attributions in `space`; float64, (n, p)."""
        return self.attribution.values

    @property
    def base_values(self) -> NDArray[np.float64]:
        """Mean output over the background (LIME: the surrogate's intercept), in `space`; float64, (n,)."""
        return self.attribution.base_values

    @property
    def outputs(self) -> NDArray[np.float64]:
        """The explained number of each row, in `space`; float64, (n,)."""
        return self.attribution.outputs

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """Standard errors of `values`, zeros for exact methods; float64, (n, p)."""
        return self.attribution.standard_errors

    @property
    def method(self) -> str:
        """Name of the method that ran."""
        return self.attribution.method

    @property
    def exact(self) -> bool:
        """Whether the values are exact under the value function."""
        return self.attribution.exact

    @property
    def detail(self) -> str:
        """Why this method ran and how."""
        return self.attribution.detail

    @property
    def model_evaluations(self) -> NDArray[np.int64]:
        """Model rows scored for each row; int64, (n,)."""
        return self.attribution.model_evaluations

    @property
    def value_function(self) -> str:
        """`interventional`, or `local_surrogate` for LIME."""
        return self.attribution.value_function

    @property
    def space(self) -> Space:
        """Unit of values, base values and outputs."""
        return self.provenance.space

    @property
    def players(self) -> Players:
        """Who shares the credit, in the order of the columns of `values`."""
        return self.provenance.players

    @property
    def background_digest(self) -> str:
        """SHA-256 of the background file, in hexadecimal."""
        return self.provenance.digests.background

    def __repr__(self) -> str:
        """What it is, without the rows' values: they would end up in notebooks and tracebacks."""
        kind = "exact" if self.exact else "sampled"
        return (
            f"<ExplanationBatch of {len(self)} rows x {len(self.players)} players: {self.provenance.description.name}, "
            f"{self.provenance.output.id} in {self.space}, {self.method} ({kind})>"
        )

    def __len__(self) -> int:
        """Number of rows n."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Explanation, ...]: ...

    def __getitem__(self, index: int | slice) -> Explanation | tuple[Explanation, ...]:
        """The explanation of one row, or of several for a slice."""
        if isinstance(index, slice):
            return tuple(Explanation(self, i) for i in range(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no row {index}; the batch has {len(self)} rows")
        return Explanation(self, index % len(self))

    def __iter__(self) -> Iterator[Explanation]:
        """The explanations in the order of the rows."""
        return (Explanation(self, i) for i in range(len(self)))

    def views(
        self,
        audience: str,
        language: str = "en",
        indices: Sequence[int] | None = None,
        *,
        judged: bool = False,
        folder: Path | None = None,
    ) -> list[ExplanationView]:
        """What one audience sees of these explanations: what they need beside the records is computed together.

        Args:
            audience: Id of the audience, for example `customer`.
            language: Language of the views.
            indices: Which rows; all of them in their order if None.
            judged: Whether the reader has judged each case first; see `Explanation.view`.
            folder: Folder of audiences; those that come with xaisvc if None. Read once per process.

        Raises:
            AudienceError: If the folder is not there or does not fit together.
            NotFoundError: If the audience is not known; the message lists the known ones.
            InvalidRequestError: If the audience has no texts in this language.
            ModelOutputError: If what a section shows beside the record cannot be computed.
        """
        source, places = self.provenance, range(len(self)) if indices is None else indices
        reader = find_audience(audience, folder)
        return make_views(
            [make_record(self, index) for index in places],
            source.description,
            reader,
            language,
            judged=judged,
            supplier=source.supplier,
            rows=self.rows if indices is None else self.rows.take(list(indices)),
            everybody=lambda: audiences(folder),
        )

    def to_shap(self) -> shap.Explanation:
        """The batch as a `shap.Explanation`, so that every plot of shap works on it.

        `data` holds the row's values for players of one feature, and their values joined as text for groups: float64 if
        all are numbers, else objects (of shap's plots, `violin` takes numbers only).
        """
        import numpy as np  # noqa: PLC0415 - heavy: loaded when used
        import shap  # noqa: PLC0415 - heavy: loaded when used

        shown = np.empty((len(self), len(self.players)), dtype=object)
        for j, members in enumerate(self.players.members):
            columns = [self.rows.columns[feature] for feature in members]
            for i in range(len(self)):
                shown[i, j] = columns[0][i] if len(columns) == 1 else ", ".join(str(column[i]) for column in columns)
        is_numeric = all(isinstance(value, float) for value in shown.ravel())
        return shap.Explanation(
            values=self.values.copy(),
            base_values=self.base_values.copy(),
            data=shown.astype(np.float64) if is_numeric else shown,
            feature_names=list(self.players.names),
            output_names=self.provenance.output.id,
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one row of a batch."""

    batch: ExplanationBatch
    index: int

    @property
    def id(self) -> str:
        """Identifier of the explanation."""
        return self.batch.ids[self.index]

    @property
    def values(self) -> Mapping[str, float]:
        """Attribution of each player by name, in the batch's space."""
        return dict(zip(self.batch.players.names, self.batch.values[self.index].tolist(), strict=True))

    @property
    def base_value(self) -> float:
        """Mean output over the background, in the batch's space."""
        return float(self.batch.base_values[self.index])

    @property
    def output(self) -> float:
        """The explained number, in the batch's space."""
        return float(self.batch.outputs[self.index])

    @property
    def prediction(self) -> float:
        """The number in the output tensor, in the tensor's own unit."""
        return float(self.batch.predictions[self.index])

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """Warnings, most severe first."""
        return self.batch.caveats[self.index]

    @property
    def record(self) -> ExplanationRecord:
        """Everything about this row, as it is stored and as views are made from."""
        return make_record(self.batch, self.index)

    def view(
        self, audience: str, language: str = "en", *, judged: bool = False, folder: Path | None = None
    ) -> ExplanationView:
        """What one audience sees of this explanation.

        Args:
            audience: Id of the audience, for example `customer`.
            language: Language of the view.
            judged: Whether the reader has judged the case from its facts first. An audience that is asked to, such as
                `fraud_analyst`, reads the facts alone before, without any score, rating or reason.
            folder: Folder of audiences; those that come with xaisvc if None. Read once per process.

        Raises:
            AudienceError: If the folder is not there or does not fit together.
            NotFoundError: If the audience is not known; the message lists the known ones.
            InvalidRequestError: If the audience has no texts in this language.
            ModelOutputError: If what a section shows beside the record cannot be computed.
        """
        return self.batch.views(audience, language, [self.index], judged=judged, folder=folder)[0]

    def plot_waterfall(self, *, max_players: int = 15) -> Figure:
        """The way from the base value to the output, as a matplotlib figure.

        Args:
            max_players: Most players with a bar of their own; all others are one bar.

        Raises:
            InvalidRequestError: If `max_players` is less than 1.
        """
        return waterfall_figure(self.record, max_players=max_players)

    def plot_bars(self, *, max_players: int = 15) -> Figure:
        """The largest attributions with two standard errors and the portfolio's usual sizes, as a matplotlib figure.

        Args:
            max_players: Most players.

        Raises:
            InvalidRequestError: If `max_players` is less than 1.
        """
        return bars_figure(self.record, max_players=max_players)
