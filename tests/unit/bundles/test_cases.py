"""Closed cases of both outcomes, beside the background rows."""

from __future__ import annotations

import shutil
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import check_unchanged, describe_bundle, load_bundle, write_bundle
from xaisvc.bundles.cases import MAX_CASES, parse_cases
from xaisvc.bundles.lock import LOCK
from xaisvc.demo.cases import BUNDLES
from xaisvc.errors import BundleChangedError, BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.bundles import Bundle
    from xaisvc.types import BundleDescription, Table
    from xaisvc.types.outcomes import ClosedCases

NAME = "german-credit-logistic"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BUNDLES / NAME, tmp_path / NAME, ignore=shutil.ignore_patterns(LOCK))
    return tmp_path / NAME


@pytest.fixture
def bundle() -> Bundle:
    return load_bundle(BUNDLES / NAME)


def values(description: BundleDescription, rows: Table) -> pd.DataFrame:
    """Rows as somebody would write them: whole numbers and truth values as such."""
    frame = pd.DataFrame(dict(rows.columns))
    for feature in description.features:
        if feature.kind in {"integer", "boolean"}:
            frame[feature.id] = frame[feature.id].astype("int64" if feature.kind == "integer" else bool)
    return frame


def some_cases(bundle: Bundle) -> pd.DataFrame:
    return values(bundle.description, bundle.background.take(slice(0, 4))).assign(
        **{
            "case:outcome": ["confirmed", "cleared", "cleared", "confirmed"],
            "case:closed": [date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2), date(2026, 4, 2)],
            "case:reference": ["A-1", "A-2", None, "A-4"],
            "case:finding": ["Card stolen", None, " Travelling ", None],
        }
    )


def refused(bundle: Bundle, frame: pd.DataFrame) -> str:
    with pytest.raises(BundleError) as caught:
        parse_cases(bundle.description, frame, "cases.parquet")
    return str(caught.value)


def same(left: ClosedCases, right: ClosedCases) -> bool:
    return (
        left.rows.row_digests() == right.rows.row_digests()
        and left.confirmed.tolist() == right.confirmed.tolist()
        and left.closed.tolist() == right.closed.tolist()
        and (left.references, left.findings) == (right.references, right.findings)
    )


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_cases_are_read_with_their_outcome_day_and_texts(folder: Path, bundle: Bundle, form: str) -> None:
    frame = some_cases(bundle)
    if form == "csv":
        frame.to_csv(folder / "cases.csv", index=False)
    else:
        frame.to_parquet(folder / "cases.parquet")
    cases = load_bundle(folder).cases

    assert cases is not None
    assert len(cases) == 4
    assert cases.confirmed.tolist() == [True, False, False, True]
    assert cases.closed.astype("datetime64[D]").astype(str).tolist() == [
        "2026-03-31",
        "2026-04-01",
        "2026-04-02",
        "2026-04-02",
    ]
    assert cases.references == ("A-1", "A-2", "", "A-4")
    assert cases.findings == ("Card stolen", "", "Travelling", "")
    assert cases.rows.row_digests() == bundle.background.take(slice(0, 4)).row_digests()


def test_a_bundle_without_cases_has_none(bundle: Bundle) -> None:
    assert bundle.cases is None
    assert "closed cases  none" in describe_bundle(bundle)


def test_other_cases_are_another_bundle_and_a_change_is_noticed(folder: Path, bundle: Bundle) -> None:
    some_cases(bundle).to_parquet(folder / "cases.parquet")
    with_cases = load_bundle(folder)

    assert with_cases.cases is not None
    assert with_cases.digests.schema != bundle.digests.schema
    assert with_cases.cases.digest == next(pin.sha256 for pin in with_cases.files if pin.name == "cases.parquet")
    assert "closed cases  2 confirmed, 2 cleared" in describe_bundle(with_cases)
    check_unchanged(with_cases)
    some_cases(bundle).drop(columns="case:finding").to_parquet(folder / "cases.parquet")
    with pytest.raises(BundleChangedError, match=r"cases\.parquet: .*another content"):
        check_unchanged(with_cases)


@pytest.mark.parametrize("texts", [True, False])
def test_what_is_written_is_read_again(tmp_path: Path, bundle: Bundle, *, texts: bool) -> None:
    frame = some_cases(bundle)
    frame = frame if texts else frame.drop(columns=["case:reference", "case:finding"])
    parts = {"description": bundle.description, "model": bundle.model, "background": bundle.background}
    first = load_bundle(write_bundle(tmp_path / "first", **parts, cases=frame)).cases
    assert first is not None
    again = load_bundle(write_bundle(tmp_path / "again", **parts, cases=first)).cases

    assert again is not None
    assert same(first, again)
    assert any(again.references) == texts


@pytest.mark.parametrize(
    "day", ["2026-03-31", date(2026, 3, 31), pd.Timestamp("2026-03-31 17:45"), np.datetime64("2026-03-31")]
)
def test_a_day_may_be_written_in_several_ways(bundle: Bundle, day: object) -> None:
    cases = parse_cases(bundle.description, some_cases(bundle).assign(**{"case:closed": [day] * 4}), "cases.parquet")

    assert cases.closed.tolist() == [(date(2026, 3, 31) - date(1970, 1, 1)).days] * 4


@pytest.mark.parametrize("day", ["31-03-2026", "", None, 20260331, pd.NaT, 12.5])
def test_what_is_no_day_is_refused_with_its_row(bundle: Bundle, day: object) -> None:
    frame = some_cases(bundle)
    frame["case:closed"] = pd.Series([date(2026, 3, 31), day, date(2026, 3, 31), date(2026, 3, 31)], dtype=object)

    text = refused(bundle, frame)

    assert text.startswith("cases.parquet: row[1].case:closed: is '")
    assert text.endswith("; write a day such as 2026-03-31")


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("case:outcome", "there is no column 'case:outcome'; add it with confirmed or cleared for each case"),
        ("case:closed", "there is no column 'case:closed'; add it with the day on which each case was closed"),
    ],
)
def test_outcome_and_day_are_needed(bundle: Bundle, column: str, what: str) -> None:
    assert what in refused(bundle, some_cases(bundle).drop(columns=column))


def test_nothing_personal_gets_in_by_oversight(bundle: Bundle) -> None:
    text = refused(bundle, some_cases(bundle).assign(customer_name="x"))

    assert "cases.parquet: customer_name: the column is neither a feature nor one of case:outcome, " in text
    assert text.endswith("remove it: closed cases hold nothing else, above all no names and account numbers")


def test_a_slip_in_a_column_is_named(bundle: Bundle) -> None:
    assert "did you mean 'case:finding'?" in refused(
        bundle, some_cases(bundle).rename(columns={"case:finding": "case:findings"})
    )


@pytest.mark.parametrize("outcome", ["fraud", "Confirmed", None, 1])
def test_an_outcome_is_confirmed_or_cleared(bundle: Bundle, outcome: object) -> None:
    frame = some_cases(bundle)
    frame["case:outcome"] = pd.Series(["confirmed", "cleared", outcome, "cleared"], dtype=object)

    text = refused(bundle, frame)

    assert text.startswith("cases.parquet: row[2].case:outcome: is '")
    assert text.endswith("'; write confirmed or cleared")


@pytest.mark.parametrize("outcome", ["confirmed", "cleared"])
def test_one_outcome_alone_is_refused(bundle: Bundle, outcome: str) -> None:
    text = refused(bundle, some_cases(bundle).assign(**{"case:outcome": outcome}))

    assert f"the cases are all {outcome}; give closed cases of both outcomes" in text


def test_an_empty_file_is_refused(bundle: Bundle) -> None:
    assert "the cases are empty; give closed cases of both outcomes" in refused(bundle, some_cases(bundle).iloc[:0])


def test_a_reference_stands_once(bundle: Bundle) -> None:
    text = refused(bundle, some_cases(bundle).assign(**{"case:reference": ["A-1", "A-2", None, "A-2"]}))

    assert "row[3].case:reference: 'A-2' stands in row 1 too; give each case once" in text


@pytest.mark.parametrize("text", ["x" * 201, "two\nlines"])
def test_a_finding_is_short_and_can_be_printed(bundle: Bundle, text: str) -> None:
    frame = some_cases(bundle)
    frame["case:finding"] = ["", "", "", text]

    assert "row[3].case:finding: must be a text of at most 200 characters" in refused(bundle, frame)


def test_a_value_that_does_not_fit_is_named(bundle: Bundle) -> None:
    text = refused(bundle, some_cases(bundle).assign(housing=["own", "own", "castle", "own"]))

    assert text.startswith("cases.parquet: row[2].housing: ")


def test_a_feature_is_missing(bundle: Bundle) -> None:
    assert "housing" in refused(bundle, some_cases(bundle).drop(columns="housing"))


def test_too_many_cases_are_refused(bundle: Bundle) -> None:
    frame = some_cases(bundle).iloc[np.zeros(MAX_CASES + 1, dtype=np.intp)]

    assert "there are 50,001 cases; keep the newest 50,000 at most" in refused(bundle, frame)


def test_findings_are_read_and_written_in_the_languages_of_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    frame = some_cases(bundle).assign(**{"case:finding:nl": ["Kaart gestolen", None, "Op reis", None]})
    path = write_bundle(
        tmp_path / "again",
        description=bundle.description,
        model=bundle.model,
        background=bundle.background,
        cases=frame,
    )
    cases = load_bundle(path).cases

    assert cases is not None
    assert cases.findings == ("Card stolen", "", "Travelling", "")
    assert cases.findings_in == {"nl": ("Kaart gestolen", "", "Op reis", "")}
    unknown = some_cases(bundle).assign(**{"case:finding:fr": ["", "", "", "Volée"]})
    assert "case:finding:fr: the column is neither a feature nor one of" in refused(bundle, unknown)
