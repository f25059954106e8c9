"""What every tool is given: a case with a background, as files, as an estimator, or as a function that counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.performance.cases import folder_of, load_estimator

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.performance.cases import Case
    from benchmarks.performance.data import Dataset


class BlackBox:
    """The ONNX file in ONNX Runtime as a plain function of rows, in the case's space; counts the rows it scores."""

    def __init__(self, model: bytes, *, space: str, threads: int, both_classes: bool = False) -> None:
        import onnxruntime as ort  # noqa: PLC0415 - heavy: loaded when used

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._output = self._session.get_outputs()[-1].name
        self._space = space
        self._both_classes = both_classes
        self.rows_scored = 0

    def __call__(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Scores rows; float64, (n,), or (n, 2) where both classes were asked for."""
        x = np.ascontiguousarray(rows, np.float32)
        self.rows_scored += len(x)
        answer = np.asarray(self._session.run([self._output], {"x": x})[0], np.float64).reshape(len(x), -1)
        if self._both_classes:
            return answer
        score: NDArray[np.float64] = answer[:, -1]
        return np.log(score) - np.log1p(-score) if self._space == "log_odds" else score

    def raw(self, rows: NDArray[np.float32]) -> None:
        """Runs the model and nothing else, to see what it can do."""
        self._session.run([self._output], {"x": rows})


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A case, a background and a number of threads.

    Attributes:
        case: The case.
        work: Folder of everything built.
        b: Background rows.
        threads: Threads that a tool may use.
    """

    case: Case
    work: Path
    b: int
    threads: int

    @cached_property
    def data(self) -> Dataset:
        """The table of the case."""
        return self.case.data()

    @property
    def background(self) -> NDArray[np.float32]:
        """The rows that stand in; float32, (b, d)."""
        return self.data.background[: self.b]

    @property
    def model(self) -> bytes:
        """The ONNX file."""
        return (folder_of(self.case, self.work) / "model.onnx").read_bytes()

    @property
    def bundle(self) -> Path:
        """The bundle with this background."""
        return folder_of(self.case, self.work) / f"b{self.b}"

    def estimator(self) -> Any:  # noqa: ANN401 - untyped library
        """The model as its own library holds it."""
        return load_estimator(self.case, self.work)

    def black_box(self, *, both_classes: bool = False) -> BlackBox:
        """The ONNX file as a function."""
        return BlackBox(self.model, space=self.case.space, threads=self.threads, both_classes=both_classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool made of n rows.

    Attributes:
        values: Attributions; float64, (n, d).
        evaluations: Model rows scored for all n rows together.
        standard_errors: float64, (n, d); None where the tool gives none.
    """

    values: NDArray[np.float64]
    evaluations: int
    standard_errors: NDArray[np.float64] | None = None


class Explain(Protocol):
    """A tool that has been made ready for a subject."""

    def __call__(self, rows: NDArray[np.float32], budget: int, seed: int) -> Answer:
        """Explains rows. `budget` is in coalitions for each row (samples for LIME), 0 for the tool's own default."""
        ...


class Open(Protocol):
    """Makes a tool ready; what it costs counts as preparation."""

    def __call__(self, subject: Subject) -> Explain:
        """Prepares."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One setting of one package.

    Attributes:
        name: Identifier in results, for example `shap-kernel`.
        package: Distribution it comes from.
        title: A few words for tables.
        kind: `trees`, `sampled`, `target`, `linear`, `lime` or `whole`: with what it is compared.
        open: Makes it ready.
        value_function: `interventional`, `path_dependent` (another question, shown for its speed alone) or `local`.
    """

    name: str
    package: str
    title: str
    kind: str
    open: Open
    value_function: str = "interventional"
