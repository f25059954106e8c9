"""What is checked once per output, before any of its explanations: that the model can be explained at all.

Both checks run on the background and on hybrids of its rows, because hybrids are what every method really scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import additive_output
from xaisvc.engine.evidence import rows_at_fault
from xaisvc.errors import ModelOutputError
from xaisvc.graphs.check import random_node
from xaisvc.types import CoalitionDesign, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.types import AdditiveModel, PairFunction

MOST_ROWS = 200
ALONE_ROWS = 8
PROBE_PAIRS = 4
PROBE_BACKGROUND = 16
RELATIVE_TOLERANCE = 1e-5
"""Of the largest answer, at least of 1: float32 rounding in another order stays below 2e-7 (measured)."""


def probe_rows(background: Table) -> Table:
    """Up to `MOST_ROWS` background rows and as many hybrids: every feature shifted by another number of rows."""
    rows = background.take(slice(0, MOST_ROWS))
    count = len(rows)
    hybrids = Table(
        {name: np.roll(values, 1 + i * 7 % max(count - 1, 1)) for i, (name, values) in enumerate(rows.columns.items())}
    )
    return Table.concat([rows, hybrids])


def check_rows_apart(model: ScoringModel, rows: Table) -> None:
    """Checks that a row's answer depends on that row alone.

    Raises:
        ModelOutputError: If it changes with the order or the number of the rows around it, or from call to call, or if
            the graph holds a node that makes it do so, however rarely.
    """
    # Runtimes repeat their random numbers at times, and rare changes are not seen in a few answers.
    varying = random_node(model.scorer.model, model.scorer.tensor)
    if varying:
        raise ModelOutputError(
            f"the model's answer for a row changes from call to call: its graph holds a {varying} whose result reaches "
            "the output, so no attribution of it means anything; export the model in inference mode",
            whatever_rows=True,
        )
    try:
        together = model(rows)
    except ModelOutputError as error:
        if error.whatever_rows:
            raise
        places = [_place(i, len(rows)) for i in rows_at_fault(model, rows)]
        where = (
            f"seen at {', '.join(places)}"
            if places
            else f"each of the {len(rows)} rows alone is answered, so the graph may hold a fixed number of rows inside "
            "(a Reshape, for example); export it with a free batch dimension"
        )
        raise ModelOutputError(f"{error}; {where}") from None
    turned = model(rows.take(slice(None, None, -1)))[::-1]
    picked = np.linspace(0, len(rows) - 1, min(ALONE_ROWS, len(rows))).astype(np.intp)
    alone = np.concatenate([model(rows.take([int(i)])) for i in picked])
    gaps = {
        relative_gap(together, turned): (together, turned, np.arange(len(rows))),
        relative_gap(together[picked], alone): (together[picked], alone, picked),
    }
    gap = max(gaps)
    if gap > RELATIVE_TOLERANCE:
        first, second, places_of = gaps[gap]
        worst = int(np.abs(first - second).argmax())
        raise ModelOutputError(
            "the model's answer for a row changes with the rows around it or from call to call (largest difference "
            f"{gap:.3g} of the output's size; {_place(int(places_of[worst]), len(rows))} got {first[worst]:.6g} and "
            f"then {second[worst]:.6g}), so no attribution of it means anything; export the model in inference mode, "
            "without operations across rows",
            whatever_rows=True,
        )


def check_repeats(pairs: PairFunction, rows: Table) -> None:
    """Checks that coalitions of rows are answered the same twice.

    Args:
        pairs: Evaluates the coalitions of a design with the model itself.
        rows: Rows to explain.

    Raises:
        ModelOutputError: If the answers change from call to call.
    """
    first, second = pairs(rows, _never), pairs(rows, _never)
    for one, other in ((first.on, second.on), (first.off, second.off), (first.outputs, second.outputs)):
        gap = relative_gap(one, other)
        if gap > RELATIVE_TOLERANCE:
            worst = int(np.abs(one - other).argmax())
            raise ModelOutputError(
                "the model's answer for a row changes from call to call (largest difference "
                f"{gap:.3g} of the output's size; the same background rows, mixed in the same way, got "
                f"{one.flat[worst]:.6g} and then {other.flat[worst]:.6g}), so no attribution of it means anything; "
                "export the model in inference mode",
                whatever_rows=True,
            )


def why_misread(model: ScoringModel, additive: AdditiveModel, rows: Table) -> str:
    """Why the additive model is not what the graph computes, one sentence; empty if it is."""
    gap = relative_gap(model(rows), additive_output(additive, rows))
    if gap <= RELATIVE_TOLERANCE:
        return ""
    return (
        "the sum of trees and linear terms read from the graph differs from the graph's own answers (by up to "
        f"{gap:.3g} of the output's size)"
    )


def probe_design(n_players: int, n_background: int, *, own_rows: bool) -> CoalitionDesign:
    """A few coalitions of every size to compare two ways of evaluating a design on."""
    generator = np.random.default_rng(n_players)
    sizes = np.linspace(1, n_players - 1, PROBE_PAIRS).round().astype(np.intp) if n_players > 1 else np.ones(1, np.intp)
    masks = np.zeros((len(sizes), n_players), dtype=np.bool_)
    for mask, size in zip(masks, sizes, strict=True):
        mask[generator.permutation(n_players)[:size]] = True
    background = generator.integers(n_background, size=(len(masks), PROBE_BACKGROUND)) if own_rows else None
    return CoalitionDesign(masks=masks, background=background)


def why_unlike(fast: PairFunction, plain: PairFunction, rows: Table, *, unit: float) -> str:
    """Why a fast way to evaluate a design cannot be used, one clause; empty if it agrees with the plain way.

    Args:
        fast: The fast way.
        plain: The plain way.
        rows: Rows to explain.
        unit: Least size that differences are compared with: 1 for probabilities and log-odds, 0 for raw scores.
    """
    expected = plain(rows, _never)
    found = fast(rows, _never)
    largest = max(float(np.abs(part).max(initial=0.0)) for part in (expected.on, expected.off, expected.outputs))
    scale = max(largest, unit, float(np.finfo(np.float32).tiny))
    parts = ((found.on, expected.on), (found.off, expected.off), (found.outputs, expected.outputs))
    gap = max(float(np.abs(a - b).max(initial=0.0)) for a, b in parts) / scale
    if gap <= RELATIVE_TOLERANCE:
        return ""
    return f"the graph made for them differs from the model's own answers (by up to {gap:.3g} of their size)"


def _never() -> None:
    """The check of work that nobody can abandon."""


def _place(index: int, count: int) -> str:
    """Which of the rows of `probe_rows` this is: half of them are the background, the others are hybrids of it."""
    half = count // 2
    return f"{'background row' if index < half else 'mixed background row'} {index % half}"


def relative_gap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Largest difference, relative to the largest answer, at least to 1. NaN counts as infinitely far."""
    scale = max(1.0, float(np.abs(first).max(initial=0.0)))
    difference = np.abs(first - second) / scale
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))
