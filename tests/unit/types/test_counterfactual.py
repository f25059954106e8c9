from __future__ import annotations

import pytest

from xaisvc.types import Alternative, ChangedFeature, Outcome, RowCounterfactuals, Tried


def _one(size: float, *features: str) -> Alternative:
    return Alternative(
        changes=tuple(ChangedFeature(feature=name, current=1.0, nearest=2.0, farthest=3.0) for name in features),
        size=size,
        prediction=0.2,
        weakest=0.2,
        scored=2,
        complete=True,
    )


def _tried(*features: str, combinations: int = 4, complete: bool = True) -> Tried:
    return Tried(
        features=features,
        combinations=combinations,
        scored=combinations,
        responsiveness=0.0,
        unsupported=0.0,
        complete=complete,
    )


def _row(*candidates: Alternative, tried: tuple[Tried, ...] = (), limit: int = 3) -> RowCounterfactuals:
    return RowCounterfactuals(
        adverse=True, prediction=0.6, candidates=candidates, tried=tried, max_changes=2, limit=limit
    )


def _chosen(row: RowCounterfactuals) -> list[str]:
    return ["".join(one.features) for one in row.alternatives]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ((), []),
        ((_one(1, "a"), _one(2, "b"), _one(3, "c"), _one(4, "d")), ["a", "b", "c"]),
        ((_one(1, "a", "b"), _one(2, "a", "c"), _one(3, "c", "d")), ["ab", "cd", "ac"]),
        ((_one(3, "a"), _one(1, "a", "b"), _one(2, "c", "d")), ["a", "cd", "ab"]),
        ((_one(3, "a"), _one(3, "a", "b"), _one(5, "a", "c")), ["a"]),  # no smaller change than `a` alone
        ((_one(3, "a"), _one(2, "a", "b"), _one(1, "b", "c")), ["a", "bc", "ab"]),
    ],
)
def test_alternatives_are_few_near_and_different(candidates: tuple[Alternative, ...], expected: list[str]) -> None:
    assert _chosen(_row(*candidates)) == expected


def test_the_rule_has_a_name_and_a_version() -> None:
    assert _row().rule == "fewest-nearest-disjoint/1"


def test_what_a_reader_may_not_see_leaves_nothing_behind() -> None:
    hidden = (_one(1, "secret"), _one(2, "a", "secret"))
    seen = (_one(3, "a"), _one(4, "b"), _one(5, "c", "d"))
    tried_hidden = (_tried("secret", complete=False), _tried("a", "secret"))
    tried_seen = (_tried("a"), _tried("b"))
    row = _row(*hidden, *seen, tried=(*tried_hidden, *tried_seen), limit=2)

    shown = row.shown({"a", "b", "c", "d"})
    assert shown == _row(*seen, tried=tried_seen, limit=2)
    assert _chosen(row) == ["secret", "a"]
    assert _chosen(shown) == ["a", "b"]
    assert (row.complete, shown.complete) == (False, True)
    assert _chosen(row.shown({"b"}, limit=1)) == ["b"]
    assert row.shown({"secret"}).outcome is Outcome.FOUND
    assert row.shown(()).outcome is Outcome.NOTHING_TO_TRY


def test_outcomes() -> None:
    favourable = RowCounterfactuals(adverse=False, prediction=0.1, candidates=(), tried=(), max_changes=2, limit=3)

    assert favourable.outcome is Outcome.NOT_ADVERSE
    assert _row(_one(1, "a"), tried=(_tried("a"),)).outcome is Outcome.FOUND
    assert _row(tried=(_tried("a"), _tried("b", combinations=0))).outcome is Outcome.NONE_FOUND
    assert _row(tried=(_tried("a"), _tried("b", combinations=0))).searched == ("a",)
    assert _row(tried=(_tried("a", combinations=0),)).outcome is Outcome.NOTHING_TO_TRY


def test_a_region_runs_from_small_to_large_whichever_end_is_near() -> None:
    down = ChangedFeature(feature="a", current=9.0, nearest=7.0, farthest=2.0)

    assert down.region == (2.0, 7.0)
    assert ChangedFeature(feature="a", current="x", targets=("y",)).region is None


def test_an_answer_survives_json_as_records_keep_it() -> None:
    from pydantic import TypeAdapter

    row = _row(_one(1, "a"), _one(2, "b", "c"), tried=(_tried("a"),))
    adapter = TypeAdapter(RowCounterfactuals)

    assert adapter.validate_json(adapter.dump_json(row)) == row
