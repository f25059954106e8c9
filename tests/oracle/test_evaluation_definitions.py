"""Every metric against plain loops that were written from its words alone, on ties, zeros, constants and gaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc import evaluation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Row = list[float]
Fraction = tuple[float, float]
Definition = Callable[..., float]

NAN = math.nan
LEAST = 1e-6
K = 3


def mean(scores: Iterable[float]) -> float:
    usable = [one for one in scores if math.isfinite(one)]
    return sum(usable) / len(usable) if usable else NAN


def ratio(fractions: Iterable[Fraction]) -> float:
    usable = [(a, b) for a, b in fractions if math.isfinite(a) and math.isfinite(b)]
    below = sum(b for _, b in usable)
    return sum(a for a, _ in usable) / below if below > 0 else NAN


def root(number: float) -> float:
    return number if math.isnan(number) else math.sqrt(number)


def known(*rows: Row) -> bool:
    return all(math.isfinite(one) for row in rows for one in row)


def pearson(one: Row, other: Row) -> float:
    if not known(one, other) or min(one) == max(one) or min(other) == max(other):
        return NAN
    a, b = math.fsum(one) / len(one), math.fsum(other) / len(other)
    up = math.fsum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    return up / math.sqrt(math.fsum((x - a) ** 2 for x in one) * math.fsum((y - b) ** 2 for y in other))


def spearman(one: Row, other: Row) -> float:
    def places(row: Row) -> Row:
        sizes = [abs(x) for x in row]
        return [sum(y < x for y in sizes) + (sum(y == x for y in sizes) - 1) / 2 for x in sizes]

    return pearson(places(one), places(other)) if known(one, other) else NAN


def sign(x: float) -> int:
    return int(x > 0) - int(x < 0)


def length(row: Iterable[float]) -> float:
    return math.sqrt(sum(x * x for x in row))


def leading(row: Row, k: int, *, zeros: bool) -> set[int]:
    order = sorted(range(len(row)), key=lambda j: (-abs(row[j]), j))
    return {j for j in order[:k] if zeros or row[j] != 0}


def together(one: Row, other: Row, *, signed: bool) -> float:
    a, b = leading(one, K, zeros=False), leading(other, K, zeros=False)
    both = [j for j in a & b if not signed or sign(one[j]) == sign(other[j])]
    return len(both) / max(len(a), len(b)) if known(one, other) and (a or b) else NAN


def shannon(row: Row) -> float:
    total = sum(abs(x) for x in row)
    if not known(row) or total == 0:
        return NAN
    return -sum(abs(x) / total * math.log(abs(x) / total) for x in row if x != 0)


def relative(row: Row, moved: Row) -> float:
    below = [x if abs(x) >= LEAST else math.copysign(LEAST, x if x != 0 else 1.0) for x in row]
    return length((x - y) / b for x, y, b in zip(row, moved, below, strict=True))


def told(row: Row) -> list[int]:
    return [j for j in range(len(row)) if j not in leading(row, K, zeros=True)]


def largest_change(row: Row, again: Row) -> float:
    if not known(row, again):
        return NAN
    change, size = max(abs(x - y) for x, y in zip(row, again, strict=True)), max(abs(x) for x in row)
    return change / size if size > 0 else float(change > 0)


def squares(row: Row, other: Row) -> float:
    return sum((x - y) ** 2 for x, y in zip(row, other, strict=True))


def sums(row: Row, sets: list[list[bool]]) -> Row:
    return [sum(x for x, inside in zip(row, one, strict=True) if inside) for one in sets]


def spread(repeats: list[list[Row]]) -> float:
    r, fractions = len(repeats), []
    for rows in zip(*repeats, strict=True):
        means = [sum(column) / r for column in zip(*rows, strict=True)]
        variances = [
            sum((x - m) ** 2 for x in c) / (r - 1) for c, m in zip(zip(*rows, strict=True), means, strict=True)
        ]
        fractions.append((sum(variances), sum(m * m for m in means)))
    return root(ratio(fractions))


def stability(values: list[Row], moved: list[list[Row]], changes: list[Row]) -> float:
    found = []
    for row, others, below in zip(values, moved, changes, strict=True):
        ratios = [relative(row, other) / max(b, LEAST) for other, b in zip(others, below, strict=True)]
        found.append(math.log(max([*ratios, LEAST])) if known(ratios) else NAN)
    return mean(found)


def area(outputs: list[Row], full: Row, empty: Row, shares: Row, *, inserting: bool) -> float:
    heights = evaluation_curve(outputs, full, empty)
    grid, path = [0.0, *shares, 1.0], [0.0, *heights, 1.0] if inserting else [1.0, *heights, 0.0]
    return sum((grid[i + 1] - grid[i]) * (path[i] + path[i + 1]) / 2 for i in range(len(grid) - 1))


def evaluation_curve(outputs: list[Row], full: Row, empty: Row) -> Row:
    rows = [(o, f, e) for o, f, e in zip(outputs, full, empty, strict=True) if known(o, [f, e])]
    below = sum(abs(f - e) for _, f, e in rows)
    steps = range(len(outputs[0]))
    return [sum(sign(f - e) * (o[g] - e) for o, f, e in rows) / below if below > 0 else NAN for g in steps]


def case(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Numbers of a kind that a metric may trip over."""
    found = rng.normal(size=shape)
    if kind == "ties":
        return np.round(found)
    if kind == "zeros":
        return np.where(rng.random(shape) < 0.5, 0.0, found)
    if kind == "none":
        return np.zeros(shape)
    if kind == "constant":
        return np.full(shape, -0.1)
    if kind == "missing":
        found.flat[rng.integers(found.size)] = np.nan
    if kind == "small":
        return found * 1e-7
    return found


KINDS = ("plain", "ties", "zeros", "none", "constant", "missing", "small")
SHAPES = ((1, 1), (1, 4), (3, 1), (6, 2), (5, 6))


def pairs(one: Floats, other: Floats) -> list[tuple[Row, Row]]:
    return list(zip(one.tolist(), other.tolist(), strict=True))


def of_values(v: Floats, w: Floats) -> dict[str, tuple[float, float]]:
    """Metrics of one or two sets of attributions: ours, and by the definition."""
    rows, both, e = v.tolist(), pairs(v, w), evaluation
    unused = np.arange(v.shape[1]) % 2 == 0
    return {
        "relative error": (
            e.relative_error(v, w).value(),
            root(ratio((squares(a, b), sum(x * x for x in b)) for a, b in both)),
        ),
        "largest error": (
            e.largest_error(v, w).value(),
            mean(max(abs(x - y) for x, y in zip(a, b, strict=True)) if known(a, b) else NAN for a, b in both),
        ),
        "rank agreement": (e.rank_agreement(v, w).value(), mean(spearman(a, b) for a, b in both)),
        "after randomisation": (e.randomised_similarity(v, w).value(), mean(spearman(a, b) for a, b in both)),
        "top agreement": (e.top_agreement(v, w, K).value(), mean(together(a, b, signed=False) for a, b in both)),
        "sign agreement": (e.sign_agreement(v, w, K).value(), mean(together(a, b, signed=True) for a, b in both)),
        "faithfulness estimate": (e.faithfulness_estimate(v, w).value(), mean(pearson(a, b) for a, b in both)),
        "largest change": (e.largest_change(v, w).value(), mean(largest_change(a, b) for a, b in both)),
        "entropy": (e.entropy(v).value(), mean(shannon(a) for a in rows)),
        "effective factors": (e.effective_factors(v).value(), mean(math.exp(shannon(a)) for a in rows)),
        "fidelity of the first": (
            e.first_factors_fidelity(v, K).value(),
            1.0 - ratio((sum(a[j] for j in told(a)) ** 2, sum(a) ** 2) for a in rows),
        ),
        "left out": (
            e.untold_share(v, K).value(),
            ratio((sum(abs(a[j]) for j in told(a)), sum(abs(x) for x in a)) for a in rows),
        ),
        "unused credit": (
            e.unused_credit(v, unused).value(),
            ratio((sum(abs(x) for x in a[::2]), sum(abs(x) for x in a)) for a in rows),
        ),
        "asymmetry": (
            e.copy_asymmetry(v, 0, v.shape[1] - 1).value(),
            ratio((abs(a[0] - a[-1]), abs(a[0]) + abs(a[-1])) for a in rows),
        ),
        "spread": (e.spread(np.stack([v, w, v + 1.0])).value(), spread([rows, w.tolist(), (v + 1.0).tolist()])),
    }


def of_answers(v: Floats, kind: str, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Metrics of attributions and the model's answers: ours, and by the definition."""
    (n, p), e = v.shape, evaluation
    sets = rng.random((7, p)) < 0.5
    sets[0] = True
    drops, full, empty = case(kind, (n, 7), rng), case(kind, (n,), rng), np.round(rng.normal(size=n))
    steps, shares = case(kind, (n, 3), rng), np.array([0.2, 0.5, 0.9])
    draws, moved, near = case(kind, (n, 2, 3), rng), case(kind, (n, 3, p), rng), case(kind, (n, 3, 2), rng)
    x, after = case("zeros", (n, 2), rng), case(kind, (n, 3), rng)
    found = [(row, sums(row, sets.tolist()), d) for row, d in pairs(v, drops)]
    changes = [[relative(a, b) for b in others] for a, others in zip(x.tolist(), near.tolist(), strict=True)]
    outputs = [[abs(b - a) for b in others] for a, others in zip(full.tolist(), after.tolist(), strict=True)]
    gaps = [(squares(s, d) if known(row) else NAN, d) for row, s, d in found]
    far = [
        max(length(b - a for a, b in zip(row, other, strict=True)) for other in others) / length(row)
        if known(row, *others) and length(row) > 0
        else NAN
        for row, others in zip(v.tolist(), moved.tolist(), strict=True)
    ]
    return {
        "faithfulness correlation": (
            e.faithfulness_correlation(v, sets, drops).value(),
            mean(pearson(s, d) if known(row) else NAN for row, s, d in found),
        ),
        "infidelity": (e.infidelity(v, sets, drops).value(), mean(gap / 7 for gap, _ in gaps)),
        "infidelity share": (
            e.infidelity_share(v, sets, drops).value(),
            ratio((gap, sum(y * y for y in d)) for gap, d in gaps),
        ),
        "sum gap": (
            e.sum_gap(v, empty, full).value(),
            mean(abs(b + sum(row) - f) for row, b, f in zip(v.tolist(), empty.tolist(), full.tolist(), strict=True)),
        ),
        "prediction gap": (
            e.prediction_gap(draws, full).value(),
            mean(sum(abs(f - y) for g in d for y in g) / 6 for d, f in zip(draws.tolist(), full.tolist(), strict=True)),
        ),
        "insertion": (
            e.curve_area(steps, full, empty, shares, inserting=True).value(),
            area(steps.tolist(), full.tolist(), empty.tolist(), shares.tolist(), inserting=True),
        ),
        "deletion": (
            e.curve_area(steps, full, empty, shares, inserting=False).value(),
            area(steps.tolist(), full.tolist(), empty.tolist(), shares.tolist(), inserting=False),
        ),
        "curve": (
            float(e.curve(steps, full, empty)[1]),
            evaluation_curve(steps.tolist(), full.tolist(), empty.tolist())[1],
        ),
        "max sensitivity": (e.max_sensitivity(v, moved).value(), mean(far)),
        "input stability": (
            e.relative_input_stability(v, moved, x, near).value(),
            stability(v.tolist(), moved.tolist(), changes),
        ),
        "output stability": (
            e.relative_output_stability(v, moved, full, after).value(),
            stability(v.tolist(), moved.tolist(), outputs),
        ),
    }


def unlike(found: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    # sums in another order differ by some 1e-15 of their size; a wrong formula by far more than 1e-12
    return {
        name: both
        for name, both in found.items()
        if both[0] != pytest.approx(both[1], rel=1e-12, abs=1e-12, nan_ok=True)
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_metrics_are_what_their_words_say(kind: str, shape: tuple[int, int]) -> None:
    for number, other in enumerate(KINDS):
        rng = np.random.default_rng((*shape, KINDS.index(kind), number))
        v, w = case(kind, shape, rng), case(other, shape, rng)

        assert unlike(of_values(v, w)) == {}, other
        assert unlike(of_answers(v, other, rng)) == {}, other


def test_the_comparison_sees_a_metric_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    v, w = rng.normal(size=(2, 5, 6))
    for name in ("entropy", "relative_error", "top_agreement", "largest_change"):
        right = getattr(evaluation, name)

        def wrong(*parts: object, right: Callable[..., evaluation.RowScores] = right) -> evaluation.RowScores:
            found = right(*parts)
            return evaluation.RowScores(found.numerators * (1 + 1e-9), found.denominators, found.shape)

        monkeypatch.setattr(evaluation, name, wrong)
    seen = unlike(of_values(v, w))

    assert set(seen) == {"entropy", "relative error", "top agreement", "largest change"}


def test_intervals_are_quantiles_of_resampled_ratios() -> None:
    rng = np.random.default_rng(2)
    above, below = rng.random(9), rng.random(9)
    above[4] = np.nan
    weights = evaluation.draw_weights(9, rng, resamples=40)
    drawn = []
    for line in weights.tolist():
        some = [
            (w * a, w * b) for w, a, b in zip(line, above.tolist(), below.tolist(), strict=True) if math.isfinite(a)
        ]
        drawn.append(math.sqrt(sum(a for a, _ in some) / sum(b for _, b in some)))
    drawn.sort()

    def quantile(share: float) -> float:
        place = share * (len(drawn) - 1)
        low = math.floor(place)
        return drawn[low] + (place - low) * (drawn[low + 1] - drawn[low])

    found = evaluation.measure_by(evaluation.RowScores(above, below, "root"), weights)

    assert found is not None
    # sums in another order
    assert (found.low, found.high) == pytest.approx((quantile(0.025), quantile(0.975)), rel=1e-12)


def test_the_last_label_by_plain_counting() -> None:
    rng = np.random.default_rng(3)
    times, labels = np.round(rng.random(40), 1), np.round(rng.random(40))
    order = sorted(range(40), key=lambda i: (times[i], i))
    found = evaluation.last_value(times, labels, "binary")

    assert np.isnan(found[order[0]])
    for place in range(1, 40):
        before = labels[order[place - 1]]
        followed = [labels[order[i]] for i in range(1, place) if labels[order[i - 1]] == before]
        assert found[order[place]] == pytest.approx((sum(followed) + 1) / (len(followed) + 2), rel=1e-15)
