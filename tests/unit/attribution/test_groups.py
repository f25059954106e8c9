"""Players from features, concepts, clusters and the caller's groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.attribution.games import features, normal
from xaisvc.attribution import cluster_players, concepts_as_players, custom_players, features_as_players, make_players
from xaisvc.errors import InvalidRequestError
from xaisvc.types import BundleDescription, Concept, Kind, Output, Players, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMERIC = dict.fromkeys(("age", "income", "debt", "rent"), Kind.NUMERIC)


def _description(concepts: Mapping[str, str] | None = None) -> BundleDescription:
    return BundleDescription(
        name="test",
        version="1",
        owner="a",
        purpose="b",
        out_of_scope="c",
        features=features(NUMERIC, concepts),
        outputs=(Output(id="score", tensor="score"),),
        concepts=tuple(Concept(id=name) for name in dict.fromkeys((concepts or {}).values())),
    )


def _background(*, together: Sequence[str] = ()) -> Table:
    """200 rows of independent columns, but those named `together` are nearly the same one."""
    columns = dict(zip(NUMERIC, normal(0, 200, 4).T, strict=True))
    shared = normal(1, 200, 1)[:, 0]
    for name in together:
        columns[name] = shared + 0.1 * columns[name]
    return Table(columns)


def test_every_feature_alone() -> None:
    expected = Players(names=tuple(NUMERIC), members=(("age",), ("income",), ("debt",), ("rent",)), kind="features")

    assert expected == features_as_players(_description())


def test_concepts_come_where_their_first_feature_stands_and_the_rest_stand_alone() -> None:
    expected = Players(
        names=("age", "money", "rent"), members=(("age",), ("income", "debt"), ("rent",)), kind="concepts"
    )

    assert expected == concepts_as_players(_description({"income": "money", "debt": "money"}))


def test_a_concept_may_have_the_name_of_its_own_feature() -> None:
    players = concepts_as_players(_description({"income": "income", "debt": "income"}))

    assert players.names == ("age", "income", "rent")


def test_a_concept_named_like_a_feature_that_stands_alone_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="group 'rent' has the name of a feature that stands alone; give the"):
        concepts_as_players(_description({"income": "rent", "debt": "rent"}))


def test_own_groups_may_name_features_in_any_order() -> None:
    expected = Players(names=("age", "burden"), members=(("age",), ("income", "debt", "rent")), kind="custom")

    assert expected == custom_players(_description(), {"burden": ["rent", "debt", "income"]})


@pytest.mark.parametrize(
    ("groups", "field", "text"),
    [
        ({"a": ["salary"]}, "players['a']", "unknown feature 'salary'; the bundle has: age, income, debt, rent"),
        (
            {"a": ["age"], "b": ["income", "age"]},
            "players['b']",
            "feature 'age' is already in group 'a'; name every feature once",
        ),
        ({"a": ["age", "age"]}, "players['a']", "feature 'age' is already in group 'a'; name every feature once"),
        ({"a": []}, "players['a']", "the group is empty; name at least one feature or leave the group out"),
        ({"a": "age"}, "players['a']", "give a list of features, for example ['age']"),
        (
            {"rent": ["age"]},
            "players",
            "group 'rent' has the name of a feature that stands alone; give the group another name",
        ),
        ({" ": ["age"]}, "players[' ']", "a group needs a name of 1 to 200 characters that can be printed"),
        ({"a\x1b": ["age"]}, "players['a\\x1b']", "a group needs a name of 1 to 200 characters that can be printed"),
    ],
    ids=["unknown", "twice", "twice in one", "empty", "text", "name taken", "no name", "control character"],
)
def test_groups_that_do_not_fit_are_refused(groups: dict[str, list[str]], field: str, text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        custom_players(_description(), groups)

    assert [(field, text)] == [(v.field, v.description) for v in caught.value.violations]


def test_clusters_are_named_after_their_features() -> None:
    players = cluster_players(_description(), [("age", "debt"), ("rent",)])

    assert players.kind == "clusters"
    assert dict(zip(players.names, players.members, strict=True)) == {
        "age + debt": ("age", "debt"),
        "income": ("income",),
        "rent": ("rent",),
    }


def test_the_name_of_a_large_cluster_is_cut() -> None:
    players = cluster_players(_description(), [list(NUMERIC)])

    assert players.names == ("age + income + debt + 1 more",)


def test_without_clusters_every_feature_stands_alone() -> None:
    assert cluster_players(_description(), []).names == tuple(NUMERIC)


@pytest.mark.parametrize("kind", ["features", "concepts", "clusters", "custom"])
def test_one_entry_point_makes_every_kind(kind: str) -> None:
    wanted = {"money": ["income", "debt"]} if kind == "custom" else kind

    assert make_players(_description(), wanted, lambda: [("income", "debt")]).kind == kind


def test_unknown_players_are_refused_with_the_choices() -> None:
    with pytest.raises(
        InvalidRequestError,
        match="players: unknown players 'columns'; use features, concepts, clusters or a mapping of name to features",
    ):
        make_players(_description(), "columns", list)
