"""Protected attributes that features tell, alone or together, and that they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from benchmarks.caveats import Figure
from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

WIDTH = 10
LOW = -0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyCase:
    """One way in which ten normal features tell a group, or do not.

    Attributes:
        id: Stable name.
        chance: Probability of the group from the features; float64, (n,).
        tells: Features that tell it by themselves.
        together: Whether any features tell it.
        groups: Number of groups; with more than two, `chance` is a score that is cut at its quantiles with an error.
    """

    id: str
    chance: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    tells: tuple[str, ...] = ()
    together: bool = True
    groups: int = 2

    def make(self, rng: np.random.Generator, n: int) -> tuple[Table, NDArray[np.object_]]:
        """N rows and the attribute."""
        x = rng.standard_normal((n, WIDTH))
        chance = self.chance(x)
        if self.groups > 2:  # noqa: PLR2004 - more than a group and the others
            noisy = chance + 0.8 * rng.standard_normal(n)
            codes = np.digitize(noisy, np.quantile(noisy, np.arange(1, self.groups) / self.groups))
        else:
            codes = (rng.random(n) < chance).astype(int)
        columns: dict[str, NDArray[np.float64] | NDArray[np.object_]] = {f"x{j}": x[:, j].copy() for j in range(WIDTH)}
        columns["x9"] = np.array(["low", "middle", "high"], dtype=object)[np.digitize(x[:, 9], [LOW, -LOW])]
        return Table(columns), np.array([f"group {code}" for code in codes], dtype=object)


def _logistic(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-score)))


CASES: tuple[ProxyCase, ...] = (
    ProxyCase(id="none", chance=lambda x: np.full(len(x), 0.5), together=False),
    ProxyCase(id="none, 1 in 4", chance=lambda x: np.full(len(x), 0.25), together=False),
    ProxyCase(id="none of 4 groups", chance=lambda x: np.zeros(len(x)), together=False, groups=4),
    ProxyCase(id="linear, 0.75", chance=lambda x: _logistic(1.0 * x[:, 0]), tells=("x0",)),
    ProxyCase(id="linear, 0.85", chance=lambda x: _logistic(1.8 * x[:, 0]), tells=("x0",)),
    ProxyCase(id="size, 0.8", chance=lambda x: _logistic(2.6 * (np.abs(x[:, 0]) - 0.67)), tells=("x0",)),
    ProxyCase(id="level", chance=lambda x: np.where(x[:, 9] < LOW, 0.9, 0.3), tells=("x9",)),
    ProxyCase(id="xor, 0.8", chance=lambda x: np.where(x[:, 0] * x[:, 1] > 0, 0.8, 0.2)),
    ProxyCase(id="spread over 5", chance=lambda x: _logistic(0.6 * x[:, :5].sum(axis=1))),
    ProxyCase(id="3 groups", chance=lambda x: x[:, 0], tells=("x0",), groups=3),
)
"""The numbers are areas under the ROC curve that the features could reach."""


def rng_of(case_id: str, seed: int) -> np.random.Generator:
    """The generator of a case and a seed."""
    return np.random.default_rng([crc32(case_id.encode()), seed])


def score_proxies(seeds: Sequence[int], n: int = 300) -> list[Figure]:
    """Attributes that are told and found so, and attributes that are not told and not found so.

    Args:
        seeds: One table of each case for every seed.
        n: Rows for which the attribute is known.
    """
    from xaisvc.structure.proxies import study_proxies  # noqa: PLC0415 - heavy: loaded when used

    found: list[Figure] = []
    hits, false, others = [], [], []
    for case in CASES:
        own = []
        for seed in seeds:
            rng = rng_of(case.id, seed)
            table, attribute = case.make(rng, n)
            proxies = study_proxies(table, attribute, rng)
            told = {proxy.source for proxy in proxies.features if proxy.tells}
            at_all = bool(told) or (proxies.together is not None and proxies.together.tells)
            if not case.together:
                false.append(at_all)
                own.append(at_all)
                continue
            own.append(
                told >= set(case.tells) if case.tells else proxies.together is not None and proxies.together.tells
            )
            if case.tells:
                others.append(bool(told - set(case.tells)))
        hits += own if case.together else []
        bound = "least" if case.together else "most"
        found.append(Figure(f"proxy found: {case.id}", float(np.mean(own)), len(own), bound=bound))
    return [
        Figure("proxies found", float(np.mean(hits)), len(hits), 1.0, "least"),
        Figure("tables without proxies in which one is found", float(np.mean(false)), len(false), 0.01, "most"),
        Figure("tables in which another feature is found too", float(np.mean(others)), len(others), 0.01, "most"),
        *found,
    ]
