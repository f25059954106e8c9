"""Reads germancredit.csv through codebook.yaml: the features of the models in the words of their bundles."""  # noqa: INP001 (a module beside its script, no package)

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict, cast

import pandas as pd
import yaml

if TYPE_CHECKING:
    from pathlib import Path


class CategoryEntry(TypedDict):
    """One category value: the text or texts in the file, the value in the bundle, and its label by language."""

    statlog: str | list[str]
    value: str
    label: dict[str, str]


class ChangeEntry(TypedDict):
    """What may be offered as another value, as in `bundle.yaml`."""

    direction: NotRequired[str]
    minimum: NotRequired[int]
    maximum: NotRequired[int]
    step: NotRequired[int]
    to: NotRequired[list[str]]


class FeatureEntry(TypedDict):
    """One feature: `column` and `true_value` point into the file, the rest are keys of `bundle.yaml`."""

    id: str
    column: str
    kind: Literal["integer", "boolean", "category"]
    label: dict[str, str]
    sensitivity: str
    unit: NotRequired[str]
    concept: NotRequired[str]
    origin: NotRequired[dict[str, str]]
    change: NotRequired[ChangeEntry]
    categories: NotRequired[list[CategoryEntry]]
    true_value: NotRequired[str]


class ConceptEntry(TypedDict):
    """One concept, as in `bundle.yaml`."""

    id: str
    label: dict[str, str]


class Codebook(TypedDict):
    """Everything in codebook.yaml."""

    concepts: list[ConceptEntry]
    origins: list[dict[str, str]]
    features: list[FeatureEntry]


def read_codebook(path: Path) -> Codebook:
    """The content of codebook.yaml."""
    return cast("Codebook", yaml.safe_load(path.read_text(encoding="utf-8")))


def read_rows(path: Path, codebook: Codebook) -> tuple[pd.DataFrame, pd.Series[bool]]:
    """Reads the file as the models see it.

    Returns:
        The features, one column per entry of the codebook: int64, bool or text; and whether the loan went bad.

    Raises:
        ValueError: If the file holds a text that the codebook does not know.
    """
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = {feature["id"]: _recode(raw[feature["column"]], feature) for feature in codebook["features"]}
    return pd.DataFrame(columns), raw["creditability"] == "bad"


def _recode(column: pd.Series[str], feature: FeatureEntry) -> pd.Series[int] | pd.Series[bool] | pd.Series[str]:
    if feature["kind"] == "integer":
        return column.astype("int64")
    if feature["kind"] == "boolean":
        return column == feature["true_value"]
    values = {text: entry["value"] for entry in feature["categories"] for text in _texts(entry["statlog"])}
    unknown = sorted(set(column) - set(values))
    if unknown:
        raise ValueError(f"codebook.yaml does not know these texts of {feature['column']}: {unknown}")
    return column.map(values).astype(str)


def _texts(statlog: str | list[str]) -> list[str]:
    return [statlog] if isinstance(statlog, str) else statlog
