"""From an ONNX file to the caveats of an explanation: what a user of `xaisvc.Explainer` is told, beside the truth.

Every model is trained, written as ONNX, put into a bundle with its background, and explained. Features that a model is
to ignore were constant when it was trained, so that no split, weight or unit leads to them. In independent worlds
nothing may be said; in dependent ones both value functions are enumerated (see `gap_cases`).
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from benchmarks.caveats import DEFAULT, Figure, share
from benchmarks.caveats.complaint_cases import CORRELATIONS, pair_world
from benchmarks.caveats.gap_cases import ROWS, Game, copula_world, factor_world
from benchmarks.caveats.gap_scores import ABSENT, MATERIAL, PRESENT, TRUTH_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.caveats.gap_worlds import World
    from xaisvc import Explainer, ExplanationBatch
    from xaisvc.caveats.thresholds import CaveatThresholds
    from xaisvc.types import Caveat

    Floats = NDArray[np.float64]

KINDS = ("linear", "boosting", "network")
TRAIN_ROWS = 1500
FRESH = 200
"""Rows that are explained in an independent world."""

WIDTH = 8
CALLS = 20
"""Calls of one row that are timed."""

SHARING = frozenset({"shared_credit", "value_function_disagreement", "hidden_proxy_use"})
"""Caveats that say that credit is divided otherwise."""

CACHE = "XAISVC_CACHE_DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model of numbers.

    Attributes:
        predict: float64, (n, p) to (n,).
        onnx: The same model as an ONNX file.
    """

    predict: Callable[[Floats], Floats]
    onnx: bytes


def _normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.standard_normal((n, WIDTH))


def _heavy(rng: np.random.Generator, n: int) -> Floats:
    return np.column_stack([rng.standard_t(3, n) if j % 2 else np.exp(rng.standard_normal(n)) for j in range(WIDTH)])


def _mixed(rng: np.random.Generator, n: int) -> Floats:
    """Amounts, counts, flags and normal numbers."""
    made = (
        lambda: np.exp(rng.standard_normal(n)),
        lambda: rng.poisson(2.0, n).astype(np.float64),
        lambda: (rng.random(n) < 0.3).astype(np.float64),  # noqa: PLR2004 - share of ones
        lambda: rng.standard_normal(n),
    )
    return np.column_stack([made[j % 4]() for j in range(WIDTH)])


INDEPENDENT: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": _normal,
    "heavy tails": _heavy,
    "mixed": _mixed,
}
INDEPENDENT_PARTS = tuple(f"{world}, {kind}" for world in INDEPENDENT for kind in KINDS)

DEPENDENT: Mapping[str, Callable[[np.random.Generator], World]] = {
    **{f"complaint {rho}": pair_world(rho) for rho in CORRELATIONS},
    "copula and curve": copula_world,
    "factor": factor_world,
}
DEPENDENT_PARTS = tuple(f"{world}, {kind}" for world in DEPENDENT for kind in KINDS)
COST_PARTS = tuple(f"{p}, {kind}" for p in (10, 30) for kind in KINDS)


def fit(kind: str, x: Floats, ignored: Sequence[int], rng: np.random.Generator) -> Fitted:
    """A model that is trained on a random target of the features that it may see.

    Args:
        kind: One of `KINDS`.
        x: Rows to train on; float64, (n, p).
        ignored: Places of the features that it ignores.
        rng: Draws the target.
    """
    from skl2onnx import convert_sklearn  # noqa: PLC0415 - heavy: loaded when used
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.linear_model import Ridge  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415 - heavy: loaded when used

    p = x.shape[1]
    used = [j for j in range(p) if j not in ignored]
    spread = np.maximum(x.std(axis=0), 1e-9)
    z = (x - x.mean(axis=0)) / spread
    target = z[:, used] @ (rng.choice([-1.0, 1.0], len(used)) * rng.uniform(0.4, 1.5, len(used)))
    if kind != "linear":
        target = target + np.tanh(z[:, used[0]] * z[:, used[1]])
    target = target + 0.2 * rng.standard_normal(len(x))
    seen = x.copy()
    seen[:, list(ignored)] = 0.0
    seed = int(rng.integers(2**31))
    model = {
        "linear": lambda: Ridge(1e-3),
        "boosting": lambda: GradientBoostingRegressor(n_estimators=80, max_depth=3, subsample=0.7, random_state=seed),
        "network": lambda: MLPRegressor(
            hidden_layer_sizes=(16,), max_iter=150, random_state=seed, learning_rate_init=0.01
        ),
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that has not converged is a model too
        # Boosting sees values as they are; the others are trained on scaled ones and their weights are scaled back.
        model.fit(seen if kind == "boosting" else seen / spread, target)
    if kind == "linear":
        model.coef_ = model.coef_ / spread
    if kind == "network":
        model.coefs_[0] = model.coefs_[0] / spread[:, None]
        model.coefs_[0][list(ignored)] = 0.0
    graph = convert_sklearn(model, initial_types=[("x", FloatTensorType([None, p]))])
    return Fitted(
        predict=lambda rows: np.asarray(model.predict(rows.astype(np.float32)), dtype=np.float64).ravel(),
        onnx=graph.SerializeToString(),
    )


@contextmanager
def explaining(model: Fitted, background: Floats) -> Iterator[Explainer]:
    """An explainer of a bundle made of a model and its background, and nothing of it left behind."""
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    import xaisvc  # noqa: PLC0415 - heavy: loaded when used

    before = os.environ.get(CACHE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE] = str(Path(folder) / "cache")
        try:
            file = Path(folder) / "model.onnx"
            file.write_bytes(model.onnx)
            frame = pd.DataFrame(background, columns=[f"c{j}" for j in range(background.shape[1])])
            bundle = xaisvc.create_bundle(model=file, background=frame, path=Path(folder) / "bundle")
            yield xaisvc.Explainer(bundle, device="cpu", threads=1)
        finally:
            if before is None:
                del os.environ[CACHE]
            else:
                os.environ[CACHE] = before


def spoken(
    explainer: Explainer, batch: ExplanationBatch, thresholds: CaveatThresholds, name: str
) -> list[tuple[Caveat, ...]]:
    """The caveats of each row under some thresholds; those of the service itself under the default ones."""
    if name == DEFAULT:
        return list(batch.caveats)
    from xaisvc.caveats import find_caveats  # noqa: PLC0415 - heavy: loaded when used

    bundle = explainer._loaded  # noqa: SLF001 - nobody but this suite looks at a batch under other thresholds
    context = bundle.studies.context(
        batch.rows,
        explainer.bundle.description.outputs[0],
        batch.space,
        batch.players,
        batch.attribution,
        batch.predictions,
        datetime.now(UTC).date(),
    )
    return list(find_caveats(lambda: replace(context, thresholds=thresholds), len(batch)))


def score_independent(part: str, seed: int, n: int, settings: Mapping[str, CaveatThresholds]) -> list[Figure]:
    """What is said of fresh rows of a world in which nothing goes together.

    Args:
        part: World and kind of model.
        seed: Which model.
        n: Background rows.
        settings: Thresholds, by their name.
    """
    from xaisvc.caveats import CAVEATS  # noqa: PLC0415 - heavy: loaded when used

    world, kind = part.rsplit(", ", 1)
    rng = np.random.default_rng([crc32(part.encode()), seed])
    draw = INDEPENDENT[world]
    model = fit(kind, draw(rng, TRAIN_ROWS), (2, 5), rng)
    figures = []
    with explaining(model, draw(rng, n)) as explainer:
        batch = explainer.explain(draw(rng, FRESH))
        for name, thresholds in settings.items():
            every = spoken(explainer, batch, thresholds, name)
            count = len(every)
            serious = sum(any(caveat.severity != "info" for caveat in row) for row in every)
            figures += [
                share("any caveat at all, per explanation", sum(map(bool, every)), count, 0.01, "most", name),
                share("a caveat that asks for care, per explanation", serious, count, setting=name),
                *(
                    share(
                        f"{rule.kind}, per explanation", sum(_has(row, rule.kind) for row in every), count, setting=name
                    )
                    for rule in CAVEATS
                ),
                *_rows_figures(every, name),
            ]
    return figures


def score_dependent(part: str, seed: int, n: int, settings: Mapping[str, CaveatThresholds]) -> list[Figure]:
    """What is said of rows whose truth is known under both value functions.

    Args:
        part: World and kind of model.
        seed: Which model.
        n: Background rows.
        settings: Thresholds, by their name.
    """
    game, model = dependent_game(part, seed, n)
    marginal, conditional = game.truth
    figures = []
    with explaining(model, game.background) as explainer:
        batch = explainer.explain(game.rows)
        for name, thresholds in settings.items():
            every = spoken(explainer, batch, thresholds, name)
            figures += [*dependent_figures(every, marginal, conditional, game.used, name), *_rows_figures(every, name)]
    return figures


def dependent_game(part: str, seed: int, n: int) -> tuple[Game, Fitted]:
    """The game of a part and a seed, and its model."""
    world_name, kind = part.rsplit(", ", 1)
    rng = np.random.default_rng([crc32(part.encode()), seed])
    world = DEPENDENT[world_name](rng)
    p = world.width
    ignored = (1,) if world_name.startswith("complaint") else tuple(rng.permutation(p)[:2].tolist())
    model = fit(kind, world.sample(rng.random((TRAIN_ROWS, p))), ignored, rng)
    rows = world.sample(rng.random((n + ROWS, p)))
    game = Game(
        world=world,
        used=~np.isin(np.arange(p), ignored),
        score=model.predict,
        background=rows[:n],
        rows=rows[n:],
        seed=int(rng.integers(2**31)),
    )
    return game, model


def dependent_figures(
    every: Sequence[Sequence[Caveat]],
    marginal: Floats,
    conditional: Floats,
    used: NDArray[np.bool_],
    setting: str,
) -> list[Figure]:
    """Counts what caveats of n rows say of p players beside both true values.

    Args:
        every: The caveats of each row; players are named c0, c1 and so on.
        marginal: True interventional values; float64, (n, p).
        conditional: True conditional values; float64, (n, p).
        used: Players that the model uses; bool, (p,).
        setting: Name of the thresholds.
    """
    total = np.abs(marginal).sum(axis=1, keepdims=True)
    gap, credit = np.abs(conditional - marginal) / total, np.abs(conditional) / total
    smaller = np.minimum(np.abs(marginal), np.abs(conditional)) / total
    flips = (marginal * conditional < 0) & (smaller > MATERIAL)
    sharing = _named(every, SHARING, marginal.shape)
    unused = _named(every, {"attributed_but_unused"}, marginal.shape)
    sign = _named(every, {"value_function_disagreement"}, marginal.shape)
    quiet = (gap < ABSENT).all(axis=1)
    ignored = np.broadcast_to(~used, gap.shape)
    # Several caveats of a row may give the same number; it counts once.
    robust = {
        (i, one.robust.players): one.robust for i, row in enumerate(every) for one in row if one.robust is not None
    }
    inside, half = 0, 0.0
    for (i, _), one in robust.items():
        places, reach = [int(name[1:]) for name in one.players], TRUTH_ERROR * float(total[i, 0])
        sums = float(marginal[i, places].sum()), float(conditional[i, places].sum())
        inside += one.low - reach <= min(sums) and max(sums) <= one.high + reach
        half += (one.high - one.low) / 2 / float(total[i, 0])
    return [
        _where("shared credit is spoken of where the values differ", sharing, gap > PRESENT, 0.98, setting, least=True),
        share("shared credit is spoken of where no value differs, per row", float(sharing.any(1)[quiet].sum()),
              int(quiet.sum()), 0.01, "most", setting),
        _where("a change of sign is spoken of", sign, flips, 0.97, setting, least=True),
        _where("unused feature with conditional credit named", unused, ignored & (credit > PRESENT), 0.995, setting,
               least=True),
        _where("unused feature without conditional credit named", unused, ignored & (credit < ABSENT), 0.01, setting),
        _where("used feature called unused", unused, np.broadcast_to(used, gap.shape), 0.0, setting),
        share("robust number's interval holds both truths", inside, len(robust), 0.97, setting=setting),
        Figure("half-width of the robust number's interval, share of T", half / max(len(robust), 1), len(robust), 0.05,
               "most", "mean", setting),
    ]  # fmt: skip


def score_cost(part: str, seed: int, n: int) -> list[Figure]:
    """Processor time of caveats over that of the explanations that they are about; studies are made before.

    Args:
        part: Number of features and kind of model.
        seed: Which model.
        n: Background rows.
    """
    width, kind = part.split(", ")
    p = int(width)
    rng = np.random.default_rng([crc32(part.encode()), seed])
    mix = np.linalg.cholesky(0.5 * np.eye(p) + 0.5)  # every two features have correlation 0.5
    model = fit(kind, rng.standard_normal((TRAIN_ROWS, p)) @ mix.T, (1,), rng)
    target = {"network": 0.10, "boosting": 1.0}.get(kind)
    figures = []
    with explaining(model, rng.standard_normal((n, p)) @ mix.T) as explainer:
        begin = time.process_time()
        list(explainer.explain(rng.standard_normal((2, p)) @ mix.T).caveats)
        studies_s = time.process_time() - begin
        for rows, calls in ((1, CALLS), (100, 2)):
            spent = np.zeros(2)
            for _ in range(calls):
                fresh = rng.standard_normal((rows, p)) @ mix.T
                begin = time.process_time()
                batch = explainer.explain(fresh)
                middle = time.process_time()
                list(batch.caveats)
                spent += (middle - begin, time.process_time() - middle)
            name = f"caveats over explanation, {kind}, {p} features, {_rows(rows)} a call"
            figures.append(Figure(name, float(spent[1] / spent[0]), calls, target, "most", "mean"))
            figures.append(
                Figure(f"{name}: ms for a row's caveats", 1000 * spent[1] / rows / calls, calls, kind="mean")
            )
    return [*figures, Figure(f"studies of a bundle, {kind}, {p} features: s", studies_s, 1, kind="mean")]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _has(row: Sequence[Caveat], kind: str) -> bool:
    return any(caveat.kind == kind for caveat in row)


def _rows_figures(every: Sequence[Sequence[Caveat]], setting: str) -> list[Figure]:
    rows = [sum(caveat.model_rows for caveat in row) for row in every]
    return [
        share("explanations whose caveats scored model rows", sum(map(bool, rows)), len(rows), 0.05, "most", setting),
        Figure("extra model rows per explanation", float(np.mean(rows)), len(rows), kind="mean", setting=setting),
    ]


def _named(every: Sequence[Sequence[Caveat]], kinds: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:  # noqa: ANN401 - any set
    """Which players any caveat of these kinds names; bool, (n, p)."""
    found = np.zeros(shape, dtype=np.bool_)
    for i, row in enumerate(every):
        for caveat in row:
            if caveat.kind in kinds:
                found[i, [int(name[1:]) for name in caveat.players]] = True
    return found


def _where(  # noqa: PLR0913 - what a share is made of
    name: str, said: NDArray[np.bool_], where: NDArray[np.bool_], target: float, setting: str, *, least: bool = False
) -> Figure:
    return share(name, float(said[where].sum()), int(where.sum()), target, "least" if least else "most", setting)
