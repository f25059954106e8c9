from __future__ import annotations

import numpy as np
import pytest

from xaisvc.errors import InvalidInputError
from xaisvc.structure import proxies
from xaisvc.structure.proxies import study_proxies
from xaisvc.types import Table

N = 300


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growing trees is most of the time, and no answer here rests on their number."""
    monkeypatch.setattr(proxies, "TREES", 8)


def _world(seed: int = 0) -> tuple[np.ndarray, Table]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 4))
    return x, Table({f"x{j}": x[:, j].copy() for j in range(4)})


def _groups(probability: np.ndarray, seed: int = 1) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(N) < probability, "f", "m").astype(object)


def test_nothing_tells_an_attribute_that_nothing_depends_on() -> None:
    _, table = _world()

    found = study_proxies(table, _groups(np.full(N, 0.5)), np.random.default_rng(0))

    assert found.together is not None
    assert not any(proxy.tells for proxy in (*found.features, found.together))
    assert found.refusal == ""


@pytest.mark.parametrize("shape", ["line", "size", "level"])
def test_the_feature_that_tells_is_found_whatever_the_shape(shape: str) -> None:
    x, table = _world()
    if shape == "line":
        groups = _groups(1 / (1 + np.exp(-2 * x[:, 0])))
    elif shape == "size":
        groups = _groups(np.where(np.abs(x[:, 0]) > 0.67, 0.9, 0.1))
    else:
        groups = _groups(np.where(x[:, 0] > 0, 0.9, 0.1))
        levels = np.array(["no", "yes"], dtype=object)[(x[:, 0] > 0).astype(int)]
        table = Table({**table.columns, "x0": levels})

    found = study_proxies(table, groups, np.random.default_rng(0))

    assert [proxy.source for proxy in found.features if proxy.tells] == ["x0"]
    assert found.features[0].area > 0.75


def test_two_features_that_tell_only_together_are_found_together() -> None:
    x, table = _world()
    groups = _groups(np.where(x[:, 0] * x[:, 1] > 0, 0.9, 0.1))

    found = study_proxies(table, groups, np.random.default_rng(0), clusters=[("x0", "x1"), ("x2", "x3")])

    assert not any(proxy.tells for proxy in found.features)
    assert [proxy.features for proxy in found.clusters if proxy.tells] == [("x0", "x1")]
    assert found.together is not None
    assert found.together.tells


def test_each_of_three_groups_is_told_from_the_others() -> None:
    x, table = _world()
    groups = np.array(["a", "b", "c"], dtype=object)[
        np.digitize(x[:, 2] + 0.5 * np.random.default_rng(2).standard_normal(N), [0, 1])
    ]

    found = study_proxies(table, groups, np.random.default_rng(0))

    assert [name for name, _ in found.groups] == ["a", "b", "c"]
    assert found.features[0].source == "x2"
    assert found.features[0].tells


def test_a_protected_number_is_cut_at_its_terciles() -> None:
    x, table = _world()

    found = study_proxies(table, x[:, 1] + 50, np.random.default_rng(0), attribute="age")

    assert [count for _, count in found.groups] == [100, 100, 100]
    assert found.features[0].source == "x1"


def test_a_proxy_matters_where_the_model_leans_on_it() -> None:
    x, table = _world()
    groups = _groups(1 / (1 + np.exp(-3 * x[:, 0])))
    shares = {"x0": 1.0, "x1": 50.0, "x2": 49.0}

    found = study_proxies(table, groups, np.random.default_rng(0), importance=shares)

    proxy = found.features[0]
    assert proxy.tells
    assert proxy.share == pytest.approx(0.01)
    assert not proxy.matters


def test_the_models_score_is_asked_as_it_is() -> None:
    x, table = _world()
    groups = _groups((x[:, 0] > 0).astype(float))

    found = study_proxies(table, groups, np.random.default_rng(0), score=-x[:, 0])

    assert found.score is not None
    assert found.score.area == 1.0


def test_the_same_seed_gives_the_same_answer() -> None:
    x, table = _world()
    groups = _groups(1 / (1 + np.exp(-x[:, 0])))

    assert repr(study_proxies(table, groups, np.random.default_rng(3))) == repr(
        study_proxies(table, groups, np.random.default_rng(3))
    )


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (np.array(["f"] * 199 + [None] * 101, dtype=object), "is known for 199 rows; at least 200"),
        (np.array(["f"] * 290 + ["m"] * 10, dtype=object), "at least two groups of 20 rows"),
    ],
)
def test_too_little_is_refused_with_the_reason(groups: np.ndarray, reason: str) -> None:
    _, table = _world()

    found = study_proxies(table, groups, np.random.default_rng(0), attribute="sex")

    assert reason in found.refusal
    assert found.features == ()


def test_bad_columns_are_borne() -> None:
    x, _ = _world()
    table = Table(
        {
            "constant": np.full(N, 1.0),
            "missing": np.full(N, np.nan),
            "codes": np.array([f"c{i}" for i in range(N)], dtype=object),
            "gap": np.where(x[:, 0] > 0, np.nan, 1.0),
        }
    )
    groups = _groups(np.where(x[:, 0] > 0, 0.9, 0.1))

    found = study_proxies(table, groups, np.random.default_rng(0))

    assert [proxy.source for proxy in found.features if proxy.tells] == ["gap"]  # that a value is missing tells


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": np.zeros(3)}, "3 scores for 300 rows"),
        ({"clusters": [("x0", "nobody")]}, "the table has not: nobody"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    _, table = _world()

    with pytest.raises(InvalidInputError, match=message):
        study_proxies(table, _groups(np.full(N, 0.5)), np.random.default_rng(0), **changes)  # type: ignore[arg-type]
