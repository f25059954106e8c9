"""The truth that accuracy is measured against, made without xaisvc, with its own error stated."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.performance.cases import folder_of
from benchmarks.performance.peers import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.performance.subject import Subject

MOST_ENUMERATED = 14
N_COALITIONS = 240_000
BLOCK = 64
"""Coalitions scored at once; with 20 background rows a batch stays in the processor's second-level cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Shapley values to compare with.

    Attributes:
        values: For the first rows of the case; float64, (n, d).
        nmse: Its own normalised squared error; 0 where it is exact.
        how: How it was made, a few words.
    """

    values: NDArray[np.float64]
    nmse: float
    how: str


def truth_path(subject: Subject) -> Path:
    """Where the truth of a subject is kept."""
    return folder_of(subject.case, subject.work) / f"truth-b{subject.b}.npz"


def load_truth(subject: Subject) -> Truth | None:
    """The truth, if it was made."""
    path = truth_path(subject)
    if not path.exists():
        return None
    with np.load(path) as kept:
        return Truth(values=kept["values"], nmse=float(kept["nmse"]), how=str(kept["how"]))


def make_truth(subject: Subject, n_rows: int, n_coalitions: int = N_COALITIONS) -> Truth:
    """Makes and keeps the truth, if it is not there: by shap's trees, enumeration, or a very large regression."""
    kept = load_truth(subject)
    if kept is not None and len(kept.values) >= n_rows:
        return kept
    rows = subject.data.rows[:n_rows]
    if subject.case.family == "trees":
        values = TOOLS["shap-tree"].open(subject)(rows, 0, 0).values
        truth = Truth(values=values, nmse=0.0, how="shap TreeExplainer, interventional")
    elif rows.shape[1] <= MOST_ENUMERATED:
        values = np.stack([enumerate_values(value_function(subject, row), len(row)) for row in rows])
        truth = Truth(values=values, nmse=0.0, how="enumeration of all coalitions")
    else:
        truth = regress(subject, rows, n_coalitions)
    path = truth_path(subject)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, values=truth.values, nmse=truth.nmse, how=truth.how)
    temporary.replace(path)
    return truth


def value_function(subject: Subject, row: NDArray[np.float32]) -> Callable[[NDArray[np.bool_]], NDArray[np.float64]]:
    """v(S) of one row: the mean over the background with the features of S taken from the row."""
    model, background = subject.black_box(), subject.background

    def value(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = [
            model(np.where(block[:, None, :], row, background).reshape(-1, len(row)))
            .reshape(len(block), -1)
            .mean(axis=1)
            for block in np.array_split(masks, max(1, len(masks) // BLOCK))
        ]
        return np.concatenate(found)

    return value


def enumerate_values(value: Callable[[NDArray[np.bool_]], NDArray[np.float64]], d: int) -> NDArray[np.float64]:
    """Shapley values by their definition: the weighted mean of v(S with i) - v(S) over all S without i; (d,)."""
    index = np.arange(2**d)
    masks = (index[:, None] >> np.arange(d)) & 1 == 1
    values = value(masks)
    size = masks.sum(axis=1)
    weight = np.array([1.0 / (d * comb(d - 1, s)) for s in range(d)])
    found = np.empty(d)
    for i in range(d):
        without = index[~masks[:, i]]
        found[i] = (weight[size[without]] * (values[without | (1 << i)] - values[without])).sum()
    return found


def regress(subject: Subject, rows: NDArray[np.float32], n_coalitions: int) -> Truth:
    """Constrained least squares on very many paired coalitions, drawn as the Shapley kernel weights them.

    Two halves give two estimates; their mean is the truth, and a quarter of their squared distance its error.
    """
    d = rows.shape[1]
    model, background = subject.black_box(), subject.background
    rng = np.random.default_rng(2024)
    sizes = np.arange(1, d)
    odds = 1.0 / (sizes * (d - sizes))
    none = float(model(background).mean())
    total = model(rows) - none
    halves = []
    for _ in range(2):
        gram = np.zeros((d, d))
        moment = np.zeros((d, len(rows)))
        for _ in range(n_coalitions // (4 * BLOCK)):
            size = rng.choice(sizes, BLOCK, p=odds / odds.sum())
            masks = rng.random((BLOCK, d)).argsort(axis=1).argsort(axis=1) < size[:, None]
            masks = np.concatenate([masks, ~masks])
            z = masks.astype(np.float64)
            gram += z.T @ z
            for i, row in enumerate(rows):
                mixed = np.where(masks[:, None, :], row, background).reshape(-1, d)
                moment[:, i] += z.T @ (model(mixed).reshape(len(masks), -1).mean(axis=1) - none)
        halves.append(_constrained(gram, moment, total))
    values = (halves[0] + halves[1]) / 2
    nmse = float(((halves[0] - halves[1]) ** 2).mean() / 4 / (values**2).mean())
    return Truth(values=values, nmse=nmse, how=f"regression on {n_coalitions:,} coalitions")


def _constrained(
    gram: NDArray[np.float64], moment: NDArray[np.float64], total: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least squares whose solutions sum to `total`; (n, d)."""
    free = np.linalg.solve(gram, moment)
    step = np.linalg.solve(gram, np.ones(len(gram)))
    solved: NDArray[np.float64] = (free + np.outer(step, (total - free.sum(axis=0)) / step.sum())).T
    return solved
