"""Drafts the description of a model from its graph and from data: complete, valid, and ready to be edited."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles.columns import parse_column
from xaisvc.bundles.draft_match import match_columns
from xaisvc.bundles.encode import FLOATS, INTEGERS, misfit
from xaisvc.bundles.graph_categories import known_categories
from xaisvc.errors import BundleError
from xaisvc.types.schema import BundleDescription, Feature, Kind, TensorColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.types.runtime import TensorInfo
    from xaisvc.types.schema import Output

TO_FILL = "TO FILL"
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_MAX_CATEGORIES = 1000
_IDENTIFIER_ROWS = 100
_IDENTIFIER_SHARE = 0.9


def draft_description(  # noqa: PLR0913 - everything a draft can be told, all by name
    *,
    name: str,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[Output],
    background: pd.DataFrame,
    owner: str = "",
    version: str = "0.1.0",
    purpose: str = "",
    out_of_scope: str = "",
    notes: str = "",
    model: bytes | None = None,
) -> BundleDescription:
    """Drafts a description.

    Kinds follow the element type of the graph's input and the data: what enters a string tensor is a category, a column
    of 0 and 1 is boolean, one of whole numbers only is integer, dates are dates, the rest is numeric. A column without
    any value is numeric if it enters a tensor of floats, and a category if the graph's encoders say of which.

    Args:
        name: Name of the bundle.
        inputs: Inputs of the graph. An input of one column takes the data column of its name; a matrix takes the
            columns that are left, in their order.
        outputs: Outputs found in the graph; the first becomes the default.
        background: Data with exactly the columns that the model reads.
        owner: Who answers for the model; like all texts, a reminder to fill it in if empty.
        version: The owner's version.
        purpose: What the model may be used for.
        out_of_scope: What it must not be used for.
        notes: Anything else.
        model: The graph itself; with it, categories that its encoders know and the data does not show are added.

    Returns:
        A description that passes every check of `parse_manifest`.

    Raises:
        BundleError: If columns and inputs do not match, or a column cannot be a feature; both sides are listed.
    """
    if not outputs:
        raise BundleError("the graph has no output that can be explained; export it with its scores or probabilities")
    if not len(background):
        raise BundleError("the background has no rows; give 100 to 1,000 typical rows")
    matched = match_columns(inputs, [str(column) for column in background.columns])
    more = known_categories(model) if model else {}
    return BundleDescription(
        name=name,
        version=version,
        owner=owner or f"{TO_FILL}: who answers for this model",
        purpose=purpose or f"{TO_FILL}: what the model may be used for",
        out_of_scope=out_of_scope or f"{TO_FILL}: what the model must not be used for",
        notes=notes,
        features=tuple(
            _feature(feature_id, source, element, background.iloc[:, i], more.get(source, ()))
            for i, (feature_id, source, element) in enumerate(matched)
        ),
        outputs=tuple(
            output if output.labels else replace(output, labels={"en": label_of(output.id)}) for output in outputs
        ),
    )


def label_of(name: str) -> str:
    """A name for readers out of an identifier: `duration_months` and `durationMonths` become `Duration months`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", name)
    words = re.sub(r"[\s_.]+", " ", spaced).strip() or name
    lowered = " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words.split(" "))
    return lowered[:1].upper() + lowered[1:]


def _feature(feature_id: str, source: TensorColumn, element: str, values: pd.Series, more: Sequence[str]) -> Feature:
    known, missing = bool(values.notna().any()), bool(values.isna().any())
    kind = _kind(feature_id, element, values) if known else _kind_without_values(feature_id, element, more)
    feature = Feature(
        id=feature_id, kind=kind, source=source, labels={"en": label_of(feature_id)}, allow_missing=missing
    )
    if kind is Kind.CATEGORY:
        feature = replace(feature, categories=_categories(feature_id, values, more))
    elif known:
        feature = replace(feature, observed_range=_range(feature, values))
    reason = misfit(feature, element)
    if reason:
        raise _unfit(feature_id, reason)
    return feature


def _kind(feature_id: str, element: str, values: pd.Series) -> Kind:
    present = values.dropna()
    if element == "string":
        return Kind.DATE if present.dtype.kind == "M" else Kind.CATEGORY
    if element == "bool" or present.dtype.kind == "b" or set(map(type, present)) <= {bool, np.bool_}:
        return Kind.BOOLEAN
    if present.dtype.kind == "M" or _all_dates(present):
        return Kind.DATE
    numbers = _numbers(feature_id, element, present)
    if set(np.unique(numbers)) == {0.0, 1.0}:
        return Kind.BOOLEAN
    whole = bool((numbers == np.floor(numbers)).all())
    if element in INTEGERS:
        if not whole:
            raise _unfit(
                feature_id, f"it holds decimals, but enters a tensor of {element}; check the order of the columns"
            )
        return Kind.INTEGER
    return Kind.INTEGER if whole and len(present) == len(values) else Kind.NUMERIC


def _kind_without_values(feature_id: str, element: str, more: Sequence[str]) -> Kind:
    if element in FLOATS:
        return Kind.NUMERIC  # it gets no range, and a row that has a value gets a caveat
    if element == "string" and more:
        return Kind.CATEGORY
    raise _unfit(
        feature_id,
        f"every value is missing, so nothing tells what a tensor of {element} may hold; give rows that have values",
    )


def _numbers(feature_id: str, element: str, present: pd.Series) -> NDArray[np.float64]:
    try:
        numbers: NDArray[np.float64] = present.to_numpy(dtype=object).astype(np.float64)
        text = any(isinstance(value, str) for value in set(present))
    except (TypeError, ValueError):
        text = True
    if text:
        raise _unfit(
            feature_id,
            f"it holds text, but enters a tensor of {element}; give the numbers that the model was trained on, or "
            "export the model with its preprocessing",
        )
    if not np.isfinite(numbers).all():
        raise _unfit(feature_id, "it holds infinite numbers; remove those rows")
    return numbers


def _all_dates(present: pd.Series) -> bool:
    return present.dtype.kind == "O" and all(
        (isinstance(value, str) and _ISO_DATE.match(value)) or hasattr(value, "isoformat") for value in present
    )


def _categories(feature_id: str, values: pd.Series, more: Sequence[str]) -> tuple[str, ...]:
    found = {_text(value) for value in values.dropna()} - {""}
    many = len(values) >= _IDENTIFIER_ROWS and len(found) > _IDENTIFIER_SHARE * len(values)
    if many or len(found) > _MAX_CATEGORIES:
        raise _unfit(
            feature_id,
            f"it has {len(found):,} different texts in {len(values):,} rows, so it looks like free text or an "
            "identifier, which cannot be attributed; derive features from it in front of the model",
        )
    return tuple(sorted(found | set(more), key=_natural))


def _text(value: object) -> str:
    if isinstance(value, float | np.floating) and math.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _natural(text: str) -> tuple[int, float, str]:
    """Numbers in their order, then texts in theirs."""
    try:
        number = float(text)
    except ValueError:
        return (1, 0.0, text)
    return (0, number, text) if math.isfinite(number) else (1, 0.0, text)


def _range(feature: Feature, values: pd.Series) -> tuple[float, float]:
    column, problems = parse_column(replace(feature, allow_missing=True), values.to_numpy(dtype=object))
    if problems:
        raise _unfit(feature.id, f"a value {problems[0].description}")
    numbers = column.astype(np.float64)
    return float(np.nanmin(numbers)), float(np.nanmax(numbers))


def _unfit(column: str, message: str) -> BundleError:
    return BundleError(message, file="background", field=f"column '{column}'")
