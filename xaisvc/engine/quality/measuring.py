"""Measures one method: its attributions first, then what they do when something changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from xaisvc.engine.machine import forget_peak_memory, peak_memory_mib
from xaisvc.engine.quality.retraining import LEAST_ROWS as RETRAINED_ROWS
from xaisvc.engine.quality.retraining import retrained
from xaisvc.engine.quality.subject import with_copy, with_noise
from xaisvc.engine.quality.workshop import REMOVAL_ROWS, REPLACEMENTS, generator
from xaisvc.errors import XaisvcError
from xaisvc.evaluation import METRICS, Evidence, Neighbours, curve, relative_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from xaisvc.engine.quality.method import Attributed, QualityMethod
    from xaisvc.engine.quality.workshop import Workshop
    from xaisvc.evaluation import Measure, RowScores

    Floats = NDArray[np.float64]
    Measured = dict[str, tuple[Measure, RowScores]]

STABILITY_ROWS: Final = 64
SAMPLED_ROWS: Final = 32
REPEATED: Final = 4
"""What repeats a sampled method many times is done with its rows over this."""
SEEDS: Final = 3
NEIGHBOURS: Final = 4
ALONE_ROWS: Final = 8
NOISE_COLUMNS: Final = 3
ERROR_ROWS: Final = 32
CHANGED_ROWS: Final = 16
"""Rows of problems with columns appended, which nothing is prepared for."""
BUDGETS: Final = (64, 128, 256, 512, 1024)
SLOW_BUDGETS: Final = (128, 256, 512)


def main_step(shop: Workshop, method: QualityMethod) -> dict[str, object]:
    """Explains the rows, and measures accuracy, faithfulness and complexity.

    Returns:
        Fields of `MethodQuality`, and the attributions under `values`.

    Raises:
        XaisvcError: If the method does not apply, refuses or was stopped.
    """
    count = shop.affordable(method, len(shop.rows))
    rows = shop.rows.take(slice(0, count))
    budget = _budget(shop, method)
    forget_peak_memory()
    start = shop.clock()
    _ = method.attribute(shop.subject, rows.take(slice(0, 1)), budget, shop.seed, shop.cancel)
    ready = shop.clock()
    found = method.attribute(shop.subject, rows, budget, shop.seed, shop.cancel)
    seconds = max(shop.clock() - ready, 1e-9)
    peak = peak_memory_mib()
    fields: dict[str, object] = {
        "exact": found.exact,
        "detail": found.detail,
        "n_rows": count,
        "budget": budget if not found.exact else None,
        "evaluations_per_row": found.evaluations,
        "seconds": seconds,
        "rows_per_s": count / seconds,
        "ready_s": ready - start,
        "peak_memory_mib": peak,
    }
    more = of_values(shop, found.values, found.base_values, shapley=method.is_shapley)
    return {**fields, **more, "values": found.values.tolist()}


def of_values(shop: Workshop, values: Floats, base_values: Floats, *, shapley: bool) -> dict[str, object]:
    """Measures and curves of attributions of the first rows."""
    count = len(values)
    outputs = shop.outputs[:count]
    found = measures(shop, Evidence(values=values, base_values=base_values, outputs=outputs), ("values",))
    if shapley:
        t = min(count, len(shop.truth.values))
        known = Evidence(
            values=values[:t], base_values=base_values[:t], outputs=outputs[:t], truth=shop.truth.values[:t]
        )
        found.update(measures(shop, known, ("truth",)))
    some = values[:REMOVAL_ROWS]
    c, curves = len(some), {}
    for replacement in REPLACEMENTS:
        removed = shop.removed(replacement, some)
        evidence = Evidence(values=some, base_values=base_values[:c], outputs=outputs[:c], removed=removed)
        found.update(measures(shop, evidence, ("removed",), suffix=f"@{replacement}"))
        inserted = curve(removed.inserted, outputs[:c], removed.empty).tolist()
        deleted = curve(removed.deleted, outputs[:c], removed.empty).tolist()
        curves[replacement] = {
            "shares": [0.0, *removed.shares.tolist(), 1.0],
            "insertion": [0.0, *inserted, 1.0],
            "deletion": [1.0, *deleted, 0.0],
        }
    return {**_told(found), "curves": curves}


def measures(shop: Workshop, evidence: Evidence, parts: Iterable[str], *, suffix: str = "") -> Measured:
    """Every metric that needs one of some parts, with its interval and what it rests on."""
    found: Measured = {}
    wanted = set(parts)
    for metric in METRICS.values():
        scores = metric.of(evidence) if metric.part in wanted else None
        number = None if scores is None else shop.interval(scores)
        if scores is not None and number is not None:
            found[metric.id + suffix] = number, scores
    return found


def retraining_step(shop: Workshop, labels: Floats, values: Floats) -> dict[str, object]:
    """How much worse models get that are trained without what a method says matters most.

    Args:
        shop: The model and its rows.
        labels: Of all rows in the workshop's order; float64, (n,).
        values: Attributions of the first rows; float64, (c, p).
    """
    count = len(values)
    if count < RETRAINED_ROWS:
        why = f"remove and retrain: {count} explained rows are too few to train on; {RETRAINED_ROWS} are needed"
        return {**_told({}), "notes": [why]}
    outputs = shop.outputs[:count]
    bare = Evidence(values=values, base_values=outputs - values.sum(axis=1), outputs=outputs)
    found: Measured = {}
    for variant, losses in retrained(shop, labels[:count], values).items():
        suffix = f"@{variant}" if variant else ""
        found.update(measures(shop, replace(bare, retrained=losses), ("retrained",), suffix=suffix))
    return _told(found)


def stability_step(shop: Workshop, method: QualityMethod, *, exact: bool) -> dict[str, object]:
    """What changes with the seed, the budget, the background, the row and the rows beside it."""
    n = _repeated(shop, method)
    rows, budget = shop.rows.take(slice(0, n)), _budget(shop, method)
    first = method.attribute(shop.subject, rows, budget, shop.seed, shop.cancel)
    parts: dict[str, Floats | Neighbours] = {}
    notes: list[str] = []
    if not exact:
        others = [
            method.attribute(shop.subject, rows, budget, shop.seed + seed, shop.cancel).values
            for seed in range(1, SEEDS)
        ]
        parts["seeds"] = np.stack([first.values, *others])
        if budget is not None:
            with _noting(notes, "half of the budget"):
                less = method.attribute(shop.subject, rows, budget // 2, shop.seed, shop.cancel)
                parts["budgets"] = np.stack([less.values, first.values])
    with _noting(notes, "halves of the background"):
        parts["backgrounds"] = np.stack(
            [method.attribute(half, rows, budget, shop.seed, shop.cancel).values for half in shop.halves]
        )
    near = shop.neighbours(n, NEIGHBOURS)
    moved = method.attribute(shop.subject, near, budget, shop.seed, shop.cancel)
    parts["neighbours"] = Neighbours(
        values=moved.values.reshape(n, NEIGHBOURS, -1),
        rows=shop.numbers(rows),
        neighbours=shop.numbers(near).reshape(n, NEIGHBOURS, -1),
        outputs=shop.subject.problem.model(near).reshape(n, NEIGHBOURS),
    )
    found = _of_parts(shop, first, shop.outputs[:n], parts)
    few = min(n, ALONE_ROWS)
    alone = [
        method.attribute(shop.subject, rows.take(slice(i, i + 1)), budget, shop.seed, shop.cancel).values[0]
        for i in range(few)
    ]
    turned = method.attribute(shop.subject, rows.take(np.arange(n)[::-1]), budget, shop.seed, shop.cancel).values[::-1]
    evidence = Evidence(
        values=first.values[:few],
        base_values=first.base_values[:few],
        outputs=shop.outputs[:few],
        again=np.stack([np.array(alone), turned[:few]]),
    )
    found.update(measures(shop, evidence, ("again",)))
    return {**_told(found), "notes": notes}


def robustness_step(shop: Workshop, method: QualityMethod) -> dict[str, object]:
    """What is left when the model is destroyed, and what columns get that mean nothing or are copies."""
    n = _repeated(shop, method)
    rows, budget = shop.rows.take(slice(0, n)), _budget(shop, method)
    outputs = shop.outputs[:n]
    first = method.attribute(shop.subject, rows, budget, shop.seed, shop.cancel)
    found: Measured = {}
    notes: list[str] = []
    with _noting(notes, "the randomised model"):
        values = method.attribute(shop.randomised, rows, budget, shop.seed, shop.cancel).values
        found.update(_of_parts(shop, first, outputs, {"randomised": values}))
    few = rows.take(slice(0, min(n, CHANGED_ROWS)))
    with _noting(notes, "appended noise"):
        subject, more = with_noise(shop.subject, few, NOISE_COLUMNS, generator(shop.seed, "noise"))
        values = method.attribute(subject, more, budget, shop.seed, shop.cancel).values
        evidence = Evidence(
            values=first.values[: len(few)],
            base_values=first.base_values[: len(few)],
            outputs=outputs[: len(few)],
            with_noise=values,
            n_unused=NOISE_COLUMNS,
        )
        found.update(measures(shop, evidence, ("with_noise",)))
    original = _leading_number(shop, first.values)
    if original is None:
        notes.append("a copied column: no numeric feature has any credit")
    else:
        with _noting(notes, "a copied column"):
            name = shop.subject.problem.players.members[original][0]
            subject, more = with_copy(shop.subject, few, name)
            values = method.attribute(subject, more, budget, shop.seed, shop.cancel).values
            evidence = Evidence(
                values=first.values[: len(few)],
                base_values=first.base_values[: len(few)],
                outputs=outputs[: len(few)],
                copied=values,
                original=original,
            )
            found.update(measures(shop, evidence, ("copied",)))
    return {**_told(found), "notes": notes}


def errors_step(shop: Workshop, method: QualityMethod) -> dict[str, object]:
    """Relative error at several budgets and with several seeds, and the scores behind it for contests on these rows."""
    if not method.is_shapley:
        return {"points": []}
    slow = shop.affordable(method, len(shop.rows)) < STABILITY_ROWS
    budgets = SLOW_BUDGETS if slow else BUDGETS
    n = min(shop.affordable(method, ERROR_ROWS, max(budgets)), len(shop.truth.values))
    rows, truth = shop.rows.take(slice(0, n)), shop.truth.values[:n]
    points = []
    for budget in budgets:
        with suppress(XaisvcError):
            found = method.attribute(shop.subject, rows, budget, shop.seed, shop.cancel)
            tries = [relative_error(found.values, truth)]
            for seed in range(1, 1 if found.exact else SEEDS):
                again = method.attribute(shop.subject, rows, budget, shop.seed + seed, shop.cancel)
                tries.append(relative_error(again.values, truth))
            squares = np.mean([one.numerators for one in tries], axis=0)
            error = shop.interval(replace(tries[0], numerators=squares))
            if error is not None:
                points.append(
                    {
                        "budget": budget,
                        "evaluations_per_row": found.evaluations,
                        "error": _fields(error),
                        "seeds": [one.value() for one in tries],
                        "squares": squares.tolist(),
                    }
                )
        if shop.cancel():
            break
        if found_exact(points):
            break
    return {"points": points}


def found_exact(points: list[dict[str, object]]) -> bool:
    """Whether the last point cost next to nothing: an exact method answers alike for every budget."""
    return bool(points) and float(str(points[-1]["evaluations_per_row"])) <= 1.0


def _of_parts(shop: Workshop, first: Attributed, outputs: Floats, parts: dict[str, Floats | Neighbours]) -> Measured:
    bare = Evidence(values=first.values, base_values=first.base_values, outputs=outputs)
    evidence = replace(bare, **cast("dict[str, Any]", parts))
    return measures(shop, evidence, tuple(parts))


def _leading_number(shop: Workshop, values: Floats) -> int | None:
    """The numeric feature with the most credit."""
    columns = shop.subject.problem.background.columns
    for player in np.argsort(-np.abs(values).mean(axis=0)):
        owned = shop.subject.problem.players.members[player]
        if len(owned) == 1 and columns[owned[0]].dtype != np.object_ and np.abs(values[:, player]).max() > 0:
            return int(player)
    return None


def _repeated(shop: Workshop, method: QualityMethod) -> int:
    """Rows for what repeats a method many times."""
    count = shop.affordable(method, len(shop.rows))
    return (
        min(STABILITY_ROWS, count)
        if shop.is_whole(method)
        else min(SAMPLED_ROWS, max(count // REPEATED, min(count, 4)))
    )


def _budget(shop: Workshop, method: QualityMethod) -> int | None:
    """Coalitions for what estimates Shapley values; others keep their own default."""
    return shop.budget if method.is_sampled and method.is_shapley else None


def _told(found: Measured) -> dict[str, object]:
    """Numbers with their intervals, and the rows' scores behind them."""
    return {
        "measures": {key: _fields(number) for key, (number, _) in found.items()},
        "scores": {
            key: {
                "numerators": _digits(scores.numerators),
                "denominators": None if scores.denominators is None else _digits(scores.denominators),
                "shape": scores.shape,
            }
            for key, (_, scores) in found.items()
        },
    }


def _digits(scores: Floats) -> list[float]:
    """Five significant digits: intervals leave fewer."""
    return [float(f"{one:.5g}") for one in scores.tolist()]


def _fields(one: Measure) -> dict[str, object]:
    return {"value": one.value, "low": one.low, "high": one.high, "n_rows": one.n_rows}


class _noting:  # noqa: N801 - reads as a statement
    """Notes why something could not be measured, and goes on."""

    def __init__(self, notes: list[str], what: str) -> None:
        self._notes, self._what = notes, what

    def __enter__(self) -> None:
        """Begins."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        """Takes errors of our own but that of being stopped."""
        from xaisvc.errors import AbandonedError  # noqa: PLC0415 - needed here only

        if isinstance(error, XaisvcError) and not isinstance(error, AbandonedError):
            self._notes.append(f"{self._what}: {error}")
            return True
        return False
