"""Explains rows of a bundle: the use case behind the library, the command line and the service."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import make_players, plan
from xaisvc.bundles import Bundle, check_unchanged, load_bundle, parse_rows
from xaisvc.caveats import CaveatContext, find_caveats
from xaisvc.engine.batch import ExplanationBatch, Provenance
from xaisvc.engine.interruption import Interruptible
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.errors import InvalidRequestError
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import Deadline, ErrorTarget, Settings, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.attribution import Plan
    from xaisvc.types import Budget, Device, Output, Players, Problem, Runtime, Table

    Rows = pd.DataFrame | Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]] | NDArray[np.generic] | Table

DEVICES = ("auto", "cpu", "cuda")
BUNDLE_PLAYERS = ("features", "concepts", "clusters")
PORTFOLIO_ROWS = 100
"""Background rows that the portfolio's usual attributions are taken from."""


def _new_id() -> str:
    return uuid.uuid4().hex


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an explainer takes from the world around it, so that tests can put their own in.

    Attributes:
        clock: Monotonic clock in seconds, for deadlines.
        now: Time of day, for records.
        new_id: Makes the identifier of a record.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now
    new_id: Callable[[], str] = _new_id


class Explainer:
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

    def __init__(
        self,
        bundle: Bundle | str | Path,
        device: Device = "auto",
        *,
        runtime: Runtime | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Loads the model.

        Args:
            bundle: A loaded bundle, or the path of its folder.
            device: `auto` takes CUDA where it works and says what it got in `device`; `cuda` never falls back.
            runtime: Runs the graphs; ONNX Runtime by default.
            surroundings: Clocks and identifiers; the real ones by default.

        Raises:
            BundleError: If the bundle cannot be loaded.
            RuntimeUnavailableError: If no ONNX Runtime is installed, or `cuda` is asked for and not there.
        """
        if device not in DEVICES:
            raise InvalidRequestError.of("device", f"{device!r} is not one of {', '.join(DEVICES)}")
        loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        self._loaded = LoadedBundle(loaded, runtime or OrtRuntime(), device)
        self._surroundings = surroundings or Surroundings()

    @property
    def bundle(self) -> Bundle:
        """The bundle being explained."""
        return self._loaded.bundle

    @property
    def device(self) -> str:
        """What the model really runs on: `cpu` or `cuda`."""
        return self._loaded.device

    def explain(  # noqa: PLR0913 - the public interface: every choice a caller has, all but rows by name
        self,
        rows: Rows,
        *,
        method: str = "auto",
        output: str | None = None,
        players: str | Mapping[str, Sequence[str]] = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
    ) -> ExplanationBatch:
        """Attributes the output of each row to players.

        Args:
            rows: A DataFrame, a mapping of columns, a sequence of mappings, or for all-numeric bundles a 2-D array with
                columns in the order of the schema.
            method: `auto` for the planner's choice, or `linear`, `tree`, `exact`, `kernel`, `permutation`, `lime`,
                `lime_reference`.
            output: Id of the output; the bundle's first by default.
            players: `features`, `concepts`, `clusters`, or a mapping of name to features; features not named stand
                alone.
            budget: Coalitions per row (samples for LIME), an `ErrorTarget` or a `Deadline`; exact methods need none.
            seed: Seed of sampling methods. The answer for a row depends on it, the row and the model, on nothing else.
            space: `probability`, `log_odds` or `raw`; the output's own by default.

        Returns:
            One explanation per row, in order.

        Raises:
            InvalidRowsError: If rows do not fit the schema; names every field.
            InvalidRequestError: If another argument does not fit; names it.
            NotFoundError: If there is no such output.
            ModelOutputError: If the model's answers cannot be explained.
            BundleChangedError: If the bundle's files are no longer those that were loaded.
        """
        table = parse_rows(self.bundle.description, rows)
        return self.explain_table(
            table, method=method, output=output, players=players, budget=budget, seed=seed, space=space
        )

    def explain_table(  # noqa: PLR0913 - as `explain`
        self,
        rows: Table,
        *,
        method: str = "auto",
        output: str | None = None,
        players: str | Mapping[str, Sequence[str]] = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
        is_abandoned: Callable[[], bool] | None = None,
    ) -> ExplanationBatch:
        """Explains rows that were validated before; see `explain`.

        Args:
            rows: The rows.
            method: See `explain`.
            output: See `explain`.
            players: See `explain`.
            budget: See `explain`.
            seed: See `explain`.
            space: See `explain`.
            is_abandoned: Asked before every batch of model rows; once it says yes, the work stops.

        Raises:
            AbandonedError: If `is_abandoned` said yes.
        """
        check_unchanged(self.bundle)
        _check_seed(seed)
        target, problem, chosen = self._prepare(method, output, players, budget, space)
        if is_abandoned is not None:
            problem = replace(problem, model=Interruptible(problem.model, is_abandoned))
        unit, parties = problem.space, problem.players
        settings = Settings(
            budget=budget, seed=seed, row_seeds=self._row_seeds(rows, seed), clock=self._surroundings.clock
        )
        attribution = chosen.method.attribute(problem, rows, settings)
        attribution = replace(attribution, detail=_sentences(chosen.reason, attribution.detail))
        same_unit = unit is target.tensor_space
        predictions = attribution.outputs if same_unit else self._loaded.scoring(target, target.tensor_space)(rows)
        context = CaveatContext(
            description=self.bundle.description,
            output=target,
            rows=rows,
            background=self.bundle.background,
            background_predictions=self._loaded.background_predictions(target),
            predictions=predictions,
            players=parties,
            attribution=attribution,
            association=self._loaded.association(),
        )
        return ExplanationBatch(
            rows=rows,
            attribution=attribution,
            predictions=predictions,
            caveats=find_caveats(context),
            provenance=Provenance(
                description=self.bundle.description,
                digests=self.bundle.digests,
                device=self.device,
                output=target,
                space=unit,
                players=parties,
                seed=seed,
                budget="" if attribution.exact else _budget_in_words(budget),
                background_predictions=np.sort(context.background_predictions),
                adverse_share=_adverse_share(target, context.background_predictions),
                portfolio_mean_abs=self._portfolio_mean_abs(target, unit, parties),
            ),
            ids=tuple(self._surroundings.new_id() for _ in range(len(rows))),
            created_at=self._surroundings.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )

    def plans_exact(
        self,
        *,
        method: str = "auto",
        output: str | None = None,
        players: str | Mapping[str, Sequence[str]] = "features",
        budget: Budget | None = None,
        space: Space | str | None = None,
    ) -> bool:
        """Whether these choices lead to an exact method, which needs no budget; raises as `explain` does."""
        return self._prepare(method, output, players, budget, space)[2].method.exact

    def _prepare(
        self,
        method: str,
        output: str | None,
        players: str | Mapping[str, Sequence[str]],
        budget: Budget | None,
        space: Space | str | None,
    ) -> tuple[Output, Problem, Plan]:
        """What the choices of a caller come to, before any row is looked at."""
        target = self.bundle.description.output(output)
        unit = _parse_space(space) or target.space
        _check_budget(budget)
        problem = self._loaded.problem(target, unit, self._players(players))
        return target, problem, plan(problem, method, budget)

    def _players(self, players: str | Mapping[str, Sequence[str]]) -> Players:
        """The players asked for. Those that the bundle alone decides are made once: clusters cost time."""

        def make() -> Players:
            return make_players(self.bundle.description, players, self.bundle.background)

        return self._loaded.once(("players", players), make) if players in BUNDLE_PLAYERS else make()

    def exact_methods(self) -> tuple[str, ...]:
        """Names of the exact methods that work for the bundle's default output with features as players."""
        return self._loaded.exact_methods(self.bundle.description.outputs[0], self._players("features"))

    def predict(self, rows: Table, output: str | None = None) -> NDArray[np.float64]:
        """The output tensor for rows, in the tensor's own unit; float64, (n,)."""
        target = self.bundle.description.output(output)
        return self._loaded.scoring(target, target.tensor_space)(rows)

    def _row_seeds(self, rows: Table, seed: int) -> tuple[bytes, ...]:
        head = seed.to_bytes(8, "little", signed=True) + bytes.fromhex(self.bundle.digests.model)
        return tuple(hashlib.blake2b(head + digest, digest_size=32).digest() for digest in rows.row_digests())

    def _portfolio_mean_abs(self, output: Output, space: Space, players: Players) -> NDArray[np.float64] | None:
        """Mean absolute attribution over the background where it costs little: an exact method, players kept once."""
        if players.kind == "custom":
            return None

        def make() -> NDArray[np.float64] | None:
            problem = self._loaded.problem(output, space, players)
            chosen = plan(problem, "auto", None)
            if chosen.method.name not in {"linear", "tree"}:
                return None
            sample = self.bundle.background.take(slice(0, PORTFOLIO_ROWS))
            settings = Settings(
                budget=None, seed=0, row_seeds=self._row_seeds(sample, 0), clock=self._surroundings.clock
            )
            mean: NDArray[np.float64] = np.abs(chosen.method.attribute(problem, sample, settings).values).mean(axis=0)
            return mean

        return self._loaded.once(("portfolio", output.id, space, players.kind), make)


def _sentences(*texts: str) -> str:
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts if text)


def _adverse_share(output: Output, predictions: NDArray[np.float64]) -> float | None:
    decisions = [output.is_adverse(float(prediction)) for prediction in predictions]
    return None if None in decisions else sum(map(bool, decisions)) / len(decisions)


def _parse_space(space: Space | str | None) -> Space | None:
    if space is None:
        return None
    try:
        return Space(space)
    except ValueError:
        known = ", ".join(Space)
        raise InvalidRequestError.of("space", f"{str(space)!r} is not one of {known}") from None


def _check_budget(budget: object) -> None:
    if budget is None:
        return
    size: float
    if isinstance(budget, ErrorTarget):
        size, name, unit = budget.standard_error, "ErrorTarget", "a standard error in the unit of the output"
    elif isinstance(budget, Deadline):
        size, name, unit = budget.seconds, "Deadline", "seconds"
    elif isinstance(budget, int) and not isinstance(budget, bool):
        size, name, unit = budget, "the budget", "coalitions"
    else:
        raise InvalidRequestError.of(
            "budget", "must be a whole number of coalitions, an ErrorTarget or a Deadline, or left out"
        )
    if not (np.isfinite(size) and size > 0):
        raise InvalidRequestError.of("budget", f"{name} must be positive and finite ({unit}), got {size}")


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise InvalidRequestError.of("seed", "must be a whole number of at most 64 bits")


def _budget_in_words(budget: Budget | None) -> str:
    if isinstance(budget, ErrorTarget):
        return f"until the largest standard error is {budget.standard_error:g}"
    if isinstance(budget, Deadline):
        return f"{budget.seconds:g} seconds"
    return "the method's default" if budget is None else f"{budget} coalitions"
