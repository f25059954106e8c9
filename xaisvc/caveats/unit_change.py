"""Rows and batches whose values seem to be in another unit than the background's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.types.units import CONVERSIONS, BatchChange, ChangeKind, Conversion, UnitChanges, off_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xaisvc.types.table import Table
    from xaisvc.types.units import Units

MIN_BATCH = 16
FEW_ROWS = 32
"""Up to so many rows all features are looked up together."""
REACH = 3.5
"""Normal scores of the first and the last quantile."""
MIN_SHIFT = 0.5
"""Smallest mean normal score that counts as a shift, however large the batch."""
FIT_ERRORS = 2.6
"""Standard errors up to which converted values fit the background: 1 in 100 batches has more by chance."""
FIT_SPREAD = 3.3
"""Standard errors of their mean square, likewise, for a distribution that is skew."""
SURELY = 1e-6
"""Standard errors beyond these at which rounding cannot make values fit after all."""
MIN_OFF_GRID, MAX_OFF_GRID = 0.5, 0.05
GRID_BONUS = 20.0
"""Nats for a conversion that brings all values back on the background's grid."""
WITHIN = 0.005
"""A single converted value fits between this quantile and its mirror."""

FACTORS = np.array([one.factor for one in CONVERSIONS])
OFFSETS = np.array([one.offset for one in CONVERSIONS])
"""Of the conversions; float64, (conversions,) each."""
_LOG_WEIGHTS = np.log([one.weight for one in CONVERSIONS])

_SCALES = {
    "degrees Celsius": ("celsius", "°c", "degc"),
    "degrees Fahrenheit": ("fahrenheit", "°f", "degf"),
    "kelvins": ("kelvin",),
}
"""Words in the units of features by which a scale of temperatures is known; "K" alone is kelvins too."""


def unit_change(units: Units, rows: Table) -> UnitChanges:
    """Single values, and features of a batch, that a change of unit may explain.

    A single value is suspicious beyond the background's tails. A batch of at least 16 rows is shifted in a feature if
    the mean of its normal scores is not 0, by `Units.critical` standard errors sqrt(1/k + 1/b), and at least 0.5; for
    features of both signs also that of the scores of the absolute values. A conversion explains it if the values that
    it is undone for have mean score 0 and mean square 1, within chance; among several the likeliest is named. Values
    that leave the background's grid (say, integers) are shifted too if undoing a conversion brings them back.

    Args:
        units: What is known of the background's units.
        rows: n rows with the same features, in the same order.

    Returns:
        What was found; about 0.3 % of rows and 0.05 % of batches of the background's own law show anything.
    """
    columns = list(rows.columns.values())
    judged = np.flatnonzero(units.judged)
    values = np.full((len(columns), len(rows)), np.nan)
    for j in judged.tolist():
        values[j] = columns[j]
    found = UnitScreen.of(units).changes(values)
    if not len(judged) or len(rows) < MIN_BATCH:
        return found
    return replace(found, batch=_batch(units, judged, values[judged]))


@dataclass(frozen=True, slots=True)
class UnitScreen:
    """What is worked out from units once, so that single values are read quickly. Made by `UnitScreen.of`.

    Attributes:
        units: What is known of the background's units.
        judged: Places of the judged features; intp, (d,).
        floors: Of these; float64, (d,).
        ceilings: float64, (d,).
        positive: bool, (d,).
    """

    units: Units
    judged: NDArray[np.intp]
    floors: NDArray[np.float64]
    ceilings: NDArray[np.float64]
    positive: NDArray[np.bool_]

    @classmethod
    def of(cls, units: Units) -> UnitScreen:
        """Prepares units.

        Args:
            units: What is known of the background's units.
        """
        judged = np.flatnonzero(units.judged)
        return cls(
            units=units,
            judged=judged,
            floors=np.array(units.floors[judged]),
            ceilings=np.array(units.ceilings[judged]),
            positive=np.array(units.positive[judged]),
        )

    def changes(self, values: NDArray[np.float64]) -> UnitChanges:
        """Single values that a change of unit may explain: `unit_change` without the batch.

        Args:
            values: Numbers of the judged features, anything in place of the others; float64, (p, n).

        Returns:
            What was found of each row by itself; `batch` is empty.
        """
        p, n = values.shape
        conversions = np.full((n, p), -1, dtype=np.int16)
        suspicious = np.zeros((n, p), dtype=np.bool_)
        judged = values if len(self.judged) == p else values[self.judged]
        from xaisvc.caveats.support_kernel import beyond  # noqa: PLC0415 - heavy: loaded when used

        found = np.empty(judged.shape, dtype=np.bool_)
        if beyond(judged, self.floors, self.ceilings, found):
            found &= ~(self.positive[:, None] & (judged == 0) & (judged < self.floors[:, None]))
            suspicious[:, self.judged] = found.T
            for place in np.flatnonzero(found.any(axis=1)).tolist():
                j, off = int(self.judged[place]), found[place]
                conversions[off, j] = _singles(_Scale.of(self.units, j), judged[place, off])
        return UnitChanges(row_conversions=conversions, suspicious=suspicious, batch=())


@dataclass(frozen=True, slots=True)
class _Scale:
    """Normal scores of one feature.

    Attributes:
        quantiles: Its quantiles; float64, (g,).
        scores: Normal scores of the quantiles; float64, (g,).
        probabilities: Their probabilities; float64, (g,).
        positive: Whether it has no negative values.
        count: Number of background values.
        grid: Grid of its values; 0 for none.
    """

    quantiles: NDArray[np.float64]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    positive: bool
    count: float
    grid: float

    @classmethod
    def of(cls, units: Units, j: int) -> _Scale:
        return cls(
            units.quantiles[j],
            _scores(units.quantiles.shape[1]),
            units.probabilities,
            bool(units.positive[j]),
            float(units.counts[j]),
            float(units.grids[j]),
        )

    def score(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normal scores, in the middle of the step where values repeat; same shape."""
        last = len(self.scores) - 1
        lower = np.clip(np.searchsorted(self.quantiles, values, "right") - 1, 0, last)
        upper = np.clip(np.searchsorted(self.quantiles, values, "left"), 0, last)
        return np.asarray((self.scores[lower] + self.scores[upper]) / 2)

    def _below(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of less, plus half that of the same where values repeat; same shape."""
        last = len(self.quantiles) - 1
        lower = np.clip(np.searchsorted(self.quantiles, values, "right") - 1, 0, last)
        upper = np.clip(np.searchsorted(self.quantiles, values, "left"), 0, last)
        between = np.interp(values, self.quantiles, self.probabilities, left=0.0, right=1.0)
        middle = (self.probabilities[lower] + self.probabilities[upper]) / 2
        return np.asarray(np.where(lower > upper, middle, between))

    def size(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normal scores of absolute values; same shape."""
        size = np.abs(values)
        inside = self._below(size) - self._below(-size)
        zeros = size == 0
        if zeros.any():  # what repeats at zero is there once, not on both sides
            same = self.probabilities[self.quantiles == 0]
            inside[zeros] = (same[-1] - same[0]) / 2 if len(same) else 0.0
        inside = np.clip(inside, self.probabilities[0], self.probabilities[-1])
        return np.asarray(np.interp(inside, self.probabilities, self.scores))


def _singles(scale: _Scale, values: NDArray[np.float64]) -> NDArray[np.int16]:
    """The conversion that best explains each suspicious value by itself; -1 for none; int16, (k,)."""
    merits = _merits(scale, values, WITHIN)
    best = merits.argmax(axis=1)
    return np.where(np.isfinite(merits.max(axis=1)), best, -1).astype(np.int16)


def _merits(scale: _Scale, values: NDArray[np.float64], within: float) -> NDArray[np.float64]:
    """Log likelihood of values under conversions, -inf beyond a quantile or its mirror; float64, (k, conversions)."""
    low, high = np.interp([within, 1 - within], scale.probabilities, scale.quantiles)
    undone = (values[:, None] - OFFSETS) / FACTORS
    merits = _LOG_WEIGHTS - 0.5 * scale.score(undone) ** 2
    if not scale.positive:
        merits -= np.log(np.abs(FACTORS))
    return np.asarray(np.where((low <= undone) & (undone <= high), merits, -np.inf))


def likelihoods(
    units: Units, feature: int, values: NDArray[np.float64], possible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How likely conversions are by one value each: weight times density of the converted value, of all that fit.

    One value fits several conversions as a rule: with a spread of a factor of 20, whatever lies a thousandfold too high
    fits 365 and 3,600 too. Only the shares say whether one of them stands out. Those that bring it no further than to
    the background's ends count as well: that they are rare is in their likelihood.

    Args:
        units: What is known of the background's units.
        feature: Place of a judged feature.
        values: Suspicious values of it; float64, (k,).
        possible: Conversions that the feature can go through, as `possible_conversions`; bool, (conversions,).

    Returns:
        Shares that add up to 1; all 0 for a value that no possible conversion fits; float64, (k, conversions).
    """
    scale = _Scale.of(units, feature)
    fits = (possible & np.isfinite(_merits(scale, values, WITHIN))).any(axis=1, keepdims=True)
    merits = np.where(possible & fits, _merits(scale, values, 0.0), -np.inf)
    most = merits.max(axis=1, keepdims=True)
    shares = np.exp(merits - np.where(fits, most, 0.0))
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0))


def possible_conversions(unit: str | None) -> NDArray[np.bool_]:
    """Conversions that a feature can go through: those of temperatures only from the scale that its unit names.

    Args:
        unit: Unit of the feature, as readers see it; None for none.

    Returns:
        bool, (conversions,).
    """
    words = (unit or "").casefold()
    scales = {scale for scale, names in _SCALES.items() if any(name in words for name in names)}
    scales |= {"kelvins"} if (unit or "").strip() == "K" else set()
    return np.array([one.offset == 0 or one.name.split(" to ")[0] in scales for one in CONVERSIONS], dtype=np.bool_)


@lru_cache(maxsize=4)
def _scores(count: int) -> NDArray[np.float64]:
    """Normal scores of a feature's quantiles; float64, (g,)."""
    found = np.linspace(-REACH, REACH, count)
    found.setflags(write=False)
    return found


def _mean_scores(
    quantiles: NDArray[np.float64], values: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean normal score of each feature's known values; float64, (d,)."""
    d, g = quantiles.shape
    scores = _scores(g)
    if values.shape[1] <= FEW_ROWS:  # a call of numpy costs more than the values do
        lower = np.count_nonzero(quantiles[:, None, :] <= values[:, :, None], axis=2)
        upper = np.count_nonzero(quantiles[:, None, :] < values[:, :, None], axis=2)
    else:
        lower, upper = np.empty(values.shape, dtype=np.intp), np.empty(values.shape, dtype=np.intp)
        for j in range(d):
            lower[j] = np.searchsorted(quantiles[j], values[j], "right")
            upper[j] = np.searchsorted(quantiles[j], values[j], "left")
    both = scores.take(np.maximum(lower - 1, 0)) + scores.take(np.minimum(upper, g - 1))
    return np.asarray((both * known).sum(axis=1) / (2 * np.maximum(known.sum(axis=1), 1)))


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a batch's values lie in a feature's distribution."""

    mean: float
    errors: float
    square: float
    fits: bool

    @classmethod
    def of(cls, scale: _Scale, values: NDArray[np.float64]) -> _Fit:
        k = len(values)
        scores = scale.score(values)
        mean, square = float(scores.mean()), float((scores**2).mean())
        errors = mean / float(np.sqrt(1 / k + 1 / scale.count))
        spread = (square - 1) / float(np.sqrt(2 / k + 2 / scale.count))
        return cls(mean, errors, square, abs(errors) <= FIT_ERRORS and abs(spread) <= FIT_SPREAD)

    @classmethod
    def ruled_out(cls, scale: _Scale, values: NDArray[np.float64]) -> bool:
        """Whether values in order, up or down, are sure not to fit, found in less time than `of` takes.

        All values between two quantiles have the same score, so one of them is scored and the others are counted.
        """
        k = len(values)
        values = values if values[0] <= values[-1] else values[::-1]
        borders = [np.searchsorted(values, scale.quantiles, side) for side in ("left", "right")]
        firsts = np.sort(np.concatenate([[0], *borders]))
        shares = np.diff(firsts, append=k) / k
        scores = scale.score(values[np.minimum(firsts, k - 1)])
        mean, square = float(shares @ scores), float(shares @ scores**2)
        errors = mean / float(np.sqrt(1 / k + 1 / scale.count))
        spread = (square - 1) / float(np.sqrt(2 / k + 2 / scale.count))
        return abs(errors) > FIT_ERRORS + SURELY or abs(spread) > FIT_SPREAD + SURELY


def _batch(units: Units, judged: NDArray[np.intp], values: NDArray[np.float64]) -> tuple[BatchChange, ...]:
    """Features whose values are off in the batch as a whole."""
    known = np.isfinite(values) & ~(units.positive[judged, None] & (values == 0))
    counts = known.sum(axis=1)
    error = np.sqrt(1 / np.maximum(counts, 1) + 1 / units.counts[judged])
    means = _mean_scores(units.quantiles[judged], values, known)
    scales, own, shifts = {}, {}, {}
    signed = ~units.positive[judged]
    watched = (counts >= MIN_BATCH) & (
        signed | (units.grids[judged] > 0) | ((np.abs(means) > units.critical * error) & (np.abs(means) >= MIN_SHIFT))
    )
    for place in np.flatnonzero(watched).tolist():
        j = int(judged[place])
        scale, inside = _Scale.of(units, j), values[place][known[place]]
        mean = float(means[place])
        if signed[place]:
            size = float(scale.size(inside).mean())
            mean = size if abs(size) > abs(mean) else mean
        errors = mean / float(error[place])
        off = float(off_grid(inside, scale.grid).mean()) if scale.grid else 0.0
        moved = abs(errors) > units.critical and abs(mean) >= MIN_SHIFT
        if moved or off >= MIN_OFF_GRID:
            scales[j], own[j], shifts[j] = scale, inside, (errors, off, moved)
    if not shifts:
        return ()
    swaps = _swaps(scales, own, [j for j, (_, _, moved) in shifts.items() if moved])
    found = []
    for j, (errors, off, moved) in shifts.items():
        fitting = [] if j in swaps else _conversions(scales[j], own[j], off)
        if not moved and not fitting:
            continue  # off the grid, and no conversion brings it back: computed values, perhaps, but no other unit
        ratio, ratio_error = _ratio(scales[j], own[j])
        kind = ChangeKind.SWAPPED if j in swaps else ChangeKind.UNIT if fitting else ChangeKind.SHIFT
        found.append(
            BatchChange(
                feature=units.features[j],
                kind=kind,
                conversion=fitting[0] if fitting else None,
                alternatives=tuple(fitting[1:]),
                swapped_with=units.features[swaps[j]] if j in swaps else None,
                ratio=ratio,
                ratio_error=ratio_error,
                standard_errors=errors,
                off_grid=off,
                values=len(own[j]),
            )
        )
    return tuple(found)


def _conversions(scale: _Scale, values: NDArray[np.float64], off: float) -> list[Conversion]:
    """Conversions that explain a batch, the likeliest first."""
    found = []
    in_order = np.sort(values)
    for place, conversion in enumerate(CONVERSIONS):
        if _Fit.ruled_out(scale, (in_order - conversion.offset) / conversion.factor):
            continue
        undone = (values - conversion.offset) / conversion.factor
        fit = _Fit.of(scale, undone)
        if not fit.fits:
            continue
        merit = float(np.log(conversion.weight)) - 0.5 * len(values) * fit.square
        if not scale.positive:  # the wider the old scale, the thinner the density
            merit -= len(values) * float(np.log(abs(conversion.factor)))
        if scale.grid:
            left = float(off_grid(undone, scale.grid).mean())
            if left > MAX_OFF_GRID and off >= MIN_OFF_GRID:
                continue
            merit += GRID_BONUS if left <= MAX_OFF_GRID < off else 0.0
        found.append((-merit, place, conversion))
    return [conversion for _, _, conversion in sorted(found, key=lambda one: one[:2])]


def _swaps(scales: dict[int, _Scale], values: dict[int, NDArray[np.float64]], shifted: list[int]) -> dict[int, int]:
    """Pairs of shifted features each of which has values like the other's background."""
    found: dict[int, int] = {}
    in_order = {j: np.sort(values[j]) for j in shifted}
    for a in shifted:
        for b in shifted:
            if a < b and a not in found and b not in found:
                if _Fit.ruled_out(scales[b], in_order[a]) or _Fit.ruled_out(scales[a], in_order[b]):
                    continue
                there, back = _Fit.of(scales[b], values[a]), _Fit.of(scales[a], values[b])
                if there.fits and back.fits:
                    found[a], found[b] = b, a
    return found


def _ratio(scale: _Scale, values: NDArray[np.float64]) -> tuple[float, float]:
    """Median of the batch over that of the background, and its relative standard error; NaN if it means nothing."""
    before, after = float(np.interp(0.5, scale.probabilities, scale.quantiles)), float(np.median(values))
    if before == 0 or after / before <= 0:
        return float("nan"), float("nan")
    low, high = np.interp([0.25, 0.75], scale.probabilities, scale.quantiles)
    spread = abs(float(np.log(high / low))) if low * high > 0 else abs(float((high - low) / before))
    error = 1.2533 * spread / 1.349 * float(np.sqrt(1 / len(values) + 1 / scale.count))
    return after / before, error
