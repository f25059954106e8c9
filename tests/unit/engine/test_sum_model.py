"""Sums of trees and linear terms scored without a runtime, against the runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import xaisvc
from tests.e2e.zoo import cases
from xaisvc.attribution import METHODS
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine import loaded as loaded_module
from xaisvc.engine.loaded import LoadedBundle
from xaisvc.engine.sum_model import SumModel, compile_sums
from xaisvc.graphs import fix_inputs
from xaisvc.runtimes import OrtRuntime
from xaisvc.types import Settings, Space, Table, TreeTerm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.engine.scoring import ScoringModel
    from xaisvc.types import Output

# The model adds its leaves in float32; seen 4e-7 of the largest answer.
FLOAT32 = 1e-6
TREES = sorted(name for name in cases("") if any(word in name for word in ("boost", "forest", "lightgbm")))


def loaded_case(name: str, folder: Path) -> LoadedBundle:
    case = cases(str(folder))[name]()
    xaisvc.create_bundle(model=case.model, background=case.data[:200], path=folder / "bundle")
    return LoadedBundle(xaisvc.load_bundle(folder / "bundle"), OrtRuntime(), "cpu", threads=1)


def spaces_of(output: Output) -> tuple[Space, ...]:
    return (Space.LOG_ODDS, Space.PROBABILITY) if output.tensor_space is Space.PROBABILITY else (output.space,)


@pytest.mark.parametrize("name", TREES)
def test_answers_are_the_models_own(name: str, tmp_path: Path) -> None:
    loaded = loaded_case(name, tmp_path)
    rows = loaded.bundle.background
    found = 0
    for output in loaded.bundle.description.outputs:
        for space in spaces_of(output):
            compiled = loaded.compiled(output, space)
            if compiled is None:
                continue
            scoring = loaded.scoring(output, space)
            expected = scoring(rows)
            scale = max(1.0, float(np.abs(expected).max()))

            assert isinstance(compiled, SumModel)
            np.testing.assert_allclose(compiled.answers(scoring.feeds(rows)), expected, rtol=0, atol=FLOAT32 * scale)
            assert expected.std() > 0
            found += 1
    assert found >= len(loaded.bundle.description.outputs)


def test_probabilities_of_boosted_trees_are_links_of_sums(tmp_path: Path) -> None:
    (tmp_path / "binary").mkdir()
    (tmp_path / "classes").mkdir()
    binary = loaded_case("lightgbm-binary", tmp_path / "binary")
    classes = loaded_case("xgboost-multiclass", tmp_path / "classes")
    one, several = (one.compiled(one.bundle.description.outputs[0], Space.PROBABILITY) for one in (binary, classes))

    assert isinstance(one, SumModel)
    assert isinstance(several, SumModel)
    assert (one.is_link, len(one.sums)) == (True, 1)
    assert (several.is_link, len(several.sums)) == (True, 3)


@pytest.mark.parametrize("name", ["linear-regression", "logistic-binary"])
def test_models_without_trees_are_not_compiled(name: str, tmp_path: Path) -> None:
    loaded = loaded_case(name, tmp_path)
    output = loaded.bundle.description.outputs[0]

    assert loaded.compiled(output, output.space) is None


def test_what_differs_from_the_model_is_not_used(tmp_path: Path) -> None:
    loaded = loaded_case("lightgbm-regression", tmp_path)
    output = loaded.bundle.description.outputs[0]
    honest, scoring = loaded.additive(output, output.space).model, loaded.scoring(output, output.space)
    assert honest is not None
    probes = loaded.bundle.background
    (term,) = honest.terms
    assert isinstance(term, TreeTerm)
    off = replace(term, trees=replace(term.trees, leaf_value=term.trees.leaf_value * (1 + 1e-3)))

    assert compile_sums([honest], scoring, probes, is_link=False) is not None
    assert compile_sums([replace(honest, terms=(off,))], scoring, probes, is_link=False) is None
    assert compile_sums([], scoring, probes, is_link=False) is None


@pytest.mark.parametrize("name", ["lightgbm-binary", "pipeline-boosting", "random-forest-regression"])
def test_lime_around_the_row_asks_the_runtime_about_rows_alone_and_gives_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = loaded_case(name, tmp_path)
    output = loaded.bundle.description.outputs[0]
    problem = loaded.problem(output, output.space, loaded.players("features"))
    rows: Table = loaded.bundle.background.take(slice(0, 5))
    settings = Settings(budget=1500, seed=0, row_seeds=[bytes(32)] * 5, clock=lambda: 0.0)
    method = METHODS["lime_continuous"]
    without = method.attribute(replace(problem, clouds=None, plans=None), rows, settings)
    scoring = loaded.scoring(output, output.space)
    asked: list[int] = []
    honest = type(scoring).answers

    def answers(self: ScoringModel, feeds: dict[str, np.ndarray], n: int) -> np.ndarray:
        asked.append(n)
        return honest(self, feeds, n)

    assert loaded.compiled(output, output.space) is not None
    monkeypatch.setattr(type(scoring), "answers", answers)
    found = method.attribute(problem, rows, settings)

    scale = max(float(np.abs(without.values).max()), float(np.abs(without.outputs).max()))
    assert asked == [1] * len(rows)  # each row itself, for its prediction
    assert np.abs(found.values - without.values).max() <= FLOAT32 * scale
    assert np.array_equal(found.outputs, scoring(rows))
    assert np.abs(found.values).max() > 0


def test_a_preprocessing_that_answers_otherwise_with_fixed_texts_is_not_used() -> None:
    loaded = LoadedBundle(xaisvc.load_bundle(BUNDLES / "german-credit-boosting"), OrtRuntime(), "cpu", threads=1)
    output, rows = loaded.bundle.description.outputs[0], loaded.bundle.background.take(slice(0, 30))
    compiled, feeds = loaded.compiled(output, Space.LOG_ODDS), loaded.scoring(output, Space.LOG_ODDS).feeds(rows)
    assert isinstance(compiled, SumModel)
    texts = {name: value for name, value in feeds.items() if value.dtype == np.object_}
    others = {name: np.roll(value, 1) for name, value in texts.items()}

    right, wrong = compiled.fixed(texts, feeds), compiled.fixed(others, feeds)

    assert [term.columns for term in wrong.terms] == [term.columns for term in compiled.terms]
    assert [term.columns for term in right.terms] != [term.columns for term in compiled.terms]
    numbers = {name: value for name, value in feeds.items() if name not in texts}
    np.testing.assert_array_equal(right.answers(numbers), compiled.answers(feeds))


def test_a_graph_of_one_row_at_a_time_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LoadedBundle(xaisvc.load_bundle(BUNDLES / "german-credit-boosting"), OrtRuntime(), "cpu", threads=1)
    output, rows = loaded.bundle.description.outputs[0], loaded.bundle.background.take(slice(0, 30))
    compiled, feeds = loaded.compiled(output, Space.LOG_ODDS), loaded.scoring(output, Space.LOG_ODDS).feeds(rows)
    assert isinstance(compiled, SumModel)
    texts = {name: value for name, value in feeds.items() if value.dtype == np.object_}

    def one_row(model: bytes, values: Mapping[str, NDArray[np.generic]]) -> bytes:
        return fix_inputs(model, {name: value[:1] for name, value in values.items()})

    monkeypatch.setattr(loaded_module, "fix_inputs", one_row)
    fixed = compiled.fixed(texts, feeds)

    assert [term.columns for term in fixed.terms] == [term.columns for term in compiled.terms]


@pytest.mark.parametrize("names", [(), ("not_there",)])
def test_nothing_is_fixed_where_nothing_is_the_same(names: tuple[str, ...], tmp_path: Path) -> None:
    loaded = loaded_case("lightgbm-binary", tmp_path)
    output, rows = loaded.bundle.description.outputs[0], loaded.bundle.background
    compiled, feeds = loaded.compiled(output, Space.LOG_ODDS), loaded.scoring(output, Space.LOG_ODDS).feeds(rows)
    assert isinstance(compiled, SumModel)

    for values in ({name: np.zeros(len(rows)) for name in names}, feeds):  # all that enters: nothing would be left
        fixed = compiled.fixed(values, feeds)

        assert [term.columns for term in fixed.terms] == [term.columns for term in compiled.terms]
