"""Other packages' explainers as methods of a quality report, each imported when it is asked.

They take matrices, so categories are numbered for them and turned back before the model sees them.
"""

from __future__ import annotations

import inspect
import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from xaisvc.engine.interruption import Interruptible, Wanted
from xaisvc.engine.quality.method import Attributed
from xaisvc.errors import InvalidRequestError, MethodNotApplicableError
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from xaisvc.engine.quality.method import Kind
    from xaisvc.engine.quality.subject import Subject
    from xaisvc.types.table import Column

    Floats = NDArray[np.float64]
    Run = Callable[["MatrixModel", Floats, int, int], Floats]

PEER_ROWS: Final = 16
LIME_SAMPLES: Final = 5000
DEFAULT_COALITIONS: Final = 256
_NEVER_EARLY: Final = 1e-12
_GIVEN: Final = ("model", "rows", "budget", "seed")


class MatrixModel:
    """The model and its background for a package that knows matrices only.

    Attributes:
        background: Rows that stand in, as numbers; float64, (b, p).
        categories: Columns that hold the numbers of categories.
        rows_scored: Rows that the model was asked about.
    """

    def __init__(self, subject: Subject, rows: Table, cancel: Callable[[], bool]) -> None:
        self._model = Interruptible(subject.problem.model, Wanted(cancel))
        self._names = subject.problem.background.feature_ids
        self._levels: dict[str, list[str]] = {}
        for name in self._names:
            columns = (subject.problem.background.columns[name], rows.columns[name])
            if columns[0].dtype == np.object_:
                self._levels[name] = sorted({str(value) for column in columns for value in column if value is not None})
        self.categories = [place for place, name in enumerate(self._names) if name in self._levels]
        self.background = self.encoded(subject.problem.background)
        self.rows_scored = 0

    def encoded(self, table: Table) -> Floats:
        """Rows as numbers: categories by the number of their level, -1 for missing; float64, (n, p)."""
        parts = []
        for name in self._names:
            values, levels = table.columns[name], self._levels.get(name)
            if levels is not None:
                numbers = {level: float(number) for number, level in enumerate(levels)}
                values = np.array([-1.0 if value is None else numbers[str(value)] for value in values])
            parts.append(values.astype(np.float64))
        return np.column_stack(parts)

    def __call__(self, matrix: Floats) -> Floats:
        """The explained number of each row; float64, (n,)."""
        columns: dict[str, Column] = {}
        for place, name in enumerate(self._names):
            values = np.ascontiguousarray(matrix[:, place], dtype=np.float64)
            levels = self._levels.get(name)
            if levels is None:
                columns[name] = values
            else:
                texts = np.array([*levels, None], dtype=object)  # -1 is the last: missing
                columns[name] = cast("Column", texts[np.rint(values).astype(np.intp)])
        self.rows_scored += len(matrix)
        return self._model(Table(columns))


@contextmanager
def _unheard(package: str) -> Iterator[None]:
    """Keeps what a package says on the way, by warnings or its log, out of the report's progress."""
    log = logging.getLogger(package)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMethod:
    """An explainer of another package. It sees the same model, background and budget as ours.

    Attributes:
        name: See `QualityMethod`; so are the others.
        package: See `QualityMethod`.
        run: Explains the rows of a matrix: `MatrixModel`, rows, budget, seed to values, (n, p).

    Raises:
        InvalidRequestError: If `run` cannot be called with these four.
    """

    name: str
    package: str
    run: Run
    is_shapley: bool = True
    is_sampled: bool = True
    most_rows: int | None = PEER_ROWS
    kind: Kind = "peer"

    def __post_init__(self) -> None:
        """Refuses a function that cannot be called, before minutes of measuring."""
        try:
            takes = inspect.signature(self.run)
        except (TypeError, ValueError):  # something compiled, which does not say what it takes
            return
        try:
            takes.bind(*_GIVEN)
        except TypeError:
            raise InvalidRequestError.of(
                f"{self.package}:{self.name}",
                f"takes ({', '.join(takes.parameters)}), but is called with four by their places: "
                f"({', '.join(_GIVEN)}); let it take these and return a matrix of the shape of the rows, in which each "
                "place holds the credit of its feature",
            ) from None

    def attribute(
        self, subject: Subject, rows: Table, budget: int | None, seed: int, cancel: Callable[[], bool]
    ) -> Attributed:
        """See `QualityMethod`. Other packages know no end, so the model itself stops answering."""
        if any(len(owned) > 1 for owned in subject.problem.players.members):
            raise MethodNotApplicableError.of("method", f"'{self.name}' explains single features only")
        matrices = MatrixModel(subject, rows, cancel)
        try:
            with _unheard(self.package):
                found = self.run(matrices, matrices.encoded(rows), budget or DEFAULT_COALITIONS, seed)
        except ModuleNotFoundError as error:
            raise MethodNotApplicableError.of(
                "method", f"'{self.name}' needs the package '{error.name}', which is not installed"
            ) from None
        wanted = len(rows), len(subject.problem.players)
        try:
            values = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError):
            raise MethodNotApplicableError.of(
                "method", f"'{self.name}' gave {type(found).__name__}, not a matrix of numbers of shape {wanted}"
            ) from None
        if values.shape != wanted:
            raise MethodNotApplicableError.of(
                "method", f"'{self.name}' gave values of shape {values.shape}, not {wanted}"
            )
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise MethodNotApplicableError.of(
                "method", f"'{self.name}' gave {count:,} of {values.size:,} values that are NaN or infinite"
            )
        evaluations = matrices.rows_scored / max(len(rows), 1)
        base = np.full(len(rows), float(matrices(matrices.background).mean()))
        return Attributed(
            values=values, base_values=base, evaluations=evaluations, exact=False, detail=f"{self.package} package"
        )


def _shap_kernel(model: MatrixModel, rows: Floats, budget: int, seed: int) -> Floats:
    import shap  # noqa: PLC0415 - heavy: loaded when used

    np.random.seed(seed)  # noqa: NPY002, TID251 - the package draws from numpy's global state
    explainer = shap.KernelExplainer(model, model.background)
    return np.asarray(explainer.shap_values(rows, nsamples=budget, l1_reg=False, silent=True), np.float64)


def _shap_permutation(model: MatrixModel, rows: Floats, budget: int, seed: int) -> Floats:
    import shap  # noqa: PLC0415 - heavy: loaded when used

    np.random.seed(seed)  # noqa: NPY002, TID251 - the package draws from numpy's global state
    masker = shap.maskers.Independent(model.background, max_samples=len(model.background))
    explainer = shap.PermutationExplainer(model, masker, seed=seed)
    # One run through all features and back is the least it can do.
    found = explainer(rows, max_evals=max(budget, 2 * rows.shape[1] + 1), silent=True)
    return np.asarray(found.values, np.float64)


def _lime(model: MatrixModel, rows: Floats, budget: int, seed: int) -> Floats:
    from lime.lime_tabular import LimeTabularExplainer  # noqa: PLC0415 - heavy: loaded when used

    explainer = LimeTabularExplainer(
        model.background,
        mode="regression",
        categorical_features=model.categories,
        random_state=np.random.RandomState(seed),  # noqa: TID251 - the package wants this one
    )
    values = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        found = explainer.explain_instance(
            row, model, num_features=rows.shape[1], num_samples=LIME_SAMPLES if budget == DEFAULT_COALITIONS else budget
        )
        for feature, value in found.local_exp[1]:
            values[i, feature] = value
    return values


def _shapiq(model: MatrixModel, rows: Floats, budget: int, seed: int) -> Floats:
    import shapiq  # noqa: PLC0415 - heavy: loaded when used

    background: Any = model.background
    imputer = shapiq.MarginalImputer(model, background, x=background[:1], sample_size=len(background), random_state=0)
    values = np.empty(rows.shape)
    for i, row in enumerate(rows):
        imputer.fit(row[None, :])
        approximator = shapiq.KernelSHAP(n=rows.shape[1], random_state=seed, pairing_trick=True)
        values[i] = approximator.approximate(budget, imputer).get_n_order_values(1)
    return values


def _lightshap(model: MatrixModel, rows: Floats, budget: int, seed: int) -> Floats:
    import lightshap  # noqa: PLC0415 - heavy: loaded when used

    found = lightshap.explain_any(
        model,
        rows,
        bg_X=model.background,
        method="kernel",
        max_iter=max(1, round(budget / (2 * rows.shape[1]))),
        tol=_NEVER_EARLY,
        random_state=seed,
        verbose=False,
    )
    return np.asarray(found.shap_values, np.float64).reshape(rows.shape)


PEERS: Final = (
    PeerMethod(name="shap_kernel", package="shap", run=_shap_kernel),
    PeerMethod(name="shap_permutation", package="shap", run=_shap_permutation),
    PeerMethod(name="lime_package", package="lime", run=_lime, is_shapley=False),
    PeerMethod(name="shapiq_kernel", package="shapiq", run=_shapiq),
    PeerMethod(name="lightshap_kernel", package="lightshap", run=_lightshap),
)
