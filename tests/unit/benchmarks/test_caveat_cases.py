"""What is counted of caveats: cases beyond a bound count, cases between the bounds do not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.caveats.explained_cases import CACHE, KINDS, dependent_figures, fit, score_dependent
from benchmarks.caveats.lime_cases import stability
from benchmarks.caveats.public_cases import COPIES, TABLES, score_public, table
from benchmarks.caveats.studies import studies
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.types import Caveat, RobustNumber, Severity
from xaisvc.types.second_opinion import Thresholds

if TYPE_CHECKING:
    from benchmarks.caveats import Figure


def _by_name(figures: list[Figure]) -> dict[str, tuple[float, int]]:
    return {figure.name: (figure.value, figure.count) for figure in figures}


def test_caveats_are_held_against_both_true_values() -> None:
    marginal = np.array([[0.5, 0.0, 0.5], [0.5, 0.1, 0.4]])
    conditional = np.array([[0.3, 0.2, 0.5], [0.5, 0.1, 0.4]])
    robust = RobustNumber(players=("c0", "c1"), value=0.5, low=0.45, high=0.52)
    shared = Caveat(kind="shared_credit", severity=Severity.CARE, players=("c0", "c1"), robust=robust)
    again = Caveat(kind="attributed_but_unused", severity=Severity.CARE, players=("c1",), robust=robust)
    used = np.array([True, False, True])
    found = _by_name(dependent_figures([(shared, again), ()], marginal, conditional, used, "default"))

    assert found["shared credit is spoken of where the values differ"] == (1.0, 2)
    assert found["shared credit is spoken of where no value differs, per row"] == (0.0, 1)
    assert found["unused feature with conditional credit named"] == (1.0, 1)
    assert found["used feature called unused"] == (0.0, 4)
    assert found["robust number's interval holds both truths"] == (1.0, 1)
    assert found["half-width of the robust number's interval, share of T"] == (pytest.approx(0.035, abs=1e-12), 1)

    wrong = _by_name(dependent_figures([(), (shared, again)], marginal, conditional, ~used, "default"))
    assert wrong["shared credit is spoken of where the values differ"] == (0.0, 2)
    assert wrong["shared credit is spoken of where no value differs, per row"] == (1.0, 1)
    assert wrong["used feature called unused"] == (0.5, 2)
    # 0.6 in the second row lies above the interval.
    assert wrong["robust number's interval holds both truths"] == (0.0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_models_do_not_use_what_they_are_to_ignore(kind: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 4))
    model = fit(kind, x, (1,), rng)
    moved = x.copy()
    moved[:, 1] += 5.0

    np.testing.assert_array_equal(model.predict(moved), model.predict(x))
    moved[:, 0] += 5.0
    assert np.abs(model.predict(moved) - model.predict(x)).mean() > 0.01
    assert model.onnx


def test_lime_answers_are_stable_or_not_by_other_seeds() -> None:
    first = np.array([[3.0, 2.0, 1.0, 0.1, 0.0]] * 3)
    same, other = first.copy(), first.copy()
    same[2] = -first[2]  # every sign differs
    other[1] = [0.0, 0.1, 1.0, 2.0, 3.0]  # two of the three leaders are others
    unstable, stable = stability(first, np.stack([same, np.where(np.arange(3)[:, None] == 2, same, other)]))

    assert stable.tolist() == [True, False, False]
    # The second row shares 1 of 5 with one seed and all with the other: 0.6 on the mean, which is not below 0.6.
    assert unstable.tolist() == [False, False, True]


@pytest.mark.parametrize("name", TABLES)
def test_public_tables_are_there(name: str) -> None:
    columns = table(name)

    assert len(columns) > 8
    assert len({len(values) for values in columns.values()}) == 1


def test_copies_are_counted_one_by_one() -> None:
    found = _by_name(score_public("diabetes", 0, 200))

    assert {f"public tables: {copy} linked" for copy in COPIES} <= found.keys()
    assert found["public tables: negated copy linked"] == (1.0, 1)
    assert found["public tables: random column linked with another"][1] == 3


def test_studies_have_names_of_their_own_and_sources_that_exist() -> None:
    from benchmarks.caveats.provenance import code

    every = studies()

    assert len({study.name for study in every}) == len(every)
    for study in every:
        assert len(set(study.parts)) == len(study.parts) > 0
        assert len(code(study.sources)) == 12


def test_the_digest_follows_the_code() -> None:
    from benchmarks.caveats.provenance import code

    assert code(("benchmarks.caveats.unit_cases",)) != code(("benchmarks.caveats.proxy_cases",))
    assert code(("benchmarks.caveats.unit_cases",)) == code(("benchmarks.caveats.unit_cases",))


def test_an_explained_row_is_judged_by_each_set_of_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, "before")
    deaf = CaveatThresholds(opinion=Thresholds(gap_share=0.99, sign_share=0.99, unused_share=0.99))
    figures = score_dependent("complaint 0.9, linear", 1, 200, {"default": CaveatThresholds(), "yours": deaf})
    named = "unused feature with conditional credit named"
    by_setting = {figure.setting: figure for figure in figures if figure.name == named}

    assert by_setting["default"].count == by_setting["yours"].count > 0
    assert by_setting["default"].value == 1.0
    assert by_setting["yours"].value == 0.0
    assert os.environ[CACHE] == "before"
