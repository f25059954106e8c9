"""Studies of a bundle: made when asked for, once, the same wherever they are made, and kept."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xaisvc.structure.association as association_module
from xaisvc.attribution.groups import custom_players
from xaisvc.demo.cases import BUNDLES
from xaisvc.engine import studies as studies_module
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.studies import linked_players
from xaisvc.engine.studies_text import describe_studies
from xaisvc.engine.study_codec import encode_study
from xaisvc.errors import ModelOutputError
from xaisvc.types import Players
from xaisvc.types.association import Association, Power, Redundancy, Route
from xaisvc.types.reliance import Use

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 3, 31)
BUNDLE = BUNDLES / "german-credit-boosting"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that nobody has used."""
    monkeypatch.setenv("XAISVC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def association(f: int, pairs: list[tuple[int, int]], redundancies: tuple[Redundancy, ...] = ()) -> Association:
    linked = np.eye(f, dtype=np.bool_)
    for i, j in pairs:
        linked[i, j] = linked[j, i] = True
    return Association(
        features=tuple(f"f{i}" for i in range(f)),
        effect=np.where(linked, 0.6, 0.0),
        p_value=np.where(linked, 0.0, 1.0),
        linked=linked,
        by_missingness=np.zeros((f, f), dtype=np.bool_),
        redundancies=redundancies,
        clusters=(),
        merges=np.zeros((f - 1, 4)),
        between=0.0,
        n_rows=500,
        n_complete=500,
        power=Power.FULL,
        detectable=0.2,
    )


def alone(f: int) -> Players:
    names = tuple(f"f{i}" for i in range(f))
    return Players(names=names, members=tuple((name,) for name in names))


def test_an_explanation_waits_for_no_study_until_a_caveat_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer(BUNDLE, "cpu")
    asked: list[str] = []
    real = studies_module.BundleStudies.association

    def counted(self: studies_module.BundleStudies) -> Association:
        asked.append("association")
        return real(self)

    monkeypatch.setattr(studies_module.BundleStudies, "association", counted)
    batch = explainer.explain_table(explainer.bundle.background.take(slice(0, 2)))

    assert asked == []
    assert isinstance(batch.caveats[0], tuple)
    assert asked


@pytest.mark.usefixtures("fresh")
def test_a_restart_studies_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Explainer(BUNDLE, "cpu").studies()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("studied again")

    for name in (
        "association.study_association",
        "support.study_support",
        "units.study_units",
        "reliance.study_reliance",
        "manipulation.study_manipulation",
        "amortised.study_second_opinion",
        "spread.study_spread",
    ):
        monkeypatch.setattr(f"xaisvc.structure.{name}", never)
    second = Explainer(BUNDLE, "cpu").studies()

    assert first is not second
    assert encodes_alike(first, second)


def encodes_alike(first: Any, second: Any) -> bool:
    for name in ("association", "support", "reliance", "opinion", "spread"):
        one, other = encode_study(getattr(first, name)), encode_study(getattr(second, name))
        assert one.keys() == other.keys()
        for key in one:
            assert np.array_equal(one[key], other[key], equal_nan=one[key].dtype.kind == "f"), (name, key)
    return True


def test_studies_are_the_same_wherever_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name, threads in (("one", 1), ("two", 2)):
        monkeypatch.setenv("XAISVC_CACHE_DIR", str(tmp_path / name))
        found.append(Explainer(BUNDLES / "german-credit-logistic", "cpu", threads=threads).studies())

    assert encodes_alike(*found)


@pytest.mark.usefixtures("fresh")
def test_one_thread_studies_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer(BUNDLE, "cpu")
    made: list[int] = []
    real = association_module.study_association

    def counted(*arguments: Any) -> Association:
        made.append(1)
        return real(*arguments)

    monkeypatch.setattr(association_module, "study_association", counted)
    found: list[Association] = []
    threads = [threading.Thread(target=lambda: found.append(explainer._loaded.studies.association())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert len(found) == 4
    assert all(one is found[0] for one in found)


def test_players_of_a_caller_get_no_second_opinion() -> None:
    explainer = Explainer(BUNDLE, "cpu")
    own = explainer.studies(players={"money": ["amount_dm", "duration_months"]})

    assert own.opinion is None
    assert own.spread is None
    assert explainer.studies().opinion is not None
    assert explainer.studies(players="concepts").opinion is not explainer.studies().opinion


def test_the_same_studies_are_one_object_a_day() -> None:
    loaded = Explainer(BUNDLE, "cpu")._loaded
    output, features = loaded.bundle.description.outputs[0], loaded.players("features")
    first = loaded.studies.of(output, output.space, features, TODAY)

    assert loaded.studies.of(output, output.space, features, TODAY) is first
    assert loaded.studies.of(output, output.space, features, date(2026, 4, 1)) is not first
    custom = [custom_players(loaded.bundle.description, {"x": [name]}) for name in ("housing", "job")]
    one, other = (loaded.studies.of(output, output.space, players, TODAY) for players in custom)
    assert one is other  # nothing in them depends on who the players are


def test_a_misread_graph_is_an_error_and_no_caveat(monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer(BUNDLE, "cpu")
    studies, output = explainer._loaded.studies, explainer.bundle.description.outputs[0]
    true = studies.reliance(output, output.space)
    monkeypatch.setattr(studies, "_kept", lambda *_: replace(true, refuted=("housing",)))
    with pytest.raises(
        ModelOutputError,
        match="could not depend on housing, and yet the output moves when these values change; nothing this model "
        "answers is explained",
    ):
        studies.reliance(output, output.space)


def test_linked_players_are_joined_in_chains_and_by_redundancies() -> None:
    redundancy = Redundancy(feature=4, predictors=(3,), r_squared=0.9, p_value=0.0, route=Route.TREES)
    found = association(6, [(0, 1), (1, 2)], (redundancy,))

    assert linked_players(found, alone(6)) == ((0, 1, 2), (3, 4))


def test_players_of_linked_features_are_linked_and_one_player_is_no_set() -> None:
    found = association(4, [(0, 1), (2, 3)])
    players = Players(names=("ab", "c", "d"), members=(("f0", "f1"), ("f2",), ("f3",)), kind="custom")

    assert linked_players(found, players) == ((1, 2),)


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_the_text_says_what_was_found() -> None:
    explainer = Explainer(BUNDLE, "cpu")
    whole = describe_studies([(explainer.bundle.description.outputs[0], explainer.studies())])
    text = words_of(whole)

    assert "0.63 duration_months and amount_dm" in text
    assert "0.63 duration_months + amount_dm" in text
    assert "0.35 purpose + (duration_months, amount_dm)" not in text  # no link holds them together
    assert "100, 100 different; fewer than 500: weak dependence is missed" in text
    assert "housing used; 100.0% of 300 swaps moved the output" in text
    assert "set 4 players that depend on each other" in text
    assert max(map(len, whole.splitlines())) <= 110


def test_what_outputs_share_is_said_once() -> None:
    explainer = Explainer(BUNDLE, "cpu")
    output = explainer.bundle.description.outputs[0]
    other = replace(output, id="another")
    text = describe_studies([(output, explainer.studies()), (other, explainer.studies())])

    assert text.count("features that go together") == 1
    assert text.count("output 'another': what it relies on") == 1


def test_the_text_never_says_more_than_was_seen() -> None:
    explainer = Explainer(BUNDLE, "cpu")
    studies, output = explainer.studies(), explainer.bundle.description.outputs[0]
    first, *others = studies.reliance.features
    for use, words in (
        (Use.NO_EFFECT_SEEN, "no effect seen, which is no proof; used for at most 3.00% of new rows (95 %)"),
        (Use.PROVEN_UNUSED, "not used: the graph proves it"),
        (Use.CANNOT_TELL, "cannot tell"),
    ):
        entry = replace(first, use=use, usage_upper_new_rows=0.03)
        changed = replace(studies, reliance=replace(studies.reliance, features=(entry, *others)))
        text = describe_studies([(output, changed)])
        assert f"checking_account {words}" in words_of(text)


def test_a_slip_of_the_unit_is_a_caveat_of_the_batch_and_of_no_row() -> None:
    explainer = Explainer(BUNDLE, "cpu")
    rows = explainer.bundle.background.take(slice(0, 32))
    slipped = replace(rows, columns={**rows.columns, "amount_dm": rows.columns["amount_dm"] / 1000})
    found = explainer.explain_table(slipped).batch_caveats

    assert [(caveat.kind, caveat.players) for caveat in found] == [("unit_change", ("amount_dm",))]
    assert "divided by a thousand" in found[0].message
    assert explainer.explain_table(rows).batch_caveats == ()
    assert explainer.explain_table(slipped.take(slice(0, 8))).batch_caveats == ()
