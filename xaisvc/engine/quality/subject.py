"""What a quality report is about: one output of one model on one background, ready to be asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from xaisvc.engine.calls import Calls
from xaisvc.engine.choices import Choices
from xaisvc.engine.chunks import DEFAULT_MEMORY_LIMIT_BYTES
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.surroundings import Surroundings
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import AdditiveModel, LinearTerm, Players, Problem, Table, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.types import ColumnFunction, Device


FEW: Final = 16
"""Background rows of a changed problem: what it is to show does not hang on their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model to explain.

    Attributes:
        problem: The explained number of one output, the background and the players.
        output: Id of the output.
        digest: Of the model, for seeds.
        threads: Threads that methods may use.
        players: Who shares the credit, as a call names it.
        calls: Carries out calls as the service does; None for a problem that is no bundle's own.
        clock: Monotonic clock in seconds.
    """

    problem: Problem
    output: str
    digest: str
    threads: int
    players: str | Mapping[str, Sequence[str]] = "features"
    calls: Calls | None = None
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """Columns of each player."""
        places = {name: place for place, name in enumerate(self.problem.background.feature_ids)}
        return tuple(tuple(places[feature] for feature in owned) for owned in self.problem.players.members)


def open_subject(  # noqa: PLR0913 - what is explained, and with what
    bundle: Bundle,
    output: str | None,
    *,
    threads: int,
    device: Device,
    clock: Callable[[], float],
    players: str | Mapping[str, Sequence[str]] = "features",
) -> Subject:
    """Loads a bundle.

    Args:
        bundle: The bundle.
        output: Id of the output; the bundle's first by default.
        threads: Threads that methods may use.
        device: Where to run the model.
        clock: Monotonic clock in seconds.
        players: Who shares the credit: `features`, `concepts`, `clusters`, or names to features.

    Raises:
        NotFoundError: If there is no such output.
        InvalidRequestError: If there are no such players.
        BundleError: If the model cannot be loaded.
    """
    loaded = LoadedBundle(bundle, OrtRuntime(), device, threads=threads)
    calls = Calls(loaded, Surroundings(), threads=threads, memory_limit_bytes=DEFAULT_MEMORY_LIMIT_BYTES, watch=False)
    target, problem, _ = calls.prepare(output, Choices(method="auto", players=players, budget=None, seed=0, space=None))
    if players != "features":  # clusters are found in the background: halves of it must not find others
        players = dict(zip(problem.players.names, problem.players.members, strict=True))
    return Subject(
        problem=problem,
        output=target.id,
        digest=bundle.digests.model,
        threads=threads,
        players=players,
        calls=calls,
        clock=clock,
    )


def with_other_model(bundle: Bundle, model: bytes) -> Bundle:
    """The bundle with another model, for measuring only: nothing on disk changes."""
    import hashlib  # noqa: PLC0415 - needed here only

    digests = replace(bundle.digests, model=hashlib.sha256(model).hexdigest())
    return replace(bundle, model=model, digests=digests)


def with_background(bundle: Bundle, places: NDArray[np.intp]) -> Bundle:
    """The bundle with some rows of its background, for measuring only."""
    import hashlib  # noqa: PLC0415 - needed here only

    background = bundle.background.take(places)
    digest = hashlib.sha256(b"".join(background.row_digests())).hexdigest()
    protected = {name: values[places] for name, values in bundle.protected.items()}
    return replace(
        bundle, background=background, digests=replace(bundle.digests, background=digest), protected=protected
    )


def with_noise(subject: Subject, rows: Table, n_columns: int, rng: np.random.Generator) -> tuple[Subject, Table]:
    """The problem and rows with columns appended that the model never sees.

    The columns hold values of the first numeric features in another order, so that they look like features; normal
    numbers where there are none.
    """
    background = subject.problem.background.take(slice(0, FEW))
    own = background.feature_ids
    numeric = [name for name in own if background.columns[name].dtype == np.float64]
    extra_background, extra_rows = {}, {}
    for number in range(n_columns):
        source = background.columns[numeric[number % len(numeric)]] if numeric else rng.normal(size=len(background))
        extra_background[f"noise {number + 1}"] = rng.permutation(source)
        extra_rows[f"noise {number + 1}"] = rng.choice(source, len(rows))
    problem = subject.problem

    def drop(table: Table) -> Table:
        return Table({name: table.columns[name] for name in own})

    changed = _rebuilt(
        problem,
        drop,
        Table({**background.columns, **extra_background}),
        tuple(extra_background),
        _narrowed(problem.additive, drop),
    )
    return replace(subject, problem=changed, calls=None), Table({**rows.columns, **extra_rows})


def with_copy(subject: Subject, rows: Table, original: str) -> tuple[Subject, Table]:
    """The problem and rows with a numeric column split into two of equal values that enter the model as their mean."""
    background = subject.problem.background.take(slice(0, FEW))
    own = background.feature_ids
    name = f"copy of {original}"

    def merge(table: Table) -> Table:
        columns = {feature: table.columns[feature] for feature in own}
        one, other = cast("NDArray[np.float64]", columns[original]), cast("NDArray[np.float64]", table.columns[name])
        columns[original] = 0.5 * one + 0.5 * other
        return Table(columns)

    def copied(table: Table) -> Table:
        return Table({**table.columns, name: table.columns[original].copy()})

    changed = _rebuilt(subject.problem, merge, copied(background), (name,), None)
    return replace(subject, problem=changed, calls=None), copied(rows)


def _rebuilt(
    problem: Problem,
    narrow: Callable[[Table], Table],
    background: Table,
    added: tuple[str, ...],
    additive: AdditiveModel | None,
) -> Problem:
    players = Players(
        names=(*problem.players.names, *added),
        members=(*problem.players.members, *((name,) for name in added)),
        kind="custom",
    )
    model = problem.model
    return Problem(
        model=lambda rows: model(narrow(rows)),
        background=background,
        players=players,
        space=problem.space,
        additive=additive,
        additive_reason="" if additive is not None else "columns were appended to the problem",
    )


def _narrowed(model: AdditiveModel | None, narrow: Callable[[Table], Table]) -> AdditiveModel | None:
    """A sum that reads rows with more columns than it knows."""
    if model is None:
        return None

    def of(columns: ColumnFunction) -> ColumnFunction:
        return lambda rows: columns(narrow(rows))

    terms: list[LinearTerm | TreeTerm] = [replace(term, columns=of(term.columns)) for term in model.terms]
    return replace(model, terms=tuple(terms))
