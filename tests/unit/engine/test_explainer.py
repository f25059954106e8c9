from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.engine.conftest import frozen_surroundings
from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.engine import loaded
from xaisvc.engine.explainer import Explainer
from xaisvc.errors import BundleChangedError, InvalidRequestError, InvalidRowsError, ModelOutputError, NotFoundError
from xaisvc.types import Deadline, ErrorTarget, Space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from xaisvc.graphs import Scorer
    from xaisvc.types import BundleDescription, Output, Players, Table

ROWS = pd.DataFrame({"a": [1.0, 2.0, 0.75], "b": [0.5, -1.0, 0.25]})


def test_values_are_the_closed_form_of_a_sum(explainer: Explainer) -> None:
    # f = log(a) + 2 b is additive, so each value is the term minus its mean over the background.
    background = explainer.bundle.background.columns
    batch = explainer.explain(ROWS)
    expected = np.column_stack(
        [
            np.log(ROWS["a"]) - np.log(background["a"]).mean(),
            2 * (ROWS["b"] - background["b"].mean()),
        ]
    )

    np.testing.assert_allclose(batch.values, expected, rtol=0, atol=1e-6)  # the graph computes in float32
    np.testing.assert_allclose(batch.outputs, np.log(ROWS["a"]) + 2 * ROWS["b"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(batch.predictions, batch.outputs)
    assert batch.exact
    assert batch.space is Space.RAW
    assert not batch.standard_errors.any()


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        ROWS[["b", "a"]],
        ROWS.to_dict("list"),
        ROWS.to_dict("records"),
        ROWS.to_numpy(),
    ],
    ids=["frame", "frame in another order", "columns", "mappings", "array"],
)
def test_every_form_of_rows_gives_the_same_answer(explainer: Explainer, rows: object) -> None:
    np.testing.assert_array_equal(explainer.explain(rows).values, explainer.explain(ROWS).values)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["kernel", "permutation", "lime"])
def test_a_row_is_answered_alike_alone_in_a_batch_and_in_another_order(explainer: Explainer, method: str) -> None:
    batch = explainer.explain(ROWS, method=method, budget=None, seed=5)
    turned = explainer.explain(ROWS[::-1].reset_index(drop=True), method=method, seed=5)
    alone = explainer.explain(ROWS[1:2], method=method, seed=5)

    np.testing.assert_array_equal(turned.values[::-1], batch.values)
    np.testing.assert_array_equal(alone.values[0], batch.values[1])


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (0, "the budget must be positive and finite"),
        (-3, "the budget must be positive"),
        (True, "must be a whole number of coalitions"),
        (2.5, "must be a whole number of coalitions"),
        (ErrorTarget(0.0), "ErrorTarget must be positive"),
        (ErrorTarget(float("nan")), "ErrorTarget must be positive and finite"),
        (Deadline(-1.0), "Deadline must be positive and finite"),
    ],
)
def test_a_budget_that_makes_no_sense_is_named(explainer: Explainer, budget: object, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"budget: {words}"):
        explainer.explain(ROWS, budget=budget)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 1.5, True])
def test_a_seed_must_be_a_whole_number_of_64_bits(explainer: Explainer, seed: object) -> None:
    with pytest.raises(InvalidRequestError, match="seed: must be a whole number of at most 64 bits"):
        explainer.explain(ROWS, seed=seed)  # type: ignore[arg-type]


def test_what_calls_share_changes_no_answer(bundle_dir: Path) -> None:
    asked: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"method": "kernel", "seed": 1},
        {"method": "kernel", "seed": 1, "budget": 2},
        {"budget": 64},
        {"space": "raw", "output": "y"},
        {"space": Space.RAW, "players": "clusters"},
        {"players": {"both": ("a", "b")}},
        {"seed": 1, "cancel": lambda: False},
    ]
    explainer = Explainer(bundle_dir, "cpu", surroundings=frozen_surroundings())
    for choices in (*asked, *reversed(asked)):
        record = explainer.explain(ROWS[:1], **choices)[0].record
        expected = (
            Explainer(bundle_dir, "cpu", surroundings=frozen_surroundings()).explain(ROWS[:1], **choices)[0].record
        )

        assert replace(record, id=expected.id) == expected


@pytest.mark.parametrize(("name", "value"), [("seed", True), ("seed", 1.0), ("space", "RAW"), ("output", "Y")])
def test_what_is_refused_is_refused_after_what_looks_alike(explainer: Explainer, name: str, value: object) -> None:
    explainer.explain(ROWS, seed=1, space="raw", output="y")
    with pytest.raises((InvalidRequestError, NotFoundError)):
        explainer.explain(ROWS, **{"seed": 1, "space": "raw", "output": "y", name: value})  # type: ignore[arg-type]


def test_unknown_names_list_the_known_ones(explainer: Explainer, bundle_dir: Path) -> None:
    with pytest.raises(NotFoundError, match="has no output 'z'; it has: y"):
        explainer.explain(ROWS, output="z")
    with pytest.raises(InvalidRequestError, match="space: 'percent' is not one of probability, log_odds, raw"):
        explainer.explain(ROWS, space="percent")
    with pytest.raises(InvalidRequestError, match=r"'shapley'.*kernel"):
        explainer.explain(ROWS, method="shapley")
    with pytest.raises(InvalidRequestError, match="device: 'tpu' is not one of auto, cpu, cuda"):
        Explainer(bundle_dir, "tpu")  # type: ignore[arg-type]


def test_every_wrong_field_is_named(explainer: Explainer) -> None:
    with pytest.raises(InvalidRowsError) as caught:
        explainer.explain([{"a": "much", "b": 1.0}, {"a": 1.0}])

    assert [v.field for v in caught.value.violations] == ["rows[0].a", "rows[1].b"]


def test_an_answer_that_is_not_finite_is_refused(explainer: Explainer) -> None:
    with pytest.raises(ModelOutputError, match="not finite"):
        explainer.explain([{"a": 0.0, "b": 1.0}])


def test_a_changed_file_is_never_served(explainer: Explainer, bundle_dir: Path) -> None:
    model = bundle_dir / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(bytes(content))

    with pytest.raises(BundleChangedError, match=r"model\.onnx"):
        explainer.explain(ROWS)


def test_the_record_holds_everything(explainer: Explainer) -> None:
    record = explainer.explain(ROWS)[1].record

    assert record.id == "id-2"
    assert record.created_at == "2026-11-21T12:00:00.123Z"
    assert record.bundle == "log-model"
    assert record.row == {"a": 2.0, "b": -1.0}
    assert record.output.prediction == pytest.approx(np.log(2) - 2, abs=1e-6)
    assert record.output.adverse is None
    assert [player.player for player in record.attribution.players] == ["a", "b"]
    assert record.digests == explainer.bundle.digests
    assert record.portfolio is not None
    assert record.portfolio.rows == 60
    assert record.portfolio.adverse_share is None
    total = record.attribution.base_value + sum(player.value for player in record.attribution.players)
    assert total == pytest.approx(record.attribution.output, abs=1e-6)


def test_the_budget_is_recorded_in_words(explainer: Explainer) -> None:
    wide = explainer.explain(ROWS[:1], method="lime", budget=600)
    exact = explainer.explain(ROWS[:1], method="exact", budget=600)

    assert wide[0].record.attribution.budget == "600 samples"
    assert exact[0].record.attribution.budget == ""


def test_a_batch_reads_like_a_sequence(explainer: Explainer) -> None:
    batch = explainer.explain(ROWS)

    assert len(batch) == 3
    assert [explanation.id for explanation in batch] == list(batch.ids)
    assert batch[-1].id == batch.ids[2]
    assert [explanation.id for explanation in batch[1:]] == list(batch.ids[1:])
    with pytest.raises(IndexError):
        batch[3]


def test_players_of_the_bundle_are_made_once_and_those_of_a_caller_are_not_kept(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    real = loaded.make_players

    def counted(description: BundleDescription, players: str, clusters: Callable[[], Any]) -> Players:
        made.append(players)
        return real(description, players, clusters)

    monkeypatch.setattr(loaded, "make_players", counted)
    for players in ("clusters", "clusters", {"both": ["a", "b"]}, {"both": ["a", "b"]}):
        explainer.explain(ROWS, players=players)  # type: ignore[arg-type]

    assert made == ["clusters", {"both": ["a", "b"]}, {"both": ["a", "b"]}]
    with pytest.raises(InvalidRequestError, match="players"):
        explainer.explain(ROWS, players="teams")


def test_the_answer_says_why_this_method_ran_and_how(explainer: Explainer) -> None:
    sampled = explainer.explain(ROWS, method="permutation").detail
    chosen = explainer.explain(ROWS).detail

    assert sampled.startswith("'permutation' was asked for. Permutation sampling from ")
    assert chosen.startswith("Auto chose 'linear': exact for this model. ")
    assert chosen.endswith(".")
    assert ".." not in chosen + sampled


def test_a_batch_says_what_it_is_without_the_values_of_rows(explainer: Explainer) -> None:
    batch = explainer.explain(ROWS)

    assert repr(batch) == "<ExplanationBatch of 3 rows x 2 players: log-model, y in raw, linear (exact)>"
    with pytest.raises(IndexError, match="there is no row 3; the batch has 3 rows"):
        batch[3]


def test_every_plot_of_shap_can_be_drawn(explainer: Explainer) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import shap

    explanation = explainer.explain(ROWS).to_shap()

    assert explanation.feature_names == ["a", "b"]
    assert explanation.data.dtype == np.float64
    shap.plots.waterfall(explanation[0], show=False)
    shap.plots.beeswarm(explanation, show=False)
    shap.plots.violin(explanation, show=False)


def test_log_odds_that_do_not_give_the_probability_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    read = loaded.plan_scorer

    def misread(model: bytes, output: Output, space: Space) -> Scorer:
        scorer = read(model, output, space)
        # The other class of the same node: its score is the negated one.
        return scorer if space is Space.PROBABILITY else replace(scorer, column=0)

    monkeypatch.setattr(loaded, "plan_scorer", misread)

    with pytest.raises(ModelOutputError, match="log-odds of output 'default_risk' do not give its probabilities"):
        Explainer(BUNDLES / "german-credit-boosting", "cpu").explain([load_cases()[0].row])


@pytest.mark.parametrize("name", ["german-credit-boosting", "german-credit-logistic"])
def test_an_exact_explanation_in_log_odds_scores_each_row_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer(BUNDLES / name, "cpu", threads=1)
    rows = [case.row for case in load_cases()]
    explainer.explain(rows)  # what is worked out once per bundle
    scored: list[tuple[Space, int]] = []
    score = loaded.ScoringModel.__call__
    target = explainer.bundle.description.output(None)
    tensor = explainer._loaded.scoring(target, Space.PROBABILITY)

    def counted(model: loaded.ScoringModel, table: Table) -> NDArray[np.float64]:
        scored.append((Space.PROBABILITY if model is tensor else Space.LOG_ODDS, len(table)))
        return score(model, table)

    monkeypatch.setattr(loaded.ScoringModel, "__call__", counted)
    batch = explainer.explain(rows)

    assert (batch.exact, batch.space) == (True, Space.LOG_ODDS)
    assert scored == [(Space.PROBABILITY, len(rows))]


def test_predictions_are_the_bits_of_the_model_itself() -> None:
    explainer = Explainer(BUNDLES / "german-credit-boosting", "cpu", threads=2)
    background = explainer.bundle.background
    batch = explainer.explain(background)

    np.testing.assert_array_equal(batch.predictions, explainer.predict(background))
    assert batch.attribution.predictions is None  # they are the batch's, where rows that repeat have theirs


def test_a_method_that_is_not_exact_has_predictions_of_the_tensor_too() -> None:
    explainer = Explainer(BUNDLES / "german-credit-boosting", "cpu", threads=1)
    background = explainer.bundle.background.take(slice(0, 3))
    batch = explainer.explain(background, method="permutation", budget=240)

    np.testing.assert_array_equal(batch.predictions, explainer.predict(background))
