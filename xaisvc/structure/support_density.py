"""A log density of mixed columns: a Gaussian copula, corrected where pairs or linear equations say more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.structure.copula import (
    CELLS,
    Places,
    Shrinkage,
    cells_of,
    choose_shrinkage,
    fit_margins,
    precision_of,
    scores_of,
)
from xaisvc.structure.support_equations import Chosen, find_equations, fit_equations
from xaisvc.structure.support_pairs import Cells, find_pairs, pair_table
from xaisvc.structure.support_student import (
    Block,
    correlation_precision,
    find_blocks,
    student_grid,
    student_scores,
    student_surprise,
)
from xaisvc.types.support import Density, Margins, Student

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 1e4
"""Largest square of what an equation leaves, in its standard deviations: beyond it more says no more."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a density of a table consists of, chosen once and then fitted to any part of the rows.

    Attributes:
        equations: Features with an equation.
        pairs: Pairs with a table of their own; intp, (e, 2).
        widths: Width of the kernel of each; float64, (e,).
        blocks: Sets of features under a Student copula.
        shrinkage: How far covariances of normal scores are shrunk.
    """

    equations: Chosen
    pairs: NDArray[np.intp]
    widths: NDArray[np.float64]
    blocks: tuple[Block, ...]
    shrinkage: Shrinkage


def choose_form(places: Places) -> Form:
    """What the density of a table consists of.

    Args:
        places: n rows of p features.
    """
    margins = fit_margins(places)
    scores = scores_of(margins, places.values)
    shrinkage = choose_shrinkage(scores)
    equations = find_equations(places.values, scores, ~places.categories, shrinkage)
    barred = np.zeros(scores.shape[1], dtype=bool)
    barred[[j for j, _ in equations.features]] = True
    blocks = find_blocks(scores, margins.reach, ~barred & ~margins.discrete)
    for block in blocks:
        barred[block.members] = True
    pairs, widths = find_pairs(_cells(margins, places.values, scores), barred)
    return Form(equations, pairs, widths, blocks, shrinkage)


def fit_density(places: Places, form: Form, *, limit: float = np.inf, bulk: float = np.inf) -> tuple[Margins, Density]:
    """The margins and the density of some rows.

    Args:
        places: n rows of p features.
        form: What the density consists of.
        limit: See `Density`.
        bulk: See `Density`.
    """
    margins = fit_margins(places)
    scores = scores_of(margins, places.values)
    cells = _cells(margins, places.values, scores)
    equations = fit_equations(places.values, ~places.categories, form.equations)
    use = np.ones(scores.shape[1], dtype=bool)
    use[equations.targets] = False
    blocks = []
    for block in form.blocks:
        use[block.members] = False
        precision, _ = correlation_precision(scores[:, block.members], block.shrinkage)
        grid = student_grid(block.freedom, margins.reach)
        blocks.append(Student(members=block.members, freedom=block.freedom, precision=precision, grid=grid))
    tables = []
    for pair, width in zip(form.pairs, form.widths.tolist(), strict=True):
        kept = float(form.shrinkage.mask(pair)[0, 1])
        tables.append(pair_table(cells, int(pair[0]), int(pair[1]), width, kept))
    size = CELLS + 1
    return margins, Density(
        precision=_precision(scores, use, form.shrinkage),
        targets=equations.targets,
        logs=equations.logs,
        weights=equations.weights,
        offsets=equations.offsets,
        spreads=equations.spreads,
        centres=equations.centres,
        blocks=tuple(blocks),
        pairs=form.pairs,
        tables=np.array(tables).reshape(-1, size, size),
        limit=limit,
        bulk=bulk,
    )


def _precision(scores: NDArray[np.float64], use: NDArray[np.bool_], shrinkage: Shrinkage) -> NDArray[np.float64]:
    """As `precision_of`, with the Gaussian's margins put in place of those of normal scores.

    Scores of flags, of features with few values and of those with missing ones have variances below 1. What a feature
    is by itself is no matter of this density, so 1 - 1 / v_j is added to the diagonal, and a feature without any
    covariance has no discord.
    """
    found = precision_of(scores, use, shrinkage)
    there = np.flatnonzero(np.diag(found))
    found[there, there] += 1.0 - 1.0 / (scores[:, there] ** 2).mean(axis=0)
    alone = there[(shrinkage.mask(there) > 0).sum(axis=1) == 1]
    found[alone, alone] = 1.0
    return found


def surprise(margins: Margins, density: Density, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the log density of rows, without a constant; see `Density`; float64, (n,).

    Args:
        margins: Each feature by itself.
        density: All together.
        values: Numbers and places of levels, NaN for missing; float64, (n, p).
    """
    scores = scores_of(margins, values)
    found = 0.5 * np.einsum("ij,ij->i", scores @ density.precision, scores)
    for k, logs in enumerate(density.logs.tolist()):
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = np.log(values) if logs else values
        known = np.where(np.isfinite(raw), raw, density.centres[k])
        left = (known @ density.weights[k] + density.offsets[k]) / density.spreads[k]
        there = np.isfinite(raw[:, density.targets[k]])
        found += np.where(there, 0.5 * np.minimum(left**2, MOST), 0.0)
    for block in density.blocks:
        own = scores[:, block.members]
        student = student_scores(own, block.grid, margins.reach)
        found += student_surprise(own, student, block.precision, block.freedom)
    if len(density.pairs):
        cells = cells_of(margins, values, scores)
        for (a, b), table in zip(density.pairs, density.tables, strict=True):
            found += table[cells[:, a], cells[:, b]]
    return np.asarray(found)


def discord(margins: Margins, density: Density, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Surprise of rows less that of their features by themselves, sum_j z_j^2 / 2; float64, (n,).

    Args:
        margins: Each feature by itself.
        density: All together.
        values: Numbers and places of levels, NaN for missing; float64, (n, p).
    """
    alone = 0.5 * (scores_of(margins, values) ** 2).sum(axis=1)
    return np.asarray(surprise(margins, density, values) - alone)


def _cells(margins: Margins, values: NDArray[np.float64], scores: NDArray[np.float64]) -> Cells:
    return Cells(cells_of(margins, values, scores), scores, ~margins.discrete, margins.reach)
