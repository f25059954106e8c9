"""What became of past cases, band by band."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.bundles import check_unchanged, describe_bundle, load_bundle
from xaisvc.bundles.bands import parse_bands, write_bands
from xaisvc.bundles.check_outcomes import check_outcomes
from xaisvc.bundles.lock import LOCK
from xaisvc.demo.cases import BUNDLES
from xaisvc.errors import BundleChangedError, BundleError
from xaisvc.types import Adverse
from xaisvc.types.outcomes import BandOutcome, ClosedCases, OutcomeBands

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.bundles import Bundle

NAME = "german-credit-logistic"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BUNDLES / NAME, tmp_path / NAME, ignore=shutil.ignore_patterns(LOCK))
    return tmp_path / NAME


@pytest.fixture
def bundle() -> Bundle:
    return load_bundle(BUNDLES / NAME)


def counted(*pairs: tuple[int, int]) -> OutcomeBands:
    found = zip(("low", "moderate", "raised", "high"), pairs, strict=True)
    bands = tuple(BandOutcome(band=name, cases=cases, confirmed=confirmed) for name, (cases, confirmed) in found)
    return OutcomeBands(output="default_risk", first=date(2026, 1, 1), last=date(2026, 3, 31), bands=bands)


USUAL = counted((900, 9), (400, 40), (200, 60), (100, 60))


def text_of(bundle: Bundle, bands: OutcomeBands = USUAL) -> str:
    return write_bands(bundle.description, [bands], bundle.digests.model)


def refused(bundle: Bundle, *changes: tuple[str, str]) -> str:
    text = text_of(bundle)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(BundleError) as caught:
        parse_bands(bundle.description, text.encode(), bundle.digests.model)
    return str(caught.value)


def test_what_is_written_is_read_again(bundle: Bundle) -> None:
    found = parse_bands(bundle.description, text_of(bundle).encode(), bundle.digests.model)

    assert found == {"default_risk": USUAL}
    high = found["default_risk"].band("high")
    assert high is not None
    assert high.share == 0.6


def test_a_bundle_brings_them_and_they_are_pinned(folder: Path, bundle: Bundle) -> None:
    (folder / "bands.yaml").write_text(text_of(bundle), encoding="utf-8")
    loaded = load_bundle(folder)

    assert loaded.bands == {"default_risk": USUAL}
    assert bundle.bands == {}
    assert loaded.digests.schema != bundle.digests.schema
    assert "high      60 of 100 confirmed, 60.0% (50.2% to 69.1%)" in describe_bundle(loaded)
    check_unchanged(loaded)
    (folder / "bands.yaml").write_text(text_of(bundle, counted((1, 0), (1, 0), (1, 1), (1, 1))), encoding="utf-8")
    with pytest.raises(BundleChangedError, match=r"bands\.yaml: .*another content"):
        check_unchanged(loaded)


def test_counts_of_another_model_are_refused(bundle: Bundle) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    text = refused(bundle, (bundle.digests.model, other))

    assert text.startswith("bands.yaml:7: model: ")
    assert f"the cases were counted with the model {other[:12]}..., but model.onnx is " in text
    assert "count them again with this model, or remove the file" in text


def test_counts_with_other_limits_are_refused(bundle: Bundle) -> None:
    text = refused(bundle, ("upper: 0.3,", "upper: 0.25,"))

    assert "outputs[0].bands[1].upper: the band was counted up to 0.25, but bundle.yaml ends it at 0.3" in text
    assert "up to no limit, but bundle.yaml ends it at 0.3" in refused(bundle, ("upper: 0.3, ", ""))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("xaisvc.bands/v1", "xaisvc.bands/v9", "this version of xaisvc reads 'xaisvc.bands/v1'"),
        ("id: default_risk", "id: fraud", "bundle.yaml has no such output; outputs: default_risk"),
        ("id: moderate", "id: moderat", "bundle.yaml has no such band; did you mean 'moderate'?"),
        ("id: moderate, upper: 0.3", "id: low, upper: 0.15", "the band 'low' stands twice; remove one"),
        ("cases: 200, confirmed: 60", "cases: 200, confirmed: 201", "201 of 200 cases cannot be confirmed"),
        ("cases: 200", "cases: -1", "must be a number of cases, 0 or more"),
        ("cases: 200", "cases: many", "must be a whole number"),
        ("from: 2026-01-01", "from: 2026-06-01", "the period ends before it begins (2026-06-01); swap the days"),
        ("from: 2026-01-01", "from: 1-1-2026", "must be a day such as 2026-03-31"),
        ("from: 2026-01-01", "from: 2026-02-30", "must be a day such as 2026-03-31"),
    ],
)
def test_what_is_wrong_is_named(bundle: Bundle, old: str, new: str, message: str) -> None:
    assert message in refused(bundle, (old, new))


def test_every_band_is_counted(bundle: Bundle) -> None:
    line = "      - {id: raised, upper: 0.5, cases: 200, confirmed: 60}\n"

    assert "the band 'raised' is missing; add it, with 'cases: 0' if no case fell into it" in refused(
        bundle, (line, "")
    )


def test_counts_may_come_week_by_week(bundle: Bundle) -> None:
    weeks = ((20, 10), (20, 0), (20, 10), (20, 0), (20, 10))
    high = BandOutcome(band="high", cases=100, confirmed=30, parts=weeks)
    bands = replace(USUAL, bands=(*USUAL.bands[:3], high))
    text = text_of(bundle, bands)
    found = parse_bands(bundle.description, text.encode(), bundle.digests.model)["default_risk"].band("high")

    assert "{id: high, cases: [20, 20, 20, 20, 20], confirmed: [10, 0, 10, 0, 10]}" in text
    assert found == high


@pytest.mark.parametrize(
    ("cases", "confirmed", "message"),
    [
        ("[20, 20]", "[1, 2]", "2 parts of the period say too little about how much they differ; give 5 or more"),
        ("[9, 9, 9, 9, 9]", "[1, 1, 1, 1, 1, 1]", "there are 6 numbers for 5 parts of the period; give one for each"),
        ("[9, 9, 9, 9, 9]", "7", "there are 1 numbers for 5 parts of the period"),
        ("[9, 9, 9, 9, 9]", "[1, 1, 10, 1, 1]", "10 of 9 cases cannot be confirmed; check both numbers"),
        ("[9, 9, -9, 9, 9]", "[1, 1, 1, 1, 1]", "cases[2]: must be a number of cases, 0 or more"),
    ],
)
def test_what_is_wrong_with_weeks_is_named(bundle: Bundle, cases: str, confirmed: str, message: str) -> None:
    new = f"cases: {cases}, confirmed: {confirmed}"

    assert message in refused(bundle, ("cases: 200, confirmed: 60", new))


def test_an_output_without_bands_cannot_be_counted(bundle: Bundle) -> None:
    bare = replace(bundle.description, outputs=(replace(bundle.description.outputs[0], bands=()),))

    with pytest.raises(BundleError, match="gives no bands for 'default_risk'; add them there first"):
        parse_bands(bare, text_of(bundle).encode(), bundle.digests.model)


def test_an_output_stands_once(bundle: Bundle) -> None:
    text = text_of(bundle)
    twice = text + text[text.index("  - id: default_risk") :]

    with pytest.raises(BundleError, match="the output 'default_risk' stands twice"):
        parse_bands(bundle.description, twice.encode(), bundle.digests.model)


def test_a_file_without_outputs_is_refused(bundle: Bundle) -> None:
    text = f"schema: xaisvc.bands/v1\nmodel: {bundle.digests.model}\noutputs: []\n"

    with pytest.raises(BundleError, match="no output is listed"):
        parse_bands(bundle.description, text.encode(), bundle.digests.model)


def test_a_check_tells_of_enough_cases(bundle: Bundle) -> None:
    (found,) = check_outcomes(replace(bundle, bands={"default_risk": USUAL}))

    assert (found.level, found.message) == ("ok", "1,600 cases, 2026-01-01 to 2026-03-31")


def test_a_check_tells_of_shares_that_are_hardly_known(bundle: Bundle) -> None:
    bands = counted((900, 9), (400, 40), (0, 0), (6, 4))
    (found,) = check_outcomes(replace(bundle, bands={"default_risk": bands}))

    assert found.level == "warning"
    assert "too few cases to name a share: raised (0 of 0), high (4 of 6); count a longer period" in found.message


def test_a_check_tells_of_a_higher_band_that_holds_less(bundle: Bundle) -> None:
    bands = counted((900, 9), (400, 160), (200, 60), (100, 60))
    (found,) = check_outcomes(replace(bundle, bands={"default_risk": bands}))

    assert found.level == "warning"
    assert "30.0% of the cases in 'raised' were confirmed, but 40.0% in 'moderate'" in found.message


def test_where_lower_is_adverse_the_lower_bands_hold_more(bundle: Bundle) -> None:
    output = replace(bundle.description.outputs[0], adverse=Adverse.LOWER)
    described = replace(bundle.description, outputs=(output,))
    bands = counted((100, 60), (200, 60), (400, 40), (900, 9))
    (found,) = check_outcomes(replace(bundle, description=described, bands={"default_risk": bands}))

    assert found.level == "ok"


@pytest.mark.parametrize(("confirmed", "level"), [(29, "warning"), (30, "ok")])
def test_a_check_counts_the_closed_cases_of_each_outcome(bundle: Bundle, confirmed: int, level: str) -> None:
    n = len(bundle.background)
    cases = ClosedCases(
        rows=bundle.background,
        confirmed=np.arange(n) < confirmed,
        closed=np.zeros(n, np.int64),
        references=("",) * n,
        findings=("",) * n,
        digest="",
    )
    (found,) = check_outcomes(replace(bundle, cases=cases))

    assert found.level == level
    assert found.message.startswith(f"{confirmed} confirmed and {n - confirmed} cleared")
