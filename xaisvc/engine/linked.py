"""Reads a probability as the link of sums of trees and linear terms, and checks the reading against the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import additive_output
from xaisvc.errors import BundleError, InvalidRequestError, ModelOutputError
from xaisvc.graphs import list_outputs
from xaisvc.types import LinkedModel, Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import AdditiveModel, Output, Table

TOLERANCE = 1e-6
"""Largest difference between the model's float32 probability and the link of the sums in float64 (seen: 2e-7)."""
MOST_CLASSES = 20
"""Each class costs a reading of the graph and a session of its own."""


def read_linked(loaded: LoadedBundle, output: Output, probes: Table) -> LinkedModel | None:
    """Reads the sums under a probability.

    First as a logistic function of one sum (binary classifiers, and each class of one-against-rest), then as the
    softmax of one sum for each class. The reading counts only if its probabilities are the model's on `probes`.

    Args:
        loaded: The bundle.
        output: What is explained, as a probability.
        probes: Background rows and hybrids of them.

    Returns:
        The sums, the explained class first; None if the probability is not made of sums, or not as it was read.
    """
    if output.tensor_space is not Space.PROBABILITY:
        return None
    log_odds = _sum(loaded, output, Space.LOG_ODDS)
    sums = _classes(loaded, output) if log_odds is None else (log_odds,)
    if not sums:
        return None
    found = probability_of([additive_output(model, probes) for model in sums])
    gap = np.abs(found - loaded.scoring(output, Space.PROBABILITY)(probes))
    return LinkedModel(sums=sums) if float(gap.max(initial=0.0)) <= TOLERANCE else None


def _classes(loaded: LoadedBundle, output: Output) -> tuple[AdditiveModel, ...]:
    """The raw score of every class, that of `output` first; empty if one of them is no sum."""
    listed = [other for other in list_outputs(loaded.bundle.model) if other.tensor == output.tensor]
    if output.target is None or not 1 < len(listed) <= MOST_CLASSES:
        return ()
    others = [replace(other, id=f"{output.id} against {other.id}") for other in listed if other.target != output.target]
    if len(others) != len(listed) - 1:
        return ()
    sums: list[AdditiveModel] = []
    for one in (output, *others):
        model = _sum(loaded, one, Space.RAW)
        if model is None:
            return ()
        sums.append(model)
    return tuple(sums)


def _sum(loaded: LoadedBundle, output: Output, space: Space) -> AdditiveModel | None:
    """An output in another space as a sum; None if it is none, or has no meaning there."""
    try:
        return loaded.additive(output, space).model
    except (InvalidRequestError, ModelOutputError, BundleError):
        return None


def probability_of(sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The link of sums, float64, (n,) each: logistic of one, softmax of several; float64, (n,)."""
    with np.errstate(over="ignore"):  # exp overflows to infinity where the probability is 0
        others = np.exp(-sums[0]) if len(sums) == 1 else sum(np.exp(other - sums[0]) for other in sums[1:])
    return np.asarray(1.0 / (1.0 + others))
