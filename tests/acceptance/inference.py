"""A8: what can be computed about a withheld share from everything that one caller can open, as a linear program.

The unknowns are the attributions of all players, each as the difference of two non-negative numbers whose sum bounds
its size. The caller is given more than any page says: the model's answer, the base value and the audiences' rules. What
pages say is read from them: which reason is stronger, which way it counted, whole percents of influence, and every
number that equals an attribution of the record to three digits.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

from tests.acceptance.ranking import named, rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tests.acceptance.ranking import Ranked
    from tests.acceptance.worlds import Shown

LEAST_WIDTH = 0.5
"""Of the range that a share has over the records: less would tell whether it is large or small in this case."""
_HALF_PERCENT = 0.005
_DIGITS = 3


@dataclass
class Constraints:
    """Rows of `matrix @ (p, n, T) <= bounds`, where an attribution is p - n, its size at most p + n, and T a total."""

    players: list[str]
    rows: list[NDArray[np.float64]]
    bounds: list[float]

    def size(self) -> int:
        return 2 * len(self.players) + 1

    def add(self, weights: dict[str, float], bound: float, *, total: float = 0.0, sizes: bool = False) -> None:
        """Adds `sum w (p - n) + total T <= bound`, or with the sizes p + n."""
        row = np.zeros(self.size())
        for name, weight in weights.items():
            i = self.players.index(name)
            row[2 * i], row[2 * i + 1] = weight, weight if sizes else -weight
        row[-1] = total
        self.rows.append(row)
        self.bounds.append(bound)

    def interval(self, player: str, prior: float) -> tuple[float, float]:
        """Smallest and largest attribution of a player that all constraints allow."""
        i = self.players.index(player)
        cost = np.zeros(self.size())
        cost[2 * i], cost[2 * i + 1] = 1.0, -1.0
        limits = [(0.0, prior)] * (self.size() - 1) + [(0.0, prior * len(self.players))]
        ends = []
        for sign in (1.0, -1.0):
            found = linprog(sign * cost, A_ub=np.array(self.rows), b_ub=np.array(self.bounds), bounds=limits)
            if not found.success:
                raise AssertionError(f"the record itself should be possible: {found.message}")
            ends.append(sign * found.fun)
        return ends[0], ends[1]


def pinned(views: Sequence[Shown], withheld: Sequence[str], prior: float) -> Iterator[str]:
    """Withheld players whose sign or size can be told from all views of one record together."""
    record = views[0].record
    known = Constraints([one.player for one in record.attribution.players], [], [])
    output = record.attribution.output - record.attribution.base_value
    everything = dict.fromkeys(known.players, 1.0)
    slack = 1e-6 * max(1.0, abs(output))  # the solver's own tolerance
    known.add(everything, output + slack)
    known.add(dict.fromkeys(known.players, -1.0), -output + slack)
    for shown in views:
        _read(shown, known)
    for name in withheld:
        low, high = known.interval(name, prior)
        if not low < 0 < high:
            yield f"the sign of '{name}' follows: [{low:.3g}, {high:.3g}]"
        elif high - low < LEAST_WIDTH * 2 * prior:
            yield f"'{name}' is within [{low:.3g}, {high:.3g}]; before it was within [{-prior:.3g}, {prior:.3g}]"


def _read(shown: Shown, known: Constraints) -> None:
    everything = rank(shown.record, shown.description, shown.declared, shown.audience, shown.language)
    ranked = {one.label: one for one in everything if one.seen}
    against = _against(shown)
    for section in shown.json["sections"]:
        for block in section["blocks"]:
            if block["type"] == "reasons":
                sign = {"against": against, "for": -against, "none": 0}[block["side"]]
                meant = [named(i, everything, shown.description, shown.language) for i in block["items"]]
                _order([one for one in meant if one is not None], sign, known, shown)
            if block["type"] == "bar_chart":
                _percents(block["bars"], ranked, known)
    _numbers(shown, known)


def _order(given: Sequence[Ranked], sign: int, known: Constraints, shown: Shown) -> None:
    """Each reason is at least as strong as the next, and counted the way it is said to have counted."""
    if not sign:
        return
    players = {name: p.player for p in shown.record.attribution.players for name in p.features}
    weights = [dict.fromkeys((players[name] for name in one.features), float(sign)) for one in given]
    for one in weights:
        known.add({name: -weight for name, weight in one.items()}, 0.0)
    for stronger, weaker in itertools.pairwise(weights):
        known.add({**weaker, **{name: -weight for name, weight in stronger.items()}}, 0.0)
    if shown.audience == "customer" and weights and shown.is_complete and shown.record.output.adverse:
        # A letter that is not held says that nothing it would have been held for is stronger than what it names.
        for one in rank(shown.record, shown.description, shown.declared, shown.audience, shown.language):
            if one.held:
                hidden = dict.fromkeys((players[name] for name in one.features), float(sign))
                known.add({**hidden, **{name: -weight for name, weight in weights[-1].items()}}, 0.0)


def _percents(bars: Sequence[dict[str, object]], ranked: dict[str, Ranked], known: Constraints) -> None:
    """Whole percents of the influence that the reader sees, whose total is not known."""
    visible = {name for one in ranked.values() if one.shown for name in one.features}
    names = [name for name in known.players if name in visible]
    known.add(dict.fromkeys(names, 1.0), 0.0, total=-1.0, sizes=True)
    known.add(dict.fromkeys(names, -1.0), 0.0, total=1.0, sizes=True)
    for bar in bars:
        one = ranked.get(str(bar["label"]))
        if one is None:
            continue
        share = float(str(bar["value"]))
        members = [name for name in known.players if name in one.features]
        known.add(dict.fromkeys(members, 1.0), 0.0, total=-(share + _HALF_PERCENT), sizes=True)
        known.add(dict.fromkeys(members, -1.0), 0.0, total=share - _HALF_PERCENT, sizes=True)


def _numbers(shown: Shown, known: Constraints) -> None:
    """Attributions that stand somewhere as they are, with three digits or more."""
    text = " ".join(shown.pages.values())
    for player in shown.record.attribution.players:
        for digits in (_DIGITS, 4, 6):
            form = f"{abs(player.value):.{digits}f}"
            if player.value and abs(player.value) >= 0.01 and re.search(rf"(?<![\d.]){re.escape(form)}", text):
                half = 0.5 * 10.0**-digits
                known.add({player.player: 1.0}, player.value + half)
                known.add({player.player: -1.0}, -player.value + half)


def _against(shown: Shown) -> int:
    adverse = shown.description.output(shown.record.output.id).adverse
    return 1 if adverse is None or adverse.value == "higher" else -1
