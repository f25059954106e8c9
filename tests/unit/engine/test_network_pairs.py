"""Designs on compiled networks against the plain way, which asks the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.engine.games import Case, assert_alike, load, nothing
from tests.unit.engine.mixing_models import FLOAT, STRING, model, node, numbers, weights
from xaisvc.engine import network as module
from xaisvc.engine.network_pairs import NetworkPairs
from xaisvc.errors import ModelOutputError
from xaisvc.types import Table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

COMPILED = "Coalitions are evaluated inside the model's graph, its dense layers compiled into one loop."


def classifier(units: int = 40) -> tuple[bytes, pd.DataFrame]:
    """A share of two classes, from five numbers and a look-up of text."""
    nodes = [
        node("Sub", ["x", "mean"], ["centred"]),
        node("Div", ["centred", "sd"], ["scaled"]),
        node(
            "LabelEncoder",
            ["home"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["own", "rent"],
            values_floats=[1.0, -2.0],
            default_float=0.5,
        ),
        node("Concat", ["scaled", "code"], ["all"], axis=1),
        node("Gemm", ["all", "w", "c"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["g"]),
        node("Tanh", ["g"], ["t"]),
        node("MatMul", ["t", "u"], ["s"]),
        node("Softmax", ["s"], ["p"], axis=1),
        node("Gather", ["p", "second"], ["y"], axis=1),
    ]
    constants = {
        "mean": weights(5),
        "sd": np.linspace(0.5, 2.0, 5).astype(np.float32),
        "w": weights(6, units),
        "c": weights(units),
        "v": weights(units, 33) / 6,
        "u": weights(33, 2) / 6,
        "second": np.array([1]),
    }
    inputs = {"x": (FLOAT, [None, 5]), "home": (STRING, [None, 1])}
    data = numbers(*"abcde").assign(home=np.random.default_rng(1).choice(["own", "rent", "free"], 60))
    return model(nodes, inputs, constants), data


def scores() -> tuple[bytes, pd.DataFrame]:
    """Three numbers, one hidden layer, a plain score."""
    nodes = [
        node("Gemm", ["x", "w"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    return model(nodes, {"x": (FLOAT, [None, 3])}, {"w": weights(3, 32), "v": weights(32, 1)}), numbers(*"abc")


def network_pairs(case: Case, own_rows: int | None = None, q: int = 9) -> NetworkPairs:
    pairs = case.games.evaluate(case.design(q=q, own_rows=own_rows))
    assert isinstance(pairs, NetworkPairs)
    return pairs


@pytest.mark.parametrize("own_rows", [None, 7])
@pytest.mark.parametrize("made", [classifier, scores])
def test_networks_give_what_the_plain_way_gives(made: object, own_rows: int | None, tmp_path: Path) -> None:
    case = load(made(), tmp_path)  # type: ignore[operator]
    design = case.design(own_rows=own_rows)

    pairs = network_pairs(case, own_rows)

    assert pairs.detail == COMPILED
    assert_alike(pairs(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing))


def test_groups_share_their_columns(tmp_path: Path) -> None:
    case = load(classifier(), tmp_path, players={"amounts": ("a", "b", "e"), "home": ("home", "c"), "d": ("d",)})
    design = case.design()

    assert_alike(network_pairs(case)(case.rows, nothing), case.plain.evaluate(design)(case.rows, nothing))


def test_a_row_has_the_same_bits_alone_in_company_and_in_threads(tmp_path: Path) -> None:
    alone = load(classifier(), tmp_path / "one")
    many = load(classifier(), tmp_path / "two", threads=3)
    pairs, spread = network_pairs(alone, q=120), network_pairs(many, q=120)

    together = pairs(alone.rows, nothing)
    threaded = spread(many.rows, nothing)
    single = [pairs(alone.rows.take([i]), nothing) for i in range(len(alone.rows))]

    for name in ("on", "off", "outputs"):
        np.testing.assert_array_equal(getattr(threaded, name), getattr(together, name))
        np.testing.assert_array_equal(np.concatenate([getattr(one, name) for one in single]), getattr(together, name))


def test_tables_too_large_to_keep_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load(classifier(), tmp_path)
    kept = network_pairs(case, q=120)
    before = kept(case.rows, nothing)
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 0)

    made = network_pairs(load(classifier(), tmp_path / "again"), q=120)
    found = made(case.rows, nothing)

    assert made.design.held_bytes < kept.design.held_bytes
    np.testing.assert_array_equal(found.on, before.on)


def test_work_is_given_up_between_pieces(tmp_path: Path) -> None:
    case = load(classifier(), tmp_path)
    pairs = network_pairs(case, q=150)
    asked = []

    def check() -> None:
        asked.append(None)
        if len(asked) > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairs(case.rows, check)

    assert len(pairs.design.pieces) > len(asked)


def test_a_row_without_an_answer_is_named_as_ever(tmp_path: Path) -> None:
    case = load(scores(), tmp_path)
    columns = {name: np.array(values, dtype=np.float64) for name, values in case.rows.columns.items()}
    columns["a"][2] = np.nan

    with pytest.raises(ModelOutputError, match="answered 1 of 1 rows with a number that is not finite"):
        network_pairs(case)(Table(columns), nothing)


@pytest.mark.parametrize("units", [31, module.MOST_UNITS + 1])
def test_narrow_and_very_wide_layers_are_left_to_the_graph(units: int, tmp_path: Path) -> None:
    case = load(classifier(units), tmp_path)

    assert not isinstance(case.games.evaluate(case.design()), NetworkPairs)


def test_a_network_that_differs_from_its_model_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.CompiledNetwork.of

    def wrong(network: object) -> object:
        found = right(network)  # type: ignore[arg-type]
        found.bias[0] += 0.1
        return found

    monkeypatch.setattr(module.CompiledNetwork, "of", staticmethod(wrong))

    case = load(classifier(), tmp_path)

    assert not isinstance(case.games.evaluate(case.design()), NetworkPairs)
