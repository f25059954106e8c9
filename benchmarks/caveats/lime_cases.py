"""Cases H1 to H4: LIME of linear models, interactions, trees, and duplicates, beside what other seeds would have said.

An answer is unstable where its three leading features share less than 0.6 with those of five other seeds on the mean
(Jaccard), or more than one in five of their signs differ; it is stable where they share 0.9 or more and no sign
differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from benchmarks.caveats import Figure, share
from benchmarks.caveats.explained_cases import TRAIN_ROWS, explaining, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH = 10
ROWS = 10
OTHERS = 5
TOP = 3
UNSTABLE_JACCARD, STABLE_JACCARD, UNSTABLE_FLIPS = 0.6, 0.9, 0.2
IGNORED = (1, 6)
CREDITED, UNCREDITED = 0.06, 0.02
"""Shares of T from which LIME credits an unused feature, and below which it does not."""

MODELS = {"H1 linear": "linear", "H2 interaction": "network", "H3 trees": "boosting", "H4 duplicates": "linear"}
SAMPLES = (200, 5000)
PARTS = tuple(f"{name}, {samples}" for name in MODELS for samples in SAMPLES)


def stability(first: Floats, others: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows are unstable, and which are stable; the rest is neither; bool, (n,) both.

    Args:
        first: Weights of one seed; float64, (n, p).
        others: Weights of other seeds; float64, (s, n, p).
    """
    top = _leading(first)
    jaccard, flips = [], []
    for other in others:
        again = _leading(other)
        jaccard.append((top & again).sum(axis=1) / (top | again).sum(axis=1))
        flips.append((top & (first * other < 0)).sum(axis=1) / TOP)
    shared, flipped = np.mean(jaccard, axis=0), np.mean(flips, axis=0)
    unstable = (shared < UNSTABLE_JACCARD) | (flipped > UNSTABLE_FLIPS)
    return np.asarray(unstable), np.asarray((shared >= STABLE_JACCARD) & (flipped == 0))


def score_lime(part: str, seed: int, n: int) -> list[Figure]:
    """Whether unstable answers ask for care and stable ones do not, and whether credit for unused features is named.

    Args:
        part: Case and number of samples.
        seed: Which model.
        n: Background rows.
    """
    name, samples = part.split(", ")
    rng = np.random.default_rng([crc32(name.encode()), seed])

    def draw(count: int) -> Floats:
        x = rng.standard_normal((count, WIDTH))
        if name == "H4 duplicates":
            x[:, 1], x[:, 3] = x[:, 0], -x[:, 2]
        return x

    model = fit(MODELS[name], draw(TRAIN_ROWS), IGNORED, rng)
    with explaining(model, draw(n)) as explainer:
        rows = draw(ROWS)
        first = explainer.explain(rows, method="lime", budget=int(samples), seed=seed)
        others = [
            explainer.explain(rows, method="lime", budget=int(samples), seed=10_000 + seed * OTHERS + k).values
            for k in range(OTHERS)
        ]
        every = list(first.caveats)
    unstable, stable = stability(first.values, np.stack(others))
    care = np.array(
        [any(one.kind == "low_fidelity_surrogate" and one.severity != "info" for one in row) for row in every]
    )
    part_of = np.abs(first.values) / np.abs(first.values).sum(axis=1, keepdims=True)
    named = np.array(
        [
            [any(one.kind == "attributed_but_unused" and f"c{j}" in one.players for one in row) for j in range(WIDTH)]
            for row in every
        ]
    )
    ignored = np.isin(np.arange(WIDTH), IGNORED)[None, :] & np.ones_like(named)
    credited, quiet = ignored & (part_of > CREDITED), ignored & (part_of < UNCREDITED)
    return [
        share("LIME: unstable answer asks for care", int(care[unstable].sum()), int(unstable.sum())),
        share("LIME: stable answer asks for care", int(care[stable].sum()), int(stable.sum()), bound="most"),
        share("LIME: credited unused feature named", int(named[credited].sum()), int(credited.sum()), 0.995),
        share("LIME: unused feature without credit named", int(named[quiet].sum()), int(quiet.sum()), 0.01, "most"),
        share("LIME: used feature called unused", int(named[~ignored].sum()), int((~ignored).sum()), 0.0, "most"),
        share(f"LIME {samples}: unstable answers", int(unstable.sum()), len(unstable), bound="most"),
    ]


def _leading(weights: Floats) -> NDArray[np.bool_]:
    found = np.zeros(weights.shape, dtype=np.bool_)
    np.put_along_axis(found, np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :TOP], values=True, axis=1)
    return found
