from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.types import Feature, Kind, TensorColumn
from xaisvc.views.language import Language, exact

if TYPE_CHECKING:
    from xaisvc.views import Audience


@pytest.fixture
def english(audiences: dict[str, Audience]) -> Language:
    return Language(audiences["customer"].catalogue("en"))


def _feature(kind: Kind, unit: str | None = None) -> Feature:
    return Feature(
        id="f",
        kind=kind,
        source=TensorColumn(tensor="f"),
        unit=unit,
        categories=("A1", "A2"),
        category_labels={"en": {"A1": "Overdrawn"}},
    )


@pytest.mark.parametrize(
    ("kind", "unit", "value", "expected"),
    [
        (Kind.INTEGER, None, 3.0, "3"),
        (Kind.INTEGER, "months", 24.0, "24 months"),
        (Kind.INTEGER, "months", 1.0, "1 month"),
        (Kind.NUMERIC, "EUR", 5951.0, "\u20ac5,951"),
        (Kind.NUMERIC, "EUR", 5951.5, "\u20ac5,951.50"),
        (Kind.NUMERIC, "DM", 5951.0, "5,951 DM"),
        (Kind.NUMERIC, "%", 12.5, "12.5%"),
        (Kind.NUMERIC, "times", 2.5, "2.5 times"),
        (Kind.NUMERIC, "km/h", 90.64, "90.64 km/h"),
        (Kind.NUMERIC, None, 0.123456, "0.12"),
        (Kind.NUMERIC, None, 0.000123, "0.000123"),
        (Kind.NUMERIC, None, -1234567.0, "-1,234,567"),
        (Kind.BOOLEAN, None, 1.0, "Yes"),
        (Kind.BOOLEAN, None, 0.0, "No"),
        (Kind.DATE, None, 0.0, "1 January 1970"),
        (Kind.DATE, None, 12418.0, "1 January 2004"),
        (Kind.DATE, None, 1e12, "1,000,000,000,000"),
        (Kind.CATEGORY, None, "A1", "Overdrawn"),
        (Kind.CATEGORY, None, "A2", "A2"),
        (Kind.CATEGORY, None, None, "Not given"),
        (Kind.NUMERIC, "EUR", None, "Not given"),
    ],
)
def test_values_are_written_as_people_write_them(
    english: Language, kind: Kind, unit: str | None, value: float | str | None, expected: str
) -> None:
    assert expected == english.value(_feature(kind, unit), value)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "0%"), (0.004, "less than 1%"), (0.305, "30%"), (0.996, "more than 99%"), (1.0, "100%")],
)
def test_shares_are_whole_percents_that_never_claim_none_or_all(english: Language, share: float, expected: str) -> None:
    assert expected == english.percent(share)


def test_a_list_is_joined_in_words(english: Language) -> None:
    assert english.join(["a", "b", "c"]) == "a, b and c"
    assert english.join(["a"]) == "a"


def test_a_time_is_dated_in_utc_and_other_text_stays(english: Language) -> None:
    assert english.day("2026-03-03T23:30:00-05:00") == "4 March 2026"
    assert english.day("soon") == "soon"


def test_exact_numbers_carry_twelve_digits_and_a_point() -> None:
    assert exact(0.1234567890123456) == "0.123456789012"
    assert exact(1200.0) == "1200"


@pytest.fixture
def dutch(audiences: dict[str, Audience]) -> Language:
    return Language(audiences["customer"].catalogue("nl"))


@pytest.mark.parametrize(
    ("kind", "unit", "value", "expected"),
    [
        (Kind.INTEGER, "months", 24.0, "24 maanden"),
        (Kind.INTEGER, "months", 1.0, "1 maand"),
        (Kind.INTEGER, "years", 3.0, "3 jaar"),
        (Kind.NUMERIC, "EUR", 5951.0, "\u20ac\u00a05.951"),
        (Kind.NUMERIC, "EUR", 1234.5, "\u20ac\u00a01.234,50"),
        (Kind.NUMERIC, "DM", 5951.0, "5.951 DM"),
        (Kind.NUMERIC, "%", 12.3, "12,3%"),
        (Kind.NUMERIC, "km/h", 90.64, "90,64 km/u"),
        (Kind.NUMERIC, "times", 1.5, "1,5 keer"),
        (Kind.NUMERIC, None, -1234567.25, "-1.234.567,25"),
        (Kind.BOOLEAN, None, 1.0, "Ja"),
        (Kind.DATE, None, 12418.0, "1 januari 2004"),
        (Kind.CATEGORY, None, "A2", "A2"),
        (Kind.CATEGORY, None, None, "Niet opgegeven"),
    ],
)
def test_values_are_written_as_people_in_the_netherlands_write_them(
    dutch: Language, kind: Kind, unit: str | None, value: float | str | None, expected: str
) -> None:
    assert expected == dutch.value(_feature(kind, unit), value)


def test_shares_times_and_lists_are_dutch(dutch: Language) -> None:
    assert dutch.percent(0.305) == "30%"
    assert dutch.percent(0.001) == "minder dan 1%"
    assert dutch.day("2026-03-03T23:30:00-05:00") == "4 maart 2026"
    assert dutch.join(["a", "b", "c"]) == "a, b en c"


def test_names_with_a_comma_are_told_apart(english: Language) -> None:
    assert english.join(["Paid in a day, today included", "Age of the card"]) == (
        "Paid in a day, today included; Age of the card"
    )
    assert english.join(["Paid, in a day"]) == "Paid, in a day"


def test_names_with_an_and_are_told_apart(english: Language, dutch: Language) -> None:
    assert english.join(["The loan", "Goods and guarantors", "Housing"]) == "The loan; Goods and guarantors; Housing"
    assert english.join(["Property and guarantors"]) == "Property and guarantors"
    assert dutch.join(["Bezit en borg", "Wonen"]) == "Bezit en borg; Wonen"
    assert dutch.join(["Lening", "Wonen"]) == "Lening en Wonen"
