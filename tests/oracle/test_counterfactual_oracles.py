"""Counterfactuals against plain enumeration on the ONNX file, and against the closed form of a linear model.

The enumeration shares nothing with the search: it lists the declared values itself, asks ONNX Runtime directly, and
holds every combination against the support one by one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

import xaisvc
from xaisvc.bundles import write_manifest
from xaisvc.caveats.support_row import RowScreen, row_support
from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.engine.explainer import Explainer
from xaisvc.types import Adverse, Change, Direction, Kind, Outcome, Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xaisvc.types import RowCounterfactuals

THRESHOLD = 0.3
MODELS = ("german-credit-boosting", "german-credit-logistic")
LISTS: dict[str, list[Any]] = {
    "checking_account": ["from_200"],
    "duration_months": [float(months) for months in range(12, 61, 3)],
    "amount_dm": [float(amount) for amount in range(1000, 15001, 100)],
    "other_instalment_plans": ["no_other"],
    "other_debtors": ["co_applicant", "guarantor"],
}
ONLY_DOWN = ("duration_months", "amount_dm")
ROUNDING = 1e-9  # sums of two quotients, and of some hundred terms of size 1, in float64


class Enumeration:
    """Every declared change of one feature and of two, asked one by one."""

    def __init__(self, name: str) -> None:
        self.explainer = Explainer(BUNDLES / name, "cpu", threads=1)
        self.background = self.explainer.bundle.background
        self.session = onnxruntime.InferenceSession(self.explainer.bundle.model, providers=["CPUExecutionProvider"])
        self.screen = RowScreen.of(self.explainer._loaded.studies.support())
        self.spread = {
            name: float(np.subtract(*np.percentile(self.background.columns[name], [75, 25]))) / 1.349
            for name in ONLY_DOWN
        }

    def probability(self, rows: Table) -> np.ndarray:
        feeds = {
            node.name: rows.columns[node.name]
            .astype(object if node.type == "tensor(string)" else np.float32)
            .reshape(-1, 1)
            for node in self.session.get_inputs()
        }
        return self.session.run(["probabilities"], feeds)[0][:, 1].astype(np.float64)

    def others(self, row: Table, feature: str) -> list[Any]:
        own = row.columns[feature][0]
        return [value for value in LISTS[feature] if (value < own if feature in ONLY_DOWN else value != own)]

    def cost(self, row: Table, feature: str, value: Any) -> float:
        return abs(value - row.columns[feature][0]) / self.spread[feature] if feature in ONLY_DOWN else 1.0

    def good(self, row: Table, features: tuple[str, ...], values: list[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """The combinations that change the decision in a row that is supported."""
        if not values:
            return set()
        changed = {name: np.repeat(column, len(values)) for name, column in row.columns.items()}
        for place, feature in enumerate(features):
            changed[feature] = np.array([value[place] for value in values], dtype=changed[feature].dtype)
        table = Table(changed)
        own, found = row_support(self.screen, row), row_support(self.screen, table)
        reached = self.probability(table) < THRESHOLD
        kept = set()
        for i, value in enumerate(values):
            if not reached[i]:
                continue
            fine = True
            for j in range(len(table.columns)):
                fine &= bool(own.out_of_range[0, j] or not found.out_of_range[i, j])  # all only go down: no further out
                fine &= bool(own.unknown[0, j] or not found.unknown[i, j])
            fine &= not found.implausible[i] or bool(found.discord[i] <= own.discord[0] + ROUNDING)
            if fine:
                kept.add(value)
        return kept

    def single(self, row: Table, feature: str) -> tuple[float, list[Any]]:
        """Smallest change and region of one feature; infinite and empty if there is none."""
        good = {value for (value,) in self.good(row, (feature,), [(value,) for value in self.others(row, feature)])}
        if feature not in ONLY_DOWN:
            return (1.0, [value for value in LISTS[feature] if value in good]) if good else (float("inf"), [])
        if not good:
            return float("inf"), []
        region = [max(good)]
        for value in sorted(self.others(row, feature), reverse=True):
            if value < region[-1]:
                if value not in good:
                    break
                region.append(value)
        return self.cost(row, feature, max(good)), region

    def pair(self, row: Table, one: str, other: str, enough: dict[str, float]) -> tuple[float, set[tuple[Any, Any]]]:
        """Smallest change of two features that are each nearer than what is enough alone, and all that are good."""
        values = [
            (u, v)
            for u, v in product(self.others(row, one), self.others(row, other))
            if self.cost(row, one, u) < enough[one] and self.cost(row, other, v) < enough[other]
        ]
        good = self.good(row, (one, other), values)
        costs = [self.cost(row, one, u) + self.cost(row, other, v) for u, v in good]
        return min(costs, default=float("inf")), good

    def adverse_rows(self) -> list[Table]:
        cases = self.explainer.bundle.background
        parsed = [self.explainer._parse([case.row]) for case in load_cases()]
        rows = [cases.take([i]) for i in range(30)] + parsed
        return [row for row in rows if self.probability(row)[0] >= THRESHOLD]


@cache
def enumeration(name: str) -> Enumeration:
    return Enumeration(name)


def _values(changes: Any) -> Iterable[Any]:
    if changes.targets:
        return changes.targets
    low, high = changes.region
    return [value for value in LISTS[changes.feature] if low <= value <= high]


def _agrees(oracle: Enumeration, row: Table, found: RowCounterfactuals) -> bool:
    """Whether the search says what enumeration says of one row."""
    candidates = {one.features: one for one in found.candidates}
    enough, expected = {}, set()
    for feature in LISTS:
        enough[feature], region = oracle.single(row, feature)
        if not region:
            continue
        expected.add((feature,))
        one = candidates.get((feature,))
        if one is None or abs(one.size - enough[feature]) > ROUNDING or set(_values(one.changes[0])) != set(region):
            return False
    order = list(oracle.background.feature_ids)
    for one, other in combinations(sorted(LISTS, key=order.index), 2):
        size, good = oracle.pair(row, one, other, enough)
        if not good or size >= min(enough[one], enough[other]):
            continue
        expected.add((one, other))
        pair = candidates.get((one, other))
        if pair is None or abs(pair.size - size) > ROUNDING:
            return False
        if not set(product(*map(_values, pair.changes))) <= good:
            return False
    return set(candidates) == expected and found.complete


@pytest.mark.parametrize("name", MODELS)
def test_the_search_finds_what_enumeration_finds(name: str) -> None:
    oracle = enumeration(name)
    rows = oracle.adverse_rows()
    outcomes = set()
    for row in rows:
        (found,) = oracle.explainer.counterfactuals(row, limit=10)
        assert _agrees(oracle, row, found), found
        outcomes.add(found.outcome)
    assert outcomes == {Outcome.FOUND, Outcome.NONE_FOUND}
    assert len(rows) >= 10


def test_the_comparison_sees_a_difference() -> None:
    oracle = enumeration(MODELS[1])
    (row, found) = next(
        (row, found)
        for row in oracle.adverse_rows()
        if len((found := oracle.explainer.counterfactuals(row, limit=10)[0]).candidates) > 1
    )

    assert _agrees(oracle, row, found)
    first = found.candidates[0]
    assert not _agrees(oracle, row, replace(found, candidates=found.candidates[1:]))
    assert not _agrees(oracle, row, replace(found, candidates=(replace(first, size=first.size + 0.1),)))
    none = replace(first, changes=(replace(first.changes[0], targets=("no_such",)), *first.changes[1:]))
    assert not _agrees(oracle, row, replace(found, candidates=(none, *found.candidates[1:])))


WEIGHTS = {"a": 2.0, "b": -0.5, "c": 1.0}
LIMIT = 3.0


def _linear_model() -> bytes:
    """y = 2 a - b / 2 + c, from three named tensors."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Mul", [name, f"w_{name}"], [f"part_{name}"]) for name in WEIGHTS]
    nodes += [
        helper.make_node("Add", ["part_a", "part_b"], ["part_ab"]),
        helper.make_node("Add", ["part_ab", "part_c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in WEIGHTS],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(np.array([weight], dtype=np.float32), f"w_{n}") for n, weight in WEIGHTS.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("adverse", Adverse)
def test_the_smallest_change_of_a_linear_model_is_its_margin_over_the_coefficient(
    tmp_path: Path, adverse: Adverse
) -> None:
    step = 0.125  # exact in float32, so that the answer is exact but for the sum's rounding
    rng = np.random.default_rng(5)
    background = pd.DataFrame({name: rng.normal(size=200).astype(np.float32) for name in WEIGHTS})
    bundle = xaisvc.create_bundle(model=_linear_model(), background=background, path=tmp_path / "linear")
    sign = 1.0 if adverse is Adverse.HIGHER else -1.0
    better = {name: Direction.DECREASE if sign * weight > 0 else Direction.INCREASE for name, weight in WEIGHTS.items()}
    features = tuple(
        replace(one, kind=Kind.NUMERIC, change=Change(direction=better[one.id], minimum=-8.0, maximum=8.0, step=step))
        if one.id in {"a", "b"}
        else one
        for one in bundle.description.features
    )
    output = replace(bundle.description.outputs[0], adverse=adverse, threshold=LIMIT * sign)
    manifest = write_manifest(replace(bundle.description, features=features, outputs=(output,)))
    (tmp_path / "linear" / "bundle.yaml").write_text(manifest, encoding="utf-8")
    explainer = Explainer(tmp_path / "linear", "cpu")

    rows = {name: (sign * np.array([1.1, 1.7, 1.2, -1.0]) * np.sign(w)).tolist() for name, w in WEIGHTS.items()}
    found = explainer.counterfactuals(pd.DataFrame(rows), max_changes=1)
    support = explainer._loaded.studies.support()
    for i, row in enumerate(found):
        own = {name: float(np.float32(values[i])) for name, values in rows.items()}
        excess = sign * (sum(WEIGHTS[name] * value for name, value in own.items()) - LIMIT * sign)
        assert row.adverse == (excess >= 0)
        offered = {one.features[0]: one for one in row.candidates}
        for name in ("a", "b"):
            needed = own[name] - sign * excess / WEIGHTS[name]  # the value at which the output is at the threshold
            place = explainer.bundle.description.feature_ids.index(name)
            down = better[name] is Direction.DECREASE
            expected = np.floor(needed / step) * step if down else np.ceil(needed / step) * step
            within = support.floors[place] <= expected <= support.ceilings[place]
            assert (name in offered) == (row.adverse and bool(within)), (i, name)
            if name in offered:
                change = offered[name].changes[0]
                low, high = np.percentile(background[name], [25, 75])
                assert change.nearest == expected
                assert offered[name].size == pytest.approx(
                    abs(expected - rows[name][i]) / (high - low) * 1.349, rel=1e-6
                )
    assert any(row.candidates for row in found)
    assert not all(row.adverse for row in found)
