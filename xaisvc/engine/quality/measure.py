"""How good a bundle's explanations are, method by method: the use case behind `xaisvc bench quality`.

Steps are done one after the other, what matters most first, and kept if there is a folder for it; a report that ran out
of time goes on where it stopped. Every number depends on the seed and on what it is for, not on the order of steps.
"""

from __future__ import annotations

import sysconfig
import time
import traceback
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.bundles import load_bundle
from xaisvc.engine.machine import describe_machine, describe_versions
from xaisvc.engine.quality.assembly import BESIDE, assemble
from xaisvc.engine.quality.measuring import (
    errors_step,
    main_step,
    of_values,
    retraining_step,
    robustness_step,
    stability_step,
)
from xaisvc.engine.quality.methods import choose_methods
from xaisvc.engine.quality.signal import check_labels, signal_step
from xaisvc.engine.quality.state import Steps
from xaisvc.engine.quality.subject import open_subject
from xaisvc.engine.quality.workshop import Workshop, generator
from xaisvc.engine.surroundings import usable_cpus
from xaisvc.errors import (
    AbandonedError,
    BudgetTooSmallError,
    InvalidRequestError,
    MethodNotApplicableError,
    XaisvcError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.engine.quality.method import QualityMethod
    from xaisvc.engine.quality.result import QualityReport
    from xaisvc.types import Device, Table

PACKAGES: Final = (
    "xaisvc",
    "numpy",
    "numba",
    "onnx",
    "onnxruntime",
    "scikit-learn",
    "shap",
    "lime",
    "shapiq",
    "lightshap",
)
LEAST_PLAYERS: Final = 2
LEAST_BUDGET: Final = 256
PER_PLAYER: Final = 16
LATER: Final = ("errors", "stability", "robustness", "retraining")
"""What is measured of each method after its attributions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRequest:
    """What to measure.

    Attributes:
        methods: Names of methods or of groups of them; see `methods`.
        output: Id of the output; the bundle's first by default.
        budget: Coalitions per row of methods that sample Shapley values; by default the power of two from 16 for each
            player, at least 256.
        n_rows: Most rows to explain.
        minutes: Begin nothing after so many; None for no end.
        seed: Of everything random.
        threads: Threads; all CPUs that the process may use by default.
        device: Where to run the model.
        players: Who shares the credit: `features`, `concepts`, `clusters`, or names to features.
    """

    methods: tuple[str, ...] = ("default",)
    output: str | None = None
    budget: int | None = None
    n_rows: int = 1000
    minutes: float | None = None
    seed: int = 0
    threads: int | None = None
    device: Device = "cpu"
    players: str | Mapping[str, Sequence[str]] = "features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What is known of the rows beside their features.

    Attributes:
        labels: What happened: 0 or 1 for a probability, else the number predicted; float64, (n,).
        times: When, for the rule of the last value; float64, (n,). None if not known.
    """

    labels: NDArray[np.float64]
    times: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How far a report is.

    Attributes:
        what: What is being done.
        done: Steps that are done.
        steps: All steps.
    """

    what: str
    done: int
    steps: int


def measure_quality(  # noqa: PLR0913 - what is measured, and what is taken from the world around
    bundle: str | Path | Bundle,
    rows: Table | None,
    request: QualityRequest,
    *,
    labelled: Labelled | None = None,
    more: Sequence[QualityMethod] = (),
    folder: Path | None = None,
    resume: bool = False,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    tell: Callable[[Told], None] = lambda _: None,
) -> QualityReport:
    """Measures how good explanations of a bundle are.

    Args:
        bundle: The bundle or its folder.
        rows: Rows to explain, validated; the background by default.
        request: What to measure.
        labelled: What is known of the rows; without it there is no word on the model's signal.
        more: Methods of the caller's own, which the request can name; see `method.QualityMethod`.
        folder: Where steps that are done are kept; None to keep nothing.
        resume: Whether to go on with what the folder holds.
        clock: Monotonic clock in seconds.
        now: Time of day.
        tell: Told before each step.

    Raises:
        BundleError: If the bundle cannot be loaded.
        InvalidRequestError: If a method is unknown, there are too few rows or features, a number does not fit, or the
            labels tell nothing; see `signal.check_labels`.
        NotFoundError: If there is no such output.
    """
    methods = choose_methods(request.methods, more)
    _check(request)
    loaded = load_bundle(bundle) if isinstance(bundle, str | Path) else bundle
    table = loaded.background if rows is None else rows
    if len(table) < LEAST_PLAYERS:
        raise InvalidRequestError.of("data", "there are fewer than two rows to explain; give a file with more")
    order = generator(request.seed, "rows").permutation(len(table))[: request.n_rows]
    start = clock()
    end = float("inf") if request.minutes is None else start + 60.0 * request.minutes
    threads = request.threads or usable_cpus()
    subject = open_subject(
        loaded, request.output, threads=threads, device=request.device, clock=clock, players=request.players
    )
    if labelled is not None:
        check_labels(labelled.labels, len(table), loaded.description.output(subject.output))
    if len(subject.problem.players) < LEAST_PLAYERS:
        raise InvalidRequestError.of("bundle", "it has one player, which gets all credit: there is nothing to measure")
    budget = request.budget or max(LEAST_BUDGET, 1 << (PER_PLAYER * len(subject.problem.players) - 1).bit_length())
    shop = Workshop(
        bundle=loaded,
        subject=subject,
        rows=table.take(order),
        seed=request.seed,
        budget=budget,
        threads=threads,
        device=request.device,
        clock=clock,
        cancel=lambda: clock() > end,
    )
    digests = {**asdict(loaded.digests), "rows": sha256(b"".join(table.row_digests())).hexdigest()}
    if labelled is not None:
        digests["labels"] = sha256(np.ascontiguousarray(labelled.labels).tobytes()).hexdigest()
    settings: dict[str, object] = {
        "methods": [method.name for method in methods],
        "output": subject.output,
        "budget": budget,
        "rows": request.n_rows,
        "seed": request.seed,
        "threads": threads,
        "device": request.device,
        "players": request.players if isinstance(request.players, str) else dict(request.players),
    }
    versions = describe_versions(PACKAGES)
    steps = Steps.open(folder, {"digests": digests, **settings, "versions": versions}, resume=resume)
    labels = np.zeros(0) if labelled is None else labelled.labels[order]
    course = _Course(shop=shop, steps=steps, methods=methods, labels=labels, tell=tell)
    found = course.run(None if labelled is None else (table, labelled))
    return assemble(
        found,
        shop=shop,
        methods=methods,
        bundle=f"{loaded.description.name} {loaded.description.version}",
        digests=digests,
        settings=settings,
        machine=describe_machine(),
        versions=versions,
        seconds=clock() - start,
        date=now().isoformat(timespec="seconds").replace("+00:00", "Z"),
    )


def _check(request: QualityRequest) -> None:
    for field, number in (
        ("budget", request.budget),
        ("rows", request.n_rows),
        ("minutes", request.minutes),
        ("threads", request.threads),
    ):
        if number is not None and not 0 < number < float("inf"):
            raise InvalidRequestError.of(field, f"must be positive, got {number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The steps of a report in order, those that matter most first."""

    shop: Workshop
    steps: Steps
    methods: tuple[QualityMethod, ...]
    labels: NDArray[np.float64]
    tell: Callable[[Told], None]

    def run(self, labelled: tuple[Table, Labelled] | None) -> dict[str, dict[str, object]]:
        """Does what time allows; what is missing was not reached."""
        found: dict[str, dict[str, object]] = {}
        names = [method.name for method in self.methods]
        everything = ["signal", "reference", *(f"method {name}" for name in names)]
        everything += [f"beside {name}" for name in BESIDE]
        later = [kind for kind in LATER if kind != "retraining" or labelled is not None]
        everything += [f"{kind} {name}" for kind in later for name in names]
        by_name = {method.name: method for method in self.methods}
        for number, step in enumerate(everything):
            kind, _, name = step.partition(" ")
            if kind == "signal" and labelled is None:
                continue
            if self.shop.cancel() and not self.steps.is_done(step.replace(" ", "-")):
                found[step] = {"outcome": "out of time"}
                continue
            if kind in LATER and found[f"method {name}"].get("outcome") != "measured":
                continue
            self.tell(Told(what=step, done=number, steps=len(everything)))
            exact = bool(found.get(f"method {name}", {}).get("exact"))
            if kind == "signal" and labelled is not None:
                found[step] = self._done(step, partial(signal_step, self.shop, *labelled))
            elif step == "reference":
                found[step] = self._done(step, self._reference)
            elif kind == "beside":
                found[step] = self._done(step, partial(self._beside, name))
            elif kind == "retraining":
                values = np.array(found[f"method {name}"]["values"], dtype=np.float64)
                found[step] = self._done(step, partial(retraining_step, self.shop, self.labels, values))
            else:
                found[step] = self._done(step, partial(self._of, kind, by_name[name], exact=exact))
        return found

    def _of(self, kind: str, method: QualityMethod, *, exact: bool) -> dict[str, object]:
        if kind == "errors":
            return errors_step(self.shop, method)
        if kind == "stability":
            return stability_step(self.shop, method, exact=exact)
        if kind == "robustness":
            return robustness_step(self.shop, method)
        return main_step(self.shop, method)

    def _reference(self) -> dict[str, object]:
        truth = self.shop.truth
        return {
            "method": truth.method,
            "exact": truth.exact,
            "n_rows": len(truth.values),
            "relative_standard_error": truth.relative_standard_error,
            "squares": (truth.values**2).sum(axis=1).tolist(),
        }

    def _beside(self, name: str) -> dict[str, object]:
        """What the metrics say of the reference values, and of each row's in another order, which mean nothing."""
        truth = self.shop.truth
        values, is_random = truth.values, name == "random"
        if is_random:
            values = generator(self.shop.seed, "null").permuted(values, axis=1)
        base = self.shop.outputs[: len(values)] - values.sum(axis=1)
        return {
            "n_rows": len(values),
            "exact": truth.exact and not is_random,
            "detail": "the reference values of each row, shuffled" if is_random else truth.method,
            **of_values(self.shop, values, base, shapley=is_random),
        }

    def _done(self, step: str, make: Callable[[], dict[str, object]]) -> dict[str, object]:
        """The result of a step. What a method cannot do is a result; what was stopped is not."""

        def attempt() -> dict[str, object]:
            try:
                return {"outcome": "measured", **make()}
            except MethodNotApplicableError as error:
                return {"outcome": "not applicable", "why": str(error)}
            except BudgetTooSmallError as error:
                return {"outcome": "refused", "why": str(error)}
            except AbandonedError:
                raise
            except XaisvcError as error:
                return {"outcome": "refused", "why": str(error)}
            except Exception as error:  # noqa: BLE001 - what breaks one method must not take the others along
                where = ", ".join((type(error).__name__, *_origin(error)))
                return {"outcome": "failed", "why": f"it broke off with an error of its own ({where})"}

        try:
            return self.steps.done(step.replace(" ", "-"), attempt)
        except AbandonedError:
            return {"outcome": "out of time"}


def _origin(error: Exception) -> tuple[str, ...]:
    """The last place that is in nobody's installed package: where a caller's own function went wrong."""
    paths = sysconfig.get_paths()
    installed = tuple(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    own = str(Path(__file__).parents[2])
    places = [
        f"{Path(frame.filename).name} line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*installed, own, "<"))
    ]
    return tuple(places[-1:])
