"""Checks the background against the schema: how many rows, which categories, what is missing, what never varies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.findings import Finding
from xaisvc.types.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.bundles.bundle import Bundle
    from xaisvc.types.schema import Feature
    from xaisvc.types.table import Column

FEW_ROWS = 20
MANY_ROWS = 2000
FEWEST_PROTECTED = 200
"""As `xaisvc.structure.proxies`, which cannot be asked from here, has it; a test compares the two."""
_LISTED = 10


def check_background(bundle: Bundle) -> list[Finding]:
    """Compares the background with what the schema says of each feature."""
    findings = [_rows(len(bundle.background))]
    for feature in bundle.description.features:
        findings += _feature(feature, bundle.background.columns[feature.id])
    return findings + _concepts(bundle) + _protected(bundle)


def _rows(n_rows: int) -> Finding:
    if n_rows < FEW_ROWS:
        return Finding(
            "warning",
            "background",
            f"{n_rows} rows stand in for absent features; attributions will depend on each of them. Give 100 to 1,000",
        )
    if n_rows > MANY_ROWS:
        return Finding(
            "ok",
            "background",
            f"{n_rows:,} rows; sampled methods score the model on each of them for every coalition, so 100 to 1,000 "
            "typical rows answer faster",
        )
    return Finding("ok", "background", f"{n_rows:,} rows")


def _feature(feature: Feature, values: Column) -> Iterator[Finding]:
    name = f"feature '{feature.id}'"
    missing = np.equal(values, np.array(None)) if feature.kind is Kind.CATEGORY else np.isnan(values.astype(np.float64))
    present = values[~missing.astype(bool)]
    if feature.allow_missing and len(present) == len(values):
        yield Finding(
            "warning", name, "may be missing, but never is in the background; check that the model can take it"
        )
    if not len(present):
        yield Finding("warning", name, "is missing in every background row, so it has no typical values")
        return
    distinct = set(present.tolist())
    if len(distinct) == 1 and len(present) == len(values):
        yield Finding(
            "warning",
            name,
            "has one value in all background rows; a row with the same value always gets a share of zero",
        )
    if feature.kind is Kind.CATEGORY:
        unseen = [value for value in feature.categories if value not in distinct]
        if unseen:
            yield Finding("warning", name, f"categories that no background row has: {_some(unseen)}")
    elif feature.observed_range is not None:
        numbers = present.astype(np.float64)
        low, high = feature.observed_range
        outside = int(((numbers < low) | (numbers > high)).sum())
        if outside:
            yield Finding(
                "warning", name, f"{outside:,} background rows lie outside its observed_range; widen the range"
            )


def _concepts(bundle: Bundle) -> list[Finding]:
    used = {feature.concept for feature in bundle.description.features}
    empty = [concept.id for concept in bundle.description.concepts if concept.id not in used]
    if not empty:
        return []
    return [Finding("warning", "concepts", f"no feature belongs to: {_some(empty)}; name it in a feature or remove it")]


def _protected(bundle: Bundle) -> list[Finding]:
    found = []
    for name, values in bundle.protected.items():
        known = sum(value is not None and value == value for value in values.tolist())  # noqa: PLR0124 - a NaN is not
        if known < FEWEST_PROTECTED:
            found.append(
                Finding(
                    "warning",
                    f"protected attribute '{name}'",
                    f"known for {known:,} background rows; proxies of it can be found from {FEWEST_PROTECTED} on",
                )
            )
    return found


def _some(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
