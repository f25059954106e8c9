from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.cohorts.worlds import columns, question
from xaisvc.cohorts import Told, Use, Wish, concatenate, summarise
from xaisvc.errors import InvalidRequestError
from xaisvc.types.cohort import Comparison, Extent, Period, Reason, Share


def told_of(message: str, *args: object) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        summarise(*args)  # type: ignore[arg-type]
    assert str(raised.value) == message


def test_counts_and_shares_are_those_of_the_records() -> None:
    own = columns(800)
    found = summarise(
        own, question(), Wish(segment_by=("purpose",), period=Period(since="2026-10-01", until="2026-11-01"))
    )
    assert own.adverse is not None

    assert (found.bundle, found.output, found.n, found.period.since) == ("loans", "risk", 800, "2026-10-01")
    assert found.adverse is not None
    assert found.adverse.percent == round(100 * own.adverse.mean())
    (cut,) = found.segments
    for segment in cut.segments:
        inside = np.isin(own.features["purpose"].astype(str), segment.cell.values)
        assert segment.n == inside.sum()
        assert segment.share == round(100 * inside.mean())
        assert segment.adverse is not None
        assert segment.adverse.percent == np.floor(100 * own.adverse[inside].mean() + 0.5)
        assert [part.levels for part in segment.reliability] == [("normal",), ("care",), ("unreliable",)] or not (
            segment.reliability
        )
    assert [part.share.percent for part in found.reliability] == [
        np.floor(100 * (own.levels == level).mean() + 0.5) for level in range(3)
    ]


def test_records_of_one_row_are_one_person() -> None:
    own = columns(100)
    twice = concatenate([own, own, own.take(np.arange(30))])

    assert summarise(twice, question(), Wish(segment_by=("amount",))) == summarise(
        own, question(), Wish(segment_by=("amount",))
    )
    told_of(
        "cohort: holds fewer than 20 persons (records of the same row count once), and a number about so few could be "
        "read back to one of them; ask for a longer period or for more records",
        concatenate([own.take(np.arange(19))] * 5),
        question(),
        Wish(),
    )


def test_order_does_not_matter_and_the_seed_draws_only_rules() -> None:
    own = columns(400)
    other = own.take(np.random.default_rng(1).permutation(400).astype(np.intp))
    wish = Wish(segment_by=("amount", "band"), seed=3, other=columns(300, 5))

    assert summarise(own, question(), wish) == summarise(other, question(), wish)
    again = summarise(own, question(), Wish(segment_by=("amount", "band"), seed=4, other=columns(300, 5)))
    assert replace(again, rules=None) == replace(summarise(own, question(), wish), rules=None)


def test_a_segment_that_is_decided_otherwise_is_named_and_others_are_not() -> None:
    own = columns(1500)
    is_car = own.features["purpose"] == "car"
    rng = np.random.default_rng(3)
    own = replace(own, adverse=rng.uniform(size=1500) < np.where(is_car, 0.6, 0.3))
    found = summarise(own, question(), Wish(segment_by=("purpose", "age")))

    by_purpose = {segment.cell.values: segment.adverse_compared for segment in found.segments[0].segments}
    assert by_purpose[("car",)] is Comparison.HIGHER
    assert by_purpose[("home",)] is Comparison.LOWER
    assert {segment.adverse_compared for segment in found.segments[1].segments} == {Comparison.NOT_BEYOND_CHANCE}


def test_a_weaker_segment_is_named() -> None:
    own = columns(1500)
    levels = np.where(own.features["purpose"] == "home", 1, 0).astype(np.int8)
    levels[::4] = 1 - levels[::4]
    found = summarise(replace(own, levels=levels), question(), Wish(segment_by=("purpose",)))

    weaker = {segment.cell.values: segment.weaker for segment in found.segments[0].segments}
    assert weaker[("home",)] is Comparison.HIGHER
    assert weaker[("car",)] is Comparison.LOWER


def test_changes_that_are_there_are_told_with_their_size() -> None:
    before, now = columns(900, 1), columns(900, 2)
    values = now.values.copy()
    values[:, 2] *= 2
    rng = np.random.default_rng(0)
    now = replace(now, values=values, adverse=rng.uniform(size=900) < 0.55)
    changes = {(one.subject, one.concept): one for one in summarise(now, question(), Wish(other=before)).changes}

    assert changes["adverse", ""].word is Comparison.HIGHER
    assert changes["adverse", ""].low <= 15 <= changes["adverse", ""].high
    wealth, true = changes["driver", "wealth"], 100 * (4 / 10.5 - 2 / 8.5)
    assert wealth.word is Comparison.HIGHER
    assert wealth.low <= true <= wealth.high
    assert changes["driver", "loan"].word is Comparison.LOWER
    assert changes["normal", ""].word is Comparison.NOT_BEYOND_CHANCE


def test_a_segment_that_grew_is_told() -> None:
    before, now = columns(900, 1), columns(900, 2)
    purposes = now.features["purpose"].copy()
    purposes[(purposes == "car") & (np.arange(900) % 2 == 0)] = "travel"
    now = replace(now, features=dict(now.features) | {"purpose": purposes})
    found = summarise(now, question(), Wish(other=before, segment_by=("purpose", "age")))

    changes = {one.cell.values: one for one in found.changes if one.cell is not None and one.by == "purpose"}
    was, is_ = (before.features["purpose"] == "travel").mean(), (purposes == "travel").mean()
    assert (changes[("travel",)].before, changes[("travel",)].now) == (round(100 * was), round(100 * is_))
    assert (changes[("travel",)].word, changes[("car",)].word) == (Comparison.HIGHER, Comparison.LOWER)
    assert {one.word for one in found.changes if one.by == "age"} == {Comparison.NOT_BEYOND_CHANCE}


def test_segments_that_were_too_small_are_not_compared() -> None:
    before = columns(900, 1)
    purposes = before.features["purpose"].copy()
    purposes[(purposes == "travel")] = "car"
    purposes[:5] = "travel"
    before = replace(before, features=dict(before.features) | {"purpose": purposes})
    found = summarise(columns(900, 2), question(), Wish(other=before, segment_by=("purpose",)))

    assert all(one.subject != "segment" for one in found.changes)
    assert ("against.segments.purpose", Reason.SMALL) in [(one.what, one.reason) for one in found.withheld]


def test_no_change_is_seldom_told_as_one() -> None:
    alarms = 0
    for seed in range(120):
        found = summarise(columns(150, 2 * seed), question(), Wish(other=columns(150, 2 * seed + 1)))
        alarms += any(one.word is not Comparison.NOT_BEYOND_CHANCE for one in found.changes)

    assert alarms <= 12  # at most 5 % of 120 together, 6; more than 12 in one of 70 such runs; fixed seeds


def test_a_cohort_against_itself_has_no_change() -> None:
    own = columns(300)

    assert {one.word for one in summarise(own, question(), Wish(other=own)).changes} == {Comparison.NOT_BEYOND_CHANCE}


def test_bands_are_not_told_where_the_decision_shows_a_few() -> None:
    """The decision is a border of the same number: with bands beside it, what is between both could be counted."""
    predictions = np.concatenate([np.full(60, 0.1), np.full(10, 0.65), np.full(60, 0.9)])
    own = columns(
        130,
        predictions=predictions,
        bands=np.digitize(predictions, [0.3, 0.6]).astype(np.intp),
        adverse=predictions >= 0.7,
    )
    found = summarise(own, question(), Wish(segment_by=("band",)))

    assert found.segments[0].segments == ()
    assert [(one.what, one.reason) for one in found.withheld if "band" in one.what] == [("segments.band", Reason.SMALL)]


def test_caveats_by_kind() -> None:
    n = np.arange(200)
    caveats = {"near_threshold": n < 5, "shared_credit": n < 195, "stale": n < 100, "wide": n < 110, "far": n > 150}
    found = summarise(columns(200, caveats=caveats, levels=np.zeros(200, dtype=np.int8)), question(), Wish())

    assert [(one.kind, one.extent, one.n) for one in found.caveats] == [
        ("far", Extent.SOME, 49),
        ("near_threshold", Extent.FEW, None),
        ("shared_credit", Extent.NEARLY_ALL, None),
        ("stale", Extent.WITHHELD, None),  # 10 fewer than another, and within it
        ("wide", Extent.SOME, 110),
    ]


def test_a_caveat_that_hardly_adds_to_a_level_is_withheld() -> None:
    """Who knows that a kind limits the use could take the level from it."""
    n = np.arange(200)
    own = columns(200, caveats={"stale": n < 50}, levels=(n < 40).astype(np.int8))

    (found,) = summarise(own, question(), Wish()).caveats
    assert (found.extent, found.n) == (Extent.WITHHELD, None)


def test_alarms() -> None:
    n = np.arange(200)
    caveats = {"proxy_of_protected": n < 90, "possible_manipulation": n < 3, "shared_credit": n < 50}
    found = summarise(columns(200, caveats=caveats, told={"proxy_of_protected": ("region",)}), question(), Wish())

    assert [(one.kind, one.features, one.extent) for one in found.alarms] == [
        ("protected_influence", ("region",), Extent.NEARLY_ALL),
        ("proxy_of_protected", ("region",), Extent.SOME),
    ]
    assert found.alarms[0].share is not None
    assert found.alarms[0].share.low <= 100 / 8.5 <= found.alarms[0].share.high


def test_protected_facts_are_no_segments_and_no_rules() -> None:
    told_of(
        "segment_by[0]: a cohort cannot be cut by 'region'; it can by: amount, purpose, savings, age, band",
        columns(100),
        question(),
        Wish(segment_by=("region",)),
    )
    told_of(
        "segment_by[0]: a cohort cannot be cut by 'hidden'; it can by: amount, purpose, savings, age, band",
        columns(100),
        question(),
        Wish(segment_by=("hidden",)),
    )
    told_of(
        "segment_by[1]: 'age' is named twice; name it once", columns(100), question(), Wish(segment_by=("age", "age"))
    )
    own = columns(2000)
    own = replace(own, adverse=own.features["region"] == 1)
    assert summarise(own, question(), Wish()).rules is None


def test_too_close_to_an_earlier_cohort() -> None:
    told = Told()
    own = columns(300)
    first = summarise(own, question(), Wish(segment_by=("purpose",)), told)

    assert summarise(own, question(), Wish(segment_by=("purpose",)), told) == first
    told_of(
        "cohort: differs by fewer than 20 persons from cohorts that were asked for before, so that numbers about these "
        "few could be worked out; ask for the same cohort again, or for one that differs more",
        own.take(np.arange(1, 300)),
        question(),
        Wish(),
        told,
    )


def test_a_segment_that_hardly_differs_from_an_earlier_one_is_withheld() -> None:
    own, told = columns(400), Told()
    summarise(own, question(), Wish(segment_by=("purpose",)), told)
    is_car = own.features["purpose"] == "car"
    rest = np.sort(
        np.concatenate([np.flatnonzero(is_car)[5:], np.flatnonzero(~is_car)[60:]])
    )  # 65 fewer, 5 of them cars
    found = summarise(own.take(rest), question(), Wish(segment_by=("purpose",)), told)

    assert found.n == 335
    assert found.segments[0].segments == ()
    assert ("segments.purpose", Reason.EARLIER) in [(one.what, one.reason) for one in found.withheld]


def test_drivers_of_cohorts_that_differ_by_few_reliable_records_are_withheld() -> None:
    levels = np.zeros(300, dtype=np.int8)
    levels[:40] = 2
    own, told = columns(300, levels=levels), Told()
    summarise(own, question(), Wish(), told)
    found = summarise(own.take(np.arange(35, 298)), question(), Wish(), told)  # 37 fewer, 35 of them not reliable

    assert found.drivers == ()
    assert ("drivers", Reason.EARLIER) in [(one.what, one.reason) for one in found.withheld]
    assert found.alarms == ()


def test_what_people_did() -> None:
    own = columns(300)
    persons = own.persons.tolist()
    manager = Use(
        opened=set(persons[:200]),
        verdicts=dict.fromkeys(persons[:100], "agree") | dict.fromkeys(persons[100:130], "deviate"),
        days={f"r{i}": {"2026-10-01"} | ({"2026-10-02"} if i < 25 else set()) for i in range(50)},
    )
    analyst = Use(opened=set(persons[:7]), verdicts=dict.fromkeys(persons[:290], "agree"), days={"r": {"2026-10-01"}})
    found = summarise(own, question(), Wish(uses={"relationship_manager": manager, "fraud_analyst": analyst})).people

    assert [one.audience for one in found] == ["fraud_analyst", "relationship_manager"]
    assert (found[1].opened, found[1].judged, found[1].readers) == (200, 130, 50)
    assert found[1].overridden == Share(percent=23, low=16, high=32)
    assert found[1].repeat_readers == Share(percent=50, low=36, high=64)
    assert (found[1].override_extent, found[1].unused, found[1].rarely_overridden) == (Extent.SOME, None, False)
    # 290 of 300 would tell of the 10 without a verdict.
    assert (found[0].opened, found[0].judged, found[0].readers, found[0].overridden) == (None, None, None, None)
    assert (found[0].override_extent, found[0].rarely_overridden) == (Extent.FEW, True)


def test_feedback_about_few_persons_is_not_told_however_often_it_is_given() -> None:
    own = columns(100)
    use = Use(opened=set(), verdicts=dict.fromkeys(own.persons.tolist()[:15], "deviate"))

    (found,) = summarise(own, question(), Wish(uses={"customer": use})).people
    assert (found.judged, found.overridden, found.override_extent) == (None, None, Extent.WITHHELD)


def test_what_is_left_out() -> None:
    assert summarise(columns(100), question(), Wish(left_out=(50, 150))).left_out == 33
    assert summarise(columns(100), question(), Wish(left_out=(5, 105))).left_out is None


def test_without_a_threshold_rules_tell_the_upper_half() -> None:
    own = columns(2000)
    amount = np.asarray(own.features["amount"], dtype=np.float64)
    predictions = np.where(amount > np.median(amount), 0.8, 0.2) + np.random.default_rng(0).uniform(0, 0.1, 2000)
    found = summarise(replace(own, adverse=None, predictions=predictions, bands=None), question(), Wish())

    assert (found.adverse, found.adverse_extent) == (None, None)
    assert found.rules is not None
    assert found.rules.outcome in {"higher", "lower"}
    assert found.rules.fidelity > 80
    assert {condition.feature for rule in found.rules.rules for condition in rule.conditions} >= {"amount"}


@pytest.mark.parametrize(
    ("levels", "told", "parts"),
    [
        ([1] * 190 + [0] * 10, "care", 0),
        ([2] * 200, "unreliable", 0),
        ([0] * 181 + [1] * 19, "normal", 0),
        ([0] * 180 + [1] * 20, "", 2),
        ([0] * 15 + [1] * 15 + [2] * 10, "", 0),
    ],
)
def test_a_level_of_nearly_all_is_told_in_a_word(levels: list[int], told: str, parts: int) -> None:
    own = columns(len(levels), levels=np.array(levels, dtype=np.int8))

    found = summarise(own, question(), Wish())
    assert (found.level, len(found.reliability)) == (told, parts)
