"""Explains rows of a bundle: the use case behind the library, the command line and the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.bundles import Bundle, RowReader, load_bundle
from xaisvc.engine.calls import Calls
from xaisvc.engine.choices import Choices, check_positive
from xaisvc.engine.chunks import DEFAULT_MEMORY_LIMIT_BYTES
from xaisvc.engine.comparison import check_methods, compared
from xaisvc.engine.counterfactuals import find_counterfactuals
from xaisvc.engine.inspector import Inspector
from xaisvc.engine.interruption import Wanted
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.surroundings import Surroundings, usable_cpus
from xaisvc.errors import InvalidRequestError
from xaisvc.runtimes import OrtRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.engine.counterfactuals import CounterfactualBatch
    from xaisvc.engine.interactions import InteractionBatch
    from xaisvc.engine.progress import Progress
    from xaisvc.types import Budget, Device, Runtime, Space, Table

    Rows = pd.DataFrame | Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]] | NDArray[np.generic] | Table
    PlayersChoice = str | Mapping[str, Sequence[str]]

__all__ = ["DEVICES", "Explainer", "Surroundings"]

DEVICES = ("auto", "cpu", "cuda")


class Explainer(Inspector):
    """Explains the decisions of one bundle on one device. Safe to use from several threads.

    Example:
        >>> from xaisvc.demo.cases import BUNDLES, load_cases
        >>> explainer = Explainer(BUNDLES / "german-credit-boosting", device="cpu")
        >>> batch = explainer.explain([load_cases()[0].row])
        >>> batch.method, batch.exact, batch.space.value
        ('tree', True, 'log_odds')
        >>> largest = max(batch[0].values, key=batch[0].values.get)
        >>> largest
        'duration_months'
    """

    def __init__(  # noqa: PLR0913 - the public interface: everything but bundle and device by name
        self,
        bundle: Bundle | str | Path,
        device: Device = "auto",
        *,
        runtime: Runtime | None = None,
        surroundings: Surroundings | None = None,
        threads: int | None = None,
        memory_limit_bytes: int = DEFAULT_MEMORY_LIMIT_BYTES,
        watch: bool = True,
    ) -> None:
        """Loads the model.

        Args:
            bundle: A loaded bundle, or the path of its folder.
            device: `auto` takes CUDA where it works and says what it got in `device`; `cuda` never falls back.
            runtime: Runs the graphs; ONNX Runtime by default.
            surroundings: Clocks and identifiers; the real ones by default.
            threads: Threads that the rows of one call are spread over; all CPUs that the process may use by default.
                Answers do not depend on it.
            memory_limit_bytes: Most that the rows, answers and work of one call may take, beside what the caller handed
                in and what is kept of the bundle. A call that cannot stay within it is refused before it begins.
            watch: Whether a call is refused once the bundle's files are no longer those that were loaded. A service
                that takes up new versions by itself goes on with the loaded one, which is wholly in memory.

        Raises:
            BundleError: If the bundle cannot be loaded.
            InvalidRequestError: If another argument does not fit; names it.
            RuntimeUnavailableError: If no ONNX Runtime is installed, or `cuda` is asked for and not there.
        """
        if device not in DEVICES:
            raise InvalidRequestError.of("device", f"{device!r} is not one of {', '.join(DEVICES)}")
        check_positive("threads", threads)
        check_positive("memory_limit_bytes", memory_limit_bytes)
        loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        threads = threads or usable_cpus()
        on_device = LoadedBundle(loaded, runtime or OrtRuntime(), device, threads=threads)
        calls = Calls(
            on_device,
            surroundings or Surroundings(),
            threads=threads,
            memory_limit_bytes=memory_limit_bytes,
            watch=watch,
        )
        super().__init__(on_device, calls)
        self._rows = RowReader(loaded.description)

    def explain(  # noqa: PLR0913 - the public interface: every choice a caller has, all but rows by name
        self,
        rows: Rows,
        *,
        method: str = "auto",
        output: str | None = None,
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> ExplanationBatch:
        """Attributes the output of each row to players, from one row to millions.

        Rows are worked on in chunks that keep within the memory limit, and rows that repeat are computed once. Neither
        changes an answer.

        Args:
            rows: A DataFrame, a mapping of columns, a sequence of mappings, or for all-numeric bundles a 2-D array with
                columns in the order of the schema.
            method: `auto` for the planner's choice, or `linear`, `tree`, `exact`, `kernel`, `permutation`, `lime`,
                `lime_selected`, `lime_continuous`, `lime_reference`.
            output: Id of the output; the bundle's first by default.
            players: `features`, `concepts`, `clusters` (what goes together at 0.7 or more on average), or a mapping of
                name to features; features not named stand alone.
            budget: Coalitions per row (samples for LIME), an `ErrorTarget`, or a `Deadline` for the whole call; exact
                methods need none.
            seed: Seed of sampling methods. The answer for a row depends on it, the row and the model, on nothing else.
            space: `probability`, `log_odds` or `raw`; the output's own by default.
            progress: Told about twice a second how far the call is, in the thread of the caller.
            cancel: Asked between pieces of work; once it says yes, the call stops.

        Returns:
            One explanation per row, in order.

        Raises:
            InvalidRowsError: If rows do not fit the schema; names every field.
            InvalidRequestError: If another argument does not fit; names it.
            LimitExceededError: If the answers do not fit the memory limit; says how many rows would.
            NotFoundError: If there is no such output.
            ModelOutputError: If the model's answers cannot be explained.
            BundleChangedError: If the bundle's files are no longer those that were loaded, and are watched.
            AbandonedError: If `cancel` said yes.
        """
        choices = Choices(
            method=method, players=players, budget=budget, seed=seed, space=space, progress=progress, cancel=cancel
        )
        return self._calls.whole(self._parse(rows), [output], choices)[0]

    def explain_table(  # noqa: PLR0913 - as `explain`
        self,
        rows: Table,
        *,
        method: str = "auto",
        output: str | None = None,
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> ExplanationBatch:
        """Explains rows that were validated before; see `explain`."""
        choices = Choices(
            method=method, players=players, budget=budget, seed=seed, space=space, progress=progress, cancel=cancel
        )
        return self._calls.whole(rows, [output], choices)[0]

    def explain_outputs(  # noqa: PLR0913 - as `explain`
        self,
        rows: Rows,
        outputs: Sequence[str] | None = None,
        *,
        method: str = "auto",
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Mapping[str, ExplanationBatch]:
        """Explains several outputs of the same rows, in one pass where the method can; see `explain`.

        Args:
            rows: See `explain`.
            outputs: Ids of the outputs; all outputs of the bundle by default.
            method: See `explain`.
            players: See `explain`.
            budget: See `explain`. A deadline is for all outputs together.
            seed: See `explain`.
            space: See `explain`; by default each output's own.
            progress: See `explain`.
            cancel: See `explain`.

        Returns:
            Output id to its explanations, in the order of `outputs`: the same as one call per output.

        Raises:
            InvalidRequestError: If an output is named twice or none is; see `explain` for all others.
        """
        names = [output.id for output in self.bundle.description.outputs] if outputs is None else list(outputs)
        if isinstance(outputs, str) or not names or len(set(names)) < len(names):
            raise InvalidRequestError.of("outputs", "give a list of output ids, each once")
        choices = Choices(
            method=method, players=players, budget=budget, seed=seed, space=space, progress=progress, cancel=cancel
        )
        return dict(zip(names, self._calls.whole(self._parse(rows), names, choices), strict=True))

    def explain_methods(  # noqa: PLR0913 - as `explain`
        self,
        rows: Rows,
        methods: Sequence[str] = ("auto", "lime"),
        *,
        output: str | None = None,
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Mapping[str, ExplanationBatch]:
        """Explains the same rows by several methods, such as SHAP and LIME, and says where they disagree.

        Args:
            rows: See `explain`.
            methods: Methods as `explain` takes them, two or more; all others are compared with the first.
            output: See `explain`.
            players: See `explain`.
            budget: See `explain`; every sampled method gets it.
            seed: See `explain`.
            space: See `explain`.
            cancel: See `explain`.

        Returns:
            Method, as it was named, to its explanations: the same as one call each, but for caveats
            `method_disagreement`, which say what each method leaves out.

        Raises:
            InvalidRequestError: If fewer than two methods are named, or one twice; see `explain` for all others.
        """
        check_methods(methods)
        table = self._parse(rows)
        batches = {
            method: self._calls.whole(
                table,
                [output],
                Choices(method=method, players=players, budget=budget, seed=seed, space=space, cancel=cancel),
            )[0]
            for method in methods
        }
        return compared(batches)

    def explain_batches(  # noqa: PLR0913 - as `explain`
        self,
        rows: Rows,
        *,
        batch_rows: int | None = None,
        method: str = "auto",
        output: str | None = None,
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Iterator[ExplanationBatch]:
        """Explains rows batch by batch, so that the answers of many rows need not be held at the same time.

        Args:
            rows: See `explain`. All are checked before the first is explained.
            batch_rows: Most rows of a batch; 16,384 by default.
            method: See `explain`.
            output: See `explain`.
            players: See `explain`.
            budget: See `explain`.
            seed: See `explain`.
            space: See `explain`.
            progress: See `explain`; told after each batch at the latest.
            cancel: See `explain`.

        Returns:
            Batches in the order of the rows, each computed when it is asked for: the same answers as `explain`. Rows
            that repeat are computed once per batch.

        Raises:
            InvalidRequestError: If `batch_rows` is no positive number. See `explain` for all others; those about the
                arguments are raised at once.
        """
        check_positive("batch_rows", batch_rows)
        choices = Choices(
            method=method, players=players, budget=budget, seed=seed, space=space, progress=progress, cancel=cancel
        )
        return self._calls.batches(self._parse(rows), output, choices, batch_rows)

    def interactions(
        self,
        rows: Rows,
        *,
        output: str | None = None,
        players: PlayersChoice = "features",
        space: Space | str | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> InteractionBatch:
        """Splits SHAP values into main effects and pairwise Shapley interactions, exact for sums of trees.

        Args:
            rows: See `explain`.
            output: See `explain`.
            players: See `explain`.
            space: See `explain`; for boosted classifiers `log_odds`, where the model is a sum.
            cancel: See `explain`.

        Returns:
            A matrix of players by players for each row, in order.

        Raises:
            MethodNotApplicableError: If the number explained is no sum of trees and linear terms; says what to do.
            LimitExceededError: If n * p * p is too large.
            AbandonedError: If `cancel` said yes.
        """
        choices = Choices(method="auto", players=players, budget=None, seed=0, space=space, cancel=cancel)
        return self._calls.interactions(self._parse(rows), output, choices)

    def counterfactuals(  # noqa: PLR0913 - the public interface: every choice a caller has, all but rows by name
        self,
        rows: Rows,
        *,
        output: str | None = None,
        features: Sequence[str] | None = None,
        max_changes: int = 2,
        limit: int = 3,
        cancel: Callable[[], bool] | None = None,
    ) -> CounterfactualBatch:
        """Finds what could change the decision on each row: regions in which the model itself decides otherwise.

        Only features change that the bundle declares a `change` for, only within its bounds and directions, in its
        steps, and to its categories. Every region was asked of the model, and none lies further out of the background
        than the row. It is about the model's answer, not about what would come of a change.

        Args:
            rows: See `explain`.
            output: See `explain`; it needs a threshold and an adverse side.
            features: Ids of the features that may be offered; all with a declared change by default. For a reader, name
                those that they may see, or ask `RowCounterfactuals.shown` later.
            max_changes: Most features that change together, 1 or 2.
            limit: Most alternatives for each row.
            cancel: Asked between pieces of work; once it says yes, the call stops.

        Returns:
            One answer per row, in order: alternatives, or that none was found, and what was searched.

        Raises:
            InvalidRowsError: If rows do not fit the schema; names every field.
            InvalidRequestError: If another argument does not fit, or the output has no decision; names it.
            NotFoundError: If there is no such output.
            BundleError: If the declared changes of a feature have no finite list of values.
            ModelOutputError: If the model's answers cannot be explained.
            BundleChangedError: If the bundle's files are no longer those that were loaded, and are watched.
            AbandonedError: If `cancel` said yes.
        """
        self._calls.check_files()
        if cancel is not None and not callable(cancel):
            raise InvalidRequestError.of("cancel", f"must be a function, or left out, got {cancel!r}")
        return find_counterfactuals(
            self._loaded,
            self._parse(rows),
            output=output,
            features=features,
            max_changes=max_changes,
            limit=limit,
            check=Wanted(cancel),
        )

    def _parse(self, rows: Rows) -> Table:
        return self._rows.all(rows)
