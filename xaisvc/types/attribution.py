"""The values of the attribution layer: players, budgets, the problem to solve and the numbers that answer it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from xaisvc.types.interest import keep_going

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.types.sampling import CloudModel, CoalitionGames, PlanStore, TableLookUp
    from xaisvc.types.schema import Space
    from xaisvc.types.table import Table

PlayersKind = Literal["features", "concepts", "clusters", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Players:
    """The p parties that share the credit. Every feature belongs to exactly one player.

    Attributes:
        names: Name of each player; a feature's id, a concept's id, or the caller's own name.
        members: Feature ids of each player, in the order of `names`.
        kind: Where the grouping comes from.
    """

    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    kind: PlayersKind = "features"

    def __len__(self) -> int:
        """Number of players p."""
        return len(self.names)

    def owner(self, feature_id: str) -> int:
        """Index of the player that a feature belongs to."""
        return next(i for i, members in enumerate(self.members) if feature_id in members)


@dataclass(frozen=True, slots=True)
class ErrorTarget:
    """A budget: sample until the largest standard error of a row is at most this, in the unit of the output."""

    standard_error: float


@dataclass(frozen=True, slots=True)
class Deadline:
    """A budget: the best answer after this many seconds of wall time, with its error."""

    seconds: float


Budget: TypeAlias = int | ErrorTarget | Deadline


class ModelFunction(Protocol):
    """The model as a function of raw rows, for one output in one space."""

    def __call__(self, rows: Table) -> NDArray[np.float64]:
        """Scores rows.

        Args:
            rows: n rows of raw features.

        Returns:
            The explained number of each row in the problem's space; float64, (n,).
        """
        ...


class ColumnFunction(Protocol):
    """The preprocessing in front of a tree ensemble or a linear node, run as it stands in the graph."""

    def __call__(self, rows: Table) -> NDArray[np.float32] | NDArray[np.float64]:
        """The matrix that reaches the node; (n, c), in the dtype that the graph computes."""
        ...


class TreeMode(IntEnum):
    """How a branch node compares its column x with its threshold t or its set. LEAF marks a leaf.

    MEMBER tests whether x is in the set, WHOLE_MEMBER whether x without its decimals is; its set holds whole numbers.
    """

    LEAF = 0
    LEQ = 1
    LT = 2
    GTE = 3
    GT = 4
    EQ = 5
    NEQ = 6
    MEMBER = 7
    WHOLE_MEMBER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEnsemble:
    """Trees of one ONNX node for one output, every ai.onnx.ml version brought to one form.

    All arrays are indexed by node, t nodes in all; children are indices into the same arrays.

    Attributes:
        roots: Root node of each tree; int32, (trees,).
        column: Input column that a branch node tests, -1 for a leaf; int32, (t,).
        mode: Branch test, one of `TreeMode` as int8, (t,).
        threshold: Right-hand side of the test, exactly as ONNX Runtime compares it; float32 or float64, (t,).
        true_child: Next node if the test holds; int32, (t,).
        false_child: Next node if it does not; int32, (t,).
        missing_true: Whether a NaN goes to the true child; bool, (t,).
        members: Node index to the set of values of a MEMBER or WHOLE_MEMBER test.
        leaf_value: What a leaf adds to the output, 0 for branches; float64, (t,).
    """

    roots: NDArray[np.int32]
    column: NDArray[np.int32]
    mode: NDArray[np.int8]
    threshold: NDArray[np.float32] | NDArray[np.float64]
    true_child: NDArray[np.int32]
    false_child: NDArray[np.int32]
    missing_true: NDArray[np.bool_]
    members: Mapping[int, frozenset[float]]
    leaf_value: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTerm:
    """A weighted sum of columns: sum over c of weights[c] * columns(x)[c].

    Attributes:
        columns: Preprocessing in front of the node.
        owners: For each column, the feature ids it depends on (a constant column depends on none).
        weights: float64, (c,), in output units per column unit.
    """

    columns: ColumnFunction
    owners: tuple[frozenset[str], ...]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTerm:
    """A sum of trees over columns.

    Attributes:
        columns: Preprocessing in front of the node.
        owners: For each column, the feature ids it depends on.
        trees: The trees, leaf values in output units.
    """

    columns: ColumnFunction
    owners: tuple[frozenset[str], ...]
    trees: TreeEnsemble


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveModel:
    """The explained number as a sum: f(x) = constant + sum of terms, exact in the problem's space."""

    constant: float
    terms: tuple[LinearTerm | TreeTerm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedModel:
    """A probability as the link of sums m_0(x), m_1(x), ...: additive before the link, not after it.

    With one sum the link is logistic, f(x) = 1 / (1 + exp(-m_0(x))); with several it is the softmax,
    f(x) = exp(m_0(x)) / sum over c of exp(m_c(x)).

    Attributes:
        sums: The explained class first, then the other classes in any order.
    """

    sums: tuple[AdditiveModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The model's own answer in its output tensor, where the explained number is that answer before a known link.

    With the logistic link, model(x) = 1 / (1 + exp(-f(x))) within the rounding of the tensor. Exact methods check f(x)
    by it instead of scoring the model once for f(x) and once more for the tensor.

    Attributes:
        model: Scores raw rows in the tensor's unit.
        link: How the tensor's number follows from the explained one.
    """

    model: ModelFunction
    link: Literal["logistic"] = "logistic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be explained; the same for all rows of a call.

    Attributes:
        model: Scores raw rows, in `space`.
        background: The b pinned rows that stand in for absent features.
        players: Who shares the credit.
        space: Unit of the explained number.
        additive: The model read as a sum of trees and linear terms; None if it is not one.
        additive_reason: Why `additive` is None, one sentence; empty otherwise.
        inert: Ids of features that are proven to have no influence on the explained number.
        linked: The model read as the link of sums, where it is no sum itself but a probability made from sums; None if
            it is not.
        games: Evaluates coalitions faster than row by row through `model`; None where there is nothing faster.
        clouds: Asks the model about draws around rows faster than through `model`; None where there is nothing faster.
        plans: Keeps what does not depend on the rows; None to work it out anew in every call.
        look_up: Looks up tables of trees on a device; None to do it on the CPU.
        observed: The output tensor as a function, where a verified link leads from the explained number to it; None
            where there is no such link or the tensor holds the explained number itself.
    """

    model: ModelFunction
    background: Table
    players: Players
    space: Space
    additive: AdditiveModel | None = None
    additive_reason: str = ""
    linked: LinkedModel | None = None
    inert: frozenset[str] = frozenset()
    games: CoalitionGames | None = None
    clouds: CloudModel | None = None
    plans: PlanStore | None = None
    look_up: TableLookUp | None = None
    observed: Observed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a method is to run.

    Attributes:
        budget: Coalitions per row (samples for LIME), an error target or a deadline; None for the method's default.
        seed: The caller's seed.
        max_batch_rows: Largest number of model rows scored in one call.
        clock: Monotonic clock in seconds.
        row_seeds: One 32-byte seed per row, made from (seed, row digest, model digest), so that the answer for a row
            does not depend on the rows around it.
        plan_seed: 32 bytes made from (seed, model digest): randomness that all rows of a plan share.
        threads: Threads that rows are spread over.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
    """

    budget: Budget | None
    seed: int
    row_seeds: Sequence[bytes]
    clock: Callable[[], float]
    max_batch_rows: int = 16384
    plan_seed: bytes = bytes(32)
    threads: int = 1
    check: Callable[[], None] = keep_going


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The numbers that answer a problem for n rows and p players.

    Attributes:
        values: Attributions in the problem's space; float64, (n, p).
        base_values: float64, (n,). For Shapley methods the mean output over the background.
        outputs: The explained number of each row; float64, (n,).
        standard_errors: float64, (n, p); zeros for exact methods.
        method: Name of the method that ran.
        exact: Whether the values are exact under the value function.
        model_evaluations: Model rows scored for each row; int64, (n,).
        detail: How and why this method ran, one or two sentences.
        diagnostics: One mapping per row, for example LIME's fidelity; empty if the method has none.
        value_function: `interventional`, or `local_surrogate` for LIME.
        predictions: What the model answered in its output tensor, in the tensor's unit, where the method scored
            `Problem.observed`; float64, (n,). None where it did not.
        own: For each row, whether it is exact and its own detail, where rows were not all treated alike, as under an
            error target; empty where `exact` and `detail` hold for each.
    """

    values: NDArray[np.float64]
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    method: str
    exact: bool
    model_evaluations: NDArray[np.int64]
    detail: str = ""
    diagnostics: tuple[Mapping[str, float], ...] = field(default=())
    value_function: str = "interventional"
    predictions: NDArray[np.float64] | None = None
    own: tuple[tuple[bool, str], ...] = field(default=())


@runtime_checkable
class AttributionMethod(Protocol):
    """One way to compute attributions. Instances are frozen and shared between threads."""

    @property
    def name(self) -> str:
        """Name used by callers."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the method is exact whenever it is applicable."""
        ...

    def why_not(self, problem: Problem) -> str:
        """Why the method cannot be used for a problem, one sentence; empty if it can."""
        ...

    def attribute(self, problem: Problem, rows: Table, settings: Settings) -> Attribution:
        """Attributes the outputs of n rows.

        Raises:
            MethodNotApplicableError: If `why_not` is not empty.
            BudgetTooSmallError: If the budget cannot give an attribution.
        """
        ...
