"""Cases G1 to G3: how far values depend on the draw of 30, 100 or 300 background rows, and what is said of it.

The truth is enumerated over 3,000 other rows of the same law; the values over each smaller background too, so that
nothing but the draw of the background is left to differ.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.caveats import Figure, share
from benchmarks.caveats.gap_cases import MODEL_KINDS, Case, copula_world
from benchmarks.caveats.gap_scores import background_games, interventional
from benchmarks.caveats.tallies import NORMAL_95

BACKGROUNDS = (30, 100, 300)
TRUTH_ROWS = 3000

NOISE_CASES = tuple(Case(id=f"G {kind}", world=copula_world, model=kind) for kind in MODEL_KINDS)


def score_noise(case: Case, seed: int) -> list[Figure]:
    """How often 1.96 usual standard errors hold the truth, and how large they are beside the errors that were made.

    Args:
        case: Family of the game.
        seed: Which one of the family.
    """
    from xaisvc.structure.spread import study_spread  # noqa: PLC0415 - heavy: loaded when used

    largest = BACKGROUNDS[-1]
    whole = case.make(seed, TRUTH_ROWS + largest)
    members = tuple((j,) for j in range(whole.world.width))
    truth, truth_errors = interventional(replace(whole, background=whole.background[largest:]), members)
    total = np.abs(truth).sum(axis=1, keepdims=True)
    figures = []
    for b in BACKGROUNDS:
        game = replace(whole, background=whole.background[:b])
        values, _ = interventional(game, members)
        spread = study_spread(
            game.table(game.background),
            game.score(game.background),
            len(members),
            background_games(game, members),
            np.random.default_rng(seed),
        )
        reach = NORMAL_95 * np.hypot(spread.background_errors[whole.used], truth_errors[:, whole.used])
        misses = np.abs(values - truth)[:, whole.used]
        inside = misses <= reach
        share_of_total = (np.broadcast_to(spread.background_errors[whole.used], misses.shape) / total).mean()
        figures += [
            share(f"background of {b}: 95 % interval holds the value", int(inside.sum()), inside.size, 0.94),
            Figure(f"background of {b}: standard error, share of T", float(share_of_total), inside.size, kind="mean"),
        ]
    return figures
