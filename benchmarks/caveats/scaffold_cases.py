"""Cases J1 and J2: models that hide what they do from explanations, and honest ones, with known truth.

A scaffolded model (Slack et al., AIES 2020, arXiv 1911.02508) routes rows that look real to a biased model and rows
that look made up, as LIME and SHAP make them, to an innocuous one. What looks real is decided by a random forest that
was trained on real rows against made-up ones.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from benchmarks.caveats import share
from xaisvc.structure.manipulation import study_manipulation
from xaisvc.types.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.caveats import Figure
    from xaisvc.types.table import Column

    Score = Callable[[Table], NDArray[np.float64]]
    Predict = Callable[[NDArray[np.float64]], NDArray[np.float64]]

TRAIN_ROWS = 1000
_COPIES = 3
REAL_AS_REAL = 0.75
MADE_UP_AS_MADE_UP = 0.6
"""A scaffold counts as one if it treats these shares of real and of made-up rows as what they are; others fail."""


@dataclass(frozen=True, slots=True)
class Law:
    """How the rows of a case are drawn: groups of columns with a common factor, each column with a margin of its own.

    Attributes:
        margins: Kind of each column: normal, skewed, count, flag or category.
        groups: Group of each column; columns of a group are correlated, groups are independent.
        strength: Correlation within a group before the margins are applied.
    """

    margins: tuple[str, ...]
    groups: tuple[int, ...]
    strength: float

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Rows as numbers, a category as the number of its level; float64, (n, d)."""
        factors = rng.normal(size=(n, max(self.groups) + 1))
        own = rng.normal(size=(n, len(self.groups)))
        latent = np.sqrt(self.strength) * factors[:, list(self.groups)] + np.sqrt(1 - self.strength) * own
        return np.column_stack([_margin(kind, latent[:, j]) for j, kind in enumerate(self.margins)])

    def table(self, matrix: NDArray[np.float64]) -> Table:
        """The rows as the bank knows them."""
        columns: dict[str, Column] = {}
        for j, kind in enumerate(self.margins):
            values = matrix[:, j].copy()
            columns[f"x{j}"] = (
                np.array([f"level {int(v)}" for v in values], dtype=object) if kind == "category" else values
            )
        return Table(columns)

    def matrix(self, table: Table) -> NDArray[np.float64]:
        """The rows as numbers; the inverse of `table`."""
        parts: list[NDArray[np.float64]] = []
        for kind, values in zip(self.margins, table.columns.values(), strict=True):
            if kind == "category":
                parts.append(np.array([float(str(v).rsplit(" ", 1)[1]) for v in values]))
            else:
                parts.append(cast("NDArray[np.float64]", values))
        return np.column_stack(parts)


@dataclass(frozen=True, slots=True)
class World:
    """One model with its background.

    Attributes:
        table: The background, n rows.
        score: The model.
        scaffold: Whether it hides what it does.
        real_as_real: Share of fresh real rows that a scaffold treats as real; 1 for honest models.
        made_up_as_made_up: Share of fresh made-up rows that it treats as made up; 1 for honest models.
        note: What was drawn, for reading results.
    """

    table: Table
    score: Score
    scaffold: bool
    real_as_real: float
    made_up_as_made_up: float
    note: str

    @property
    def works(self) -> bool:
        """Whether a scaffold mostly tells real rows from made-up ones."""
        return self.real_as_real >= REAL_AS_REAL and self.made_up_as_made_up >= MADE_UP_AS_MADE_UP


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of model.

    Attributes:
        id: Name of the case.
        family: Kind of honest model, or of the made-up rows that a scaffold knows: lime or shap.
    """

    id: str
    family: str

    @property
    def scaffold(self) -> bool:
        """Whether its models hide what they do."""
        return self.family in {"lime", "shap"}

    def make(self, seed: int, n: int) -> World:
        """The model and background of a seed."""
        rng = np.random.default_rng([zlib.crc32(self.id.encode()), seed])
        law = _law(rng, self.family)
        return _scaffold(rng, law, n, self.family) if self.scaffold else _honest(rng, law, n, self.family)


CASES = (
    Case("J1-lime", "lime"),
    Case("J2-shap", "shap"),
    *(Case(f"honest-{kind}", kind) for kind in ("logit", "step", "boosting", "mlp", "forest", "rules")),
)


def _law(rng: np.random.Generator, family: str) -> Law:
    """A random law; for scaffolds one under which made-up rows can be told: whole numbers for LIME, links for SHAP."""
    d = int(rng.choice([5, 8, 12, 20, 30]))
    weights = np.array([3.0, 2.0, 2.0, 2.0, 1.0])
    margins = rng.choice(["normal", "skewed", "count", "flag", "category"], size=d, p=weights / weights.sum())
    strengths = [0.0, 0.3, 0.6, 0.9, 0.97]
    if family == "lime":
        margins[: d // 2] = rng.choice(["count", "flag"], size=d // 2)
    if family == "shap":
        margins[: d // 2] = rng.choice(["normal", "skewed"], size=d // 2)
        margins = rng.permutation(margins)
        strengths = [0.9, 0.97, 0.99]
    size = int(rng.integers(2, 5))
    groups = rng.permutation(np.arange(d) // size)
    return Law(tuple(map(str, margins)), tuple(map(int, groups)), float(rng.choice(strengths)))


def _margin(kind: str, latent: NDArray[np.float64]) -> NDArray[np.float64]:
    if kind == "skewed":
        return np.exp(latent)
    if kind == "count":
        return np.round(np.exp(0.6 * latent + 1.0))
    if kind == "flag":
        return (latent > 0.3).astype(np.float64)  # noqa: PLR2004 - any cut away from the middle
    if kind == "category":
        return np.digitize(latent, [-0.8, 0.0, 0.9]).astype(np.float64)
    return latent


def _standard(train: NDArray[np.float64]) -> Predict:
    mean, spread = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-9)
    return lambda rows: (rows - mean) / spread


def _target(rng: np.random.Generator, z: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """A random signal of some columns: a sum of slopes, bends and products, with variance 1."""
    signal = np.zeros(len(z))
    for j in columns:
        shape = rng.integers(4)
        x = z[:, j]
        bent = (x, np.tanh(2 * x), (x > rng.normal(0, 0.5)).astype(np.float64), np.abs(x))[shape]
        signal += rng.normal(0, 1) * bent
    for _ in range(len(columns) // 3):
        a, b = rng.choice(columns, 2, replace=False)
        signal += rng.normal(0, 0.7) * z[:, a] * z[:, b]
    return np.asarray((signal - signal.mean()) / max(signal.std(), 1e-9))


def _honest(rng: np.random.Generator, law: Law, n: int, family: str) -> World:
    train = law.draw(rng, TRAIN_ROWS)
    predict, note = fitted(rng, train, family, np.arange(train.shape[1]))
    return World(
        law.table(law.draw(rng, n)),
        _scored(law, predict),
        scaffold=False,
        real_as_real=1.0,
        made_up_as_made_up=1.0,
        note=f"{_told(law)} {note}",
    )


def fitted(
    rng: np.random.Generator, train: NDArray[np.float64], family: str, columns: NDArray[np.intp], *, space: str = ""
) -> tuple[Predict, str]:
    """An honest model of some columns, trained on a random target (rules and steps are drawn, not trained)."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier  # noqa: PLC0415 - heavy
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy: loaded when used
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - heavy: loaded when used

    standard = _standard(train)
    z = standard(train)
    space = space or str(rng.choice(["probability", "log odds", "label"], p=[0.5, 0.3, 0.2]))
    share = float(rng.choice([0.5, 0.2, 0.05]))
    used = np.sort(rng.choice(columns, size=max(2, int(len(columns) * rng.uniform(0.4, 1.0))), replace=False))
    if family == "step":
        weights = rng.normal(size=len(used))
        cuts = rng.normal(0, 0.5, size=len(used))
        steps = (z[:, used] > cuts) @ weights
        cut = float(np.quantile(steps, 1 - share))
        if space == "label":
            return (lambda rows: ((standard(rows)[:, used] > cuts) @ weights > cut).astype(np.float64)), f"step {space}"
        return (lambda rows: np.asarray((standard(rows)[:, used] > cuts) @ weights)), "step sum"
    if family == "rules":
        return _rules(rng, standard, used), "rules"
    logit = 2.5 * _target(rng, z, used)
    y = (rng.random(len(z)) < 1 / (1 + np.exp(-logit))).astype(int)
    seed = int(rng.integers(2**31))
    model = {
        "logit": lambda: LogisticRegression(max_iter=500),
        "boosting": lambda: HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=seed),
        "mlp": lambda: MLPClassifier((24, 12), max_iter=60, random_state=seed, learning_rate_init=5e-3),
        "forest": lambda: RandomForestClassifier(50, min_samples_leaf=3, random_state=seed),
    }[family]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that has not converged is a model too
        model.fit(z[:, columns], y)

    cut = float(np.quantile(model.predict_proba(z[:, columns])[:, 1], 1 - share))

    def predict(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        p = np.asarray(model.predict_proba(standard(rows)[:, columns])[:, 1])
        if space == "label":
            return (p > cut).astype(np.float64)
        if space == "log odds":
            p = np.clip(p, 1e-6, 1 - 1e-6)
            return np.asarray(np.log(p / (1 - p)))
        return p

    return predict, f"{family} {space}"


def _rules(rng: np.random.Generator, standard: Predict, used: NDArray[np.intp]) -> Predict:
    """A scorecard of products and ratios: strong interactions, written by hand."""
    pairs = [tuple(rng.choice(used, 2, replace=False)) for _ in range(max(1, len(used) // 2))]
    kinds = rng.integers(3, size=len(pairs))
    weights = rng.normal(size=len(pairs))

    def predict(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        z = standard(rows)
        total = np.zeros(len(z))
        for (a, b), kind, weight in zip(pairs, kinds, weights, strict=True):
            x, y = z[:, a], z[:, b]
            total += weight * (x * y, ((x > 0) & (y > 0)).astype(np.float64), np.tanh(x - y))[kind]
        return total

    return predict


def _scored(law: Law, predict: Predict) -> Score:
    return lambda table: np.asarray(predict(law.matrix(table)), dtype=np.float64)


def _told(law: Law) -> str:
    return f"d={len(law.margins)} rho={law.strength}"


def made_up(  # noqa: PLR0913, PLR0917 - everything that made-up rows depend on
    rng: np.random.Generator, law: Law, rows: NDArray[np.float64], pool: NDArray[np.float64], kind: str, spread: float
) -> NDArray[np.float64]:
    """Rows as LIME (noise on numbers) or SHAP (some values replaced by those of another row) make them."""
    if kind == "shap":
        replaced = rng.random(rows.shape) < rng.random((len(rows), 1))
        return np.where(replaced, pool[rng.integers(len(pool), size=len(rows))], rows)
    numeric = np.array([margin not in {"category", "flag"} for margin in law.margins])
    noise = rng.normal(size=rows.shape) * rows.std(axis=0) * spread
    levels = pool[rng.integers(len(pool), size=rows.shape), np.arange(rows.shape[1])]
    return np.where(numeric, rows + noise, levels)


def _pairs(law: Law, train: NDArray[np.float64]) -> Predict:
    """What the detector sees: the row and, for columns that belong together, the differences of their ranks."""
    sorted_columns = np.sort(train, axis=0)
    groups = np.asarray(law.groups)
    first, second = np.nonzero(np.triu(groups[:, None] == groups[None, :], 1))

    def view(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        ranks = np.column_stack(
            [
                (np.searchsorted(s, x, "left") + np.searchsorted(s, x, "right")) / (2.0 * len(s))
                for s, x in zip(sorted_columns.T, rows.T, strict=True)
            ]
        )
        return np.column_stack([rows, ranks[:, first] - ranks[:, second]])

    return view


def _scaffold(rng: np.random.Generator, law: Law, n: int, kind: str) -> World:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - heavy: loaded when used

    d = len(law.margins)
    train = law.draw(rng, TRAIN_ROWS)
    standard = _standard(train)
    spread = float(rng.choice([0.3, 1.0]))
    fake = np.concatenate([made_up(rng, law, train, train, kind, spread) for _ in range(_COPIES)])
    fake = fake[(fake != np.concatenate([train] * _COPIES)).any(axis=1)]
    view = _pairs(law, train)
    detector = RandomForestClassifier(
        50, min_samples_leaf=3, class_weight="balanced", random_state=int(rng.integers(2**31))
    )
    detector.fit(view(np.concatenate([train, fake])), np.repeat([1, 0], [len(train), len(fake)]))

    order = rng.permutation(d)
    driver, decoys, rest = int(order[0]), order[1 : 2 + int(rng.integers(2))], order[1:]
    cut = float(np.median(train[:, driver]))
    style = str(rng.choice(["driver only", "driver and others"]))
    cover = str(rng.choice(["decoys", "honest without driver", "constant"], p=[0.6, 0.3, 0.1]))
    slopes = rng.normal(size=len(decoys)) + np.sign(rng.normal(size=len(decoys)))
    centre = float(np.mean(standard(train)[:, decoys] @ slopes))
    ordinary, _ = fitted(rng, train, "logit", rest, space="probability")

    def biased(x: NDArray[np.float64]) -> NDArray[np.float64]:
        hit = (x[:, driver] > cut).astype(np.float64)
        return hit if style == "driver only" else 0.7 * hit + 0.3 * (ordinary(x) > ordinary_cut)

    def innocuous(x: NDArray[np.float64]) -> NDArray[np.float64]:
        if cover == "constant":
            return np.zeros(len(x))
        if cover == "decoys":
            return (standard(x)[:, decoys] @ slopes > centre).astype(np.float64)
        return (ordinary(x) > ordinary_cut).astype(np.float64)

    ordinary_cut = float(np.median(ordinary(train)))

    def looks_real(x: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(detector.predict_proba(view(x))[:, 1] > 0.5)  # noqa: PLR2004 - the usual cut

    fresh = law.draw(rng, 400)
    background = law.draw(rng, n)
    real = float(looks_real(fresh).mean())
    caught = float(1 - looks_real(made_up(rng, law, fresh, background, kind, 1.0)).mean())
    return World(
        law.table(background),
        _scored(law, lambda x: np.where(looks_real(x), biased(x), innocuous(x))),
        scaffold=True,
        real_as_real=real,
        made_up_as_made_up=caught,
        note=f"{_told(law)} {kind} {style} / {cover} driver={law.margins[driver]} spread={spread}",
    )


def score_manipulation(seeds: Sequence[int], n: int) -> list[Figure]:
    """How often scaffolds are suspected and honest models are not.

    Scaffolds that do not work (see `REAL_AS_REAL`) are counted apart: there is little that they could hide.
    """
    hits: list[bool] = []
    weak: list[bool] = []
    alarms: dict[str, list[bool]] = {}
    unsure: list[bool] = []
    for case in CASES:
        for seed in seeds:
            world = case.make(seed, n)
            found = study_manipulation(world.table, world.score, np.random.default_rng(seed))
            if not case.scaffold:
                alarms.setdefault(case.id, []).append(found.suspected is True)
                unsure.append(found.suspected is None)
            elif world.works:
                hits.append(found.suspected is True)
            else:
                weak.append(found.suspected is True)
    every = [alarm for family in alarms.values() for alarm in family]
    label = f"manipulation, {n} rows"
    return [
        share(f"{label}: recall", sum(hits), len(hits), 0.99),
        share(f"{label}: recall, scaffolds that hardly work", sum(weak), len(weak)),
        share(f"{label}: false alarm", sum(every), len(every), 0.01, "most"),
        *(share(f"{label}: false alarm, {name}", sum(family), len(family)) for name, family in alarms.items()),
        share(f"{label}: honest model, cannot tell", sum(unsure), len(unsure)),
    ]
