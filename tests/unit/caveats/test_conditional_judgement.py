"""The compiled judgement of a second opinion against its definition, and what an opinion without links comes to."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from xaisvc.caveats.conditional import MEDIUM_SHARE, second_opinion
from xaisvc.caveats.leading import are_top
from xaisvc.types.second_opinion import Gaps, SecondOpinion, Thresholds

SETS = ((0, 3, 4), (1, 5))
TOGETHER = np.array([0.4, 1.0])


def by_definition(  # noqa: PLR0913, PLR0917 - what is known of the values, of the players, and what counts
    values: np.ndarray, own: np.ndarray, gaps: Gaps, unused: np.ndarray, relied: np.ndarray, limits: Thresholds
) -> SecondOpinion:
    """Every sentence of `SecondOpinion` and `Thresholds` as arrays."""
    told = np.isfinite(gaps.errors).all(axis=0)
    errors = np.where(told & (gaps.linked | ~unused), gaps.errors, 0.0)
    conditional = values + gaps.values
    total = np.abs(values).sum(axis=1, keepdims=True)
    size, other = np.abs(gaps.values), np.abs(conditional)
    gap = told & (size > np.maximum(limits.gap_share * total, limits.gap_errors * errors)) & (total > 0)
    least = np.minimum(np.abs(values), other)
    sign = told & (values * conditional < 0) & (least > limits.sign_share * total)
    sign &= other > limits.sign_errors * errors
    credited = told & unused & (other > np.maximum(limits.unused_share * total, limits.unused_errors * errors))
    credited &= total > 0
    hidden = gap & relied & (other < limits.hidden_share * total)
    near, far = limits.interval_errors * own, limits.interval_errors * np.hypot(errors, own)
    low, high = np.minimum(values - near, conditional - far), np.maximum(values + near, conditional + far)
    before, after = are_top(values), are_top(conditional)
    rows = np.arange(len(values))
    new = np.where(after & ~before, other, -np.inf).argmax(axis=1)
    old = np.where(before & ~after, other, np.inf).argmin(axis=1)
    lead = other[rows, new] - other[rows, old]
    top = (after != before).any(axis=1) & (lead > np.hypot(errors[rows, new], errors[rows, old])) & gap.any(axis=1)
    moved = np.divide(size.sum(axis=1) / 2, total[:, 0], out=np.zeros(len(values)), where=total[:, 0] > 0)
    worst = sign.any(axis=1) | top | (credited & after).any(axis=1)
    speaks = gap.any(axis=1) | sign.any(axis=1) | credited.any(axis=1)
    severity = np.where(speaks, np.where(worst, 3, np.where(moved > MEDIUM_SHARE, 2, 1)), 0)
    sums = np.stack([values[:, one].sum(axis=1) for one in gaps.sets], axis=1)
    sum_errors = np.stack([own[:, one].sum(axis=1) for one in gaps.sets], axis=1) * TOGETHER
    reach = limits.interval_errors * np.hypot(gaps.total_errors, sum_errors)
    return SecondOpinion(
        conditional=conditional,
        low=np.where(told, low, -np.inf),
        high=np.where(told, high, np.inf),
        gap=gap,
        sign=sign,
        unused=credited,
        hidden=hidden,
        top_changes=top,
        moved=moved,
        severity=severity.astype(np.int8),
        told=told,
        sets=gaps.sets,
        set_values=sums,
        set_low=np.minimum(sums - limits.interval_errors * sum_errors, sums + gaps.totals - reach),
        set_high=np.maximum(sums + limits.interval_errors * sum_errors, sums + gaps.totals + reach),
    )


@pytest.mark.parametrize("limits", [Thresholds(), Thresholds(gap_share=0.0, sign_share=0.0, interval_errors=1.0)])
def test_the_compiled_judgement_is_the_definition(limits: Thresholds) -> None:
    rng = np.random.default_rng(7)
    n, p = 400, 8
    values = rng.normal(size=(n, p)) * rng.choice([0.02, 1.0], (n, p))
    values[:3] = 0.0
    linked = np.array([True, True, False, True, True, True, True, False])
    unused = np.array([False, True, False, False, False, False, False, True])
    values[:, unused] = 0.0
    found = np.where(linked, rng.normal(size=(n, p)) * rng.choice([0.0, 0.1, 1.0], (n, 1)), 0.0)
    # Some gaps take nearly everything away, so that players hide.
    found[::4, 0] = -0.99 * values[::4, 0]
    errors = np.abs(rng.normal(size=(n, p))) * 0.1
    errors[:, 6] = np.inf
    found[:, 6] = 0.0
    gaps = Gaps(
        values=found,
        errors=errors,
        sets=SETS,
        totals=rng.normal(size=(n, 2)),
        total_errors=np.abs(rng.normal(size=(n, 2))),
        linked=linked,
    )
    own = np.abs(rng.normal(size=(n, p))) * 0.02
    relied = np.arange(p) < 4

    said = second_opinion(values, own, gaps, unused, relied=relied, together=TOGETHER, thresholds=limits)
    expected = by_definition(values, own, gaps, unused, relied, limits)

    for field in fields(SecondOpinion):
        one, other = getattr(said, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray) and other.dtype == np.float64:
            # Sums of eight numbers in another order; hypot may differ in the last place.
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14, err_msg=field.name)
        else:
            assert np.array_equal(one, other) if isinstance(other, np.ndarray) else one == other, field.name
    for name in ("gap", "sign", "unused", "hidden", "top_changes"):
        assert 0 < getattr(expected, name).mean() < 1, name
    assert set(expected.severity.tolist()) == {0, 1, 2, 3}


def test_without_links_and_unused_players_nothing_differs() -> None:
    rng = np.random.default_rng(8)
    values, own = rng.normal(size=(20, 4)), np.full((20, 4), 0.1)
    empty = np.zeros((20, 0))
    nobody = np.zeros(4, dtype=np.bool_)
    alone = Gaps(
        values=np.zeros((20, 4)), errors=np.zeros((20, 4)), sets=(), totals=empty, total_errors=empty, linked=nobody
    )

    said = second_opinion(values, own, alone, nobody)

    np.testing.assert_array_equal(said.conditional, values)
    np.testing.assert_array_equal(said.low, values - 2.3 * own)
    np.testing.assert_array_equal(said.high, values + 2.3 * own)
    for name in ("gap", "sign", "unused", "hidden", "top_changes", "moved", "severity"):
        assert not getattr(said, name).any(), name
    assert said.set_values.shape == said.set_low.shape == said.set_high.shape == (20, 0)
