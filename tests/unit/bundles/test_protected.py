"""Attributes that the model is not given, beside the background rows."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from xaisvc.bundles import check_unchanged, describe_bundle, load_bundle
from xaisvc.bundles.lock import LOCK
from xaisvc.bundles.protected import parse_protected
from xaisvc.demo.cases import BUNDLES
from xaisvc.errors import BundleChangedError, BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.bundles import Bundle

NAME = "german-credit-logistic"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BUNDLES / NAME, tmp_path / NAME, ignore=shutil.ignore_patterns(LOCK))
    return tmp_path / NAME


def attributes(bundle: Bundle) -> pd.DataFrame:
    n = len(bundle.background)
    return pd.DataFrame(
        {"sex": ["f", "m", None, "f"] * (n // 4), "age": np.arange(n) + 18.5, "foreign": [True, False] * (n // 2)}
    )


def refused(frame: pd.DataFrame) -> str:
    bundle = load_bundle(BUNDLES / NAME)
    with pytest.raises(BundleError) as caught:
        parse_protected(bundle.description, frame, len(bundle.background), "protected.parquet")
    return str(caught.value)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_attributes_are_read_with_their_types(folder: Path, form: str) -> None:
    frame = attributes(load_bundle(folder))
    if form == "csv":
        frame.to_csv(folder / "protected.csv", index=False)
    else:
        frame.to_parquet(folder / "protected.parquet")
    found = load_bundle(folder).protected

    assert list(found) == ["sex", "age", "foreign"]
    assert found["sex"][:4].tolist() == ["f", "m", None, "f"]
    assert found["age"].dtype == np.float64
    assert found["age"][:2].tolist() == [18.5, 19.5]
    assert found["foreign"][:2].tolist() == ["True", "False"]


def test_unknown_numbers_are_not_a_number() -> None:
    bundle = load_bundle(BUNDLES / NAME)
    frame = pd.DataFrame({"age": [None, 30.0] * (len(bundle.background) // 2)})
    found = parse_protected(bundle.description, frame, len(bundle.background), "protected.parquet")

    assert np.isnan(found["age"][0])
    assert found["age"][1] == 30.0


def test_another_file_is_another_bundle_and_a_change_is_noticed(folder: Path) -> None:
    before = load_bundle(folder)
    attributes(before).to_parquet(folder / "protected.parquet")
    bundle = load_bundle(folder)

    assert bundle.digests.schema != before.digests.schema
    assert "protected     sex, age, foreign" in describe_bundle(bundle)
    check_unchanged(bundle)
    attributes(before).assign(sex="f").to_parquet(folder / "protected.parquet")
    with pytest.raises(BundleChangedError, match=r"protected\.parquet: .*another content"):
        check_unchanged(bundle)


def test_every_background_row_has_its_attributes() -> None:
    text = refused(pd.DataFrame({"sex": ["f"] * 3}))

    assert "there are 3 rows, but the background has 100; give one for each of them, in the same order" in text


def test_a_feature_of_the_model_is_not_withheld() -> None:
    text = refused(pd.DataFrame({"housing": ["own"] * 100}))

    assert "'housing' is a feature of the model; this file is for attributes that the model is not given" in text


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_an_attribute_needs_a_name(name: str) -> None:
    assert "an attribute needs a name of 1 to 200 characters that can be printed" in refused(
        pd.DataFrame({name: ["f"] * 100})
    )


def test_a_file_without_columns_is_refused() -> None:
    assert "there is no column" in refused(pd.DataFrame(index=range(100)))
