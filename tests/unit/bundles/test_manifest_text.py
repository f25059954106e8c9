"""What is written is read back as the same description, whatever the texts and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xaisvc.bundles import parse_manifest, write_manifest
from xaisvc.types import (
    Adverse,
    Band,
    BundleDescription,
    Change,
    Concept,
    Direction,
    Feature,
    Kind,
    Output,
    SelectionRule,
    Sensitivity,
    Space,
    TensorColumn,
)
from xaisvc.types.schema import PROSE

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

LANGUAGES = ("en", "no", "pt-BR")
finite = st.floats(allow_nan=False, allow_infinity=False)
# YAML cannot hold surrogates and a few control characters; a text must not be blank.
text = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufeff\ufffe\uffff"),
    min_size=1,
    max_size=30,
).filter(lambda value: value.strip())
tricky = st.sampled_from(
    ["no", "null", "~", "1e3", "01", "a: b", "# c", "- d", "{e}", "a\nb", " x ", "'", '"', "yes", "é"]
)
prose = (
    text | tricky | st.lists(st.from_regex(r"[a-z#:'-]{1,12}", fullmatch=True), min_size=20, max_size=40).map(" ".join)
)
printable = text.filter(str.isprintable)
ids = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,9}", fullmatch=True)
labels = st.dictionaries(st.sampled_from(LANGUAGES), text | tricky, max_size=2)


ages = st.just({}) | st.fixed_dictionaries(
    {"background_as_of": st.dates(), "background_max_age_days": st.integers(1, 10_000)}
)
drawn = st.none() | st.sampled_from(SelectionRule)
said = st.dictionaries(st.sampled_from(PROSE), prose, min_size=1)


def _range(values: SearchStrategy[float]) -> SearchStrategy[tuple[float, float]]:
    return st.tuples(values, values).map(lambda pair: (min(pair), max(pair)))


@st.composite
def changes(draw: DrawFn, kind: Kind, categories: tuple[str, ...]) -> Change:
    if kind is Kind.CATEGORY:
        return Change(to=tuple(draw(st.lists(st.sampled_from(categories), min_size=1, unique=True))))
    direction = draw(st.sampled_from(Direction))
    if kind is Kind.BOOLEAN:
        return Change(direction=direction)
    step = {Kind.DATE: st.none(), Kind.INTEGER: st.none() | st.sampled_from([1.0, 25.0])}.get(
        kind, st.sampled_from([0.01, 0.1, 2.5, 1e6])
    )
    by = draw(step)
    first, count = draw(st.integers(-1000, 1000)), draw(st.integers(0, 1000))
    low, high = first * (by or 1.0), (first + count) * (by or 1.0)
    return Change(
        direction=direction,
        minimum=draw(st.none() | st.just(low)),
        maximum=draw(st.none() | st.just(high + (by or 1.0))),  # room for the rounding of the products
        step=by,
    )


@st.composite
def features(draw: DrawFn, feature_id: str, concepts: list[str]) -> Feature:
    kind = draw(st.sampled_from(Kind))
    category = kind is Kind.CATEGORY
    values = st.integers(-700_000, 2_900_000).map(float) if kind is Kind.DATE else finite
    categories = tuple(draw(st.lists(printable | tricky.filter(str.isprintable), min_size=1, max_size=4, unique=True)))
    known = {v: draw(text) for v in categories} if draw(st.booleans()) else {}
    return Feature(
        id=feature_id,
        kind=kind,
        source=TensorColumn(tensor=f"t {feature_id}", column=draw(st.integers(0, 5))),
        unit=draw(st.none() | text),
        categories=categories if category else (),
        allow_missing=draw(st.booleans()),
        labels=draw(labels),
        category_labels={"no": known} if category and known else {},
        concept=draw(st.none() | st.sampled_from(concepts)) if concepts else None,
        sensitivity=draw(st.none() | st.sampled_from(Sensitivity)),
        origins=draw(labels),
        stale_after_days=draw(st.none() | st.integers(1, 10_000)),
        change=draw(st.none() | changes(kind, categories)),
        observed_range=None if category else draw(st.none() | _range(values)),
    )


@st.composite
def outputs(draw: DrawFn, output_id: str) -> Output:
    space = draw(st.sampled_from([Space.PROBABILITY, Space.RAW]))
    number = st.floats(0, 1) if space is Space.PROBABILITY else finite
    uppers = sorted(draw(st.lists(number, max_size=3, unique=True)))
    adverse = draw(st.none() | st.sampled_from(Adverse))
    bands = [Band(id=f"b{i}", upper=upper, labels=draw(labels)) for i, upper in enumerate(uppers)]
    return Output(
        id=output_id,
        tensor=draw(text),
        target=draw(st.none() | st.integers(-5, 10**9) | text | tricky),
        tensor_space=space,
        space=space if space is Space.RAW else draw(st.sampled_from(Space)),
        adverse=adverse,
        threshold=draw(st.none() | number) if adverse else None,
        bands=(*bands, Band(id="top")) if bands else (),
        labels=draw(labels),
    )


@st.composite
def descriptions(draw: DrawFn) -> BundleDescription:
    concepts = draw(st.lists(ids, max_size=2, unique=True))
    feature_ids = draw(
        st.lists(
            printable.map(str.strip).filter(lambda v: v and not v.startswith("prediction:")) | ids,
            min_size=1, max_size=3, unique=True,
        )
    )  # fmt: skip
    return BundleDescription(
        name=draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}", fullmatch=True)),
        version=draw(text | tricky),
        owner=draw(prose),
        purpose=draw(prose),
        out_of_scope=draw(prose),
        notes=draw(st.just("") | prose),
        languages=LANGUAGES,
        texts=draw(st.dictionaries(st.sampled_from(LANGUAGES[1:]), said, max_size=2)),
        row_labels=draw(labels),
        audiences=tuple(draw(st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), unique=True, max_size=3))),
        concepts=tuple(Concept(id=name, labels=draw(labels)) for name in concepts),
        outputs=tuple(draw(outputs(name)) for name in draw(st.lists(ids, min_size=1, max_size=2, unique=True))),
        features=tuple(draw(features(name, concepts)) for name in feature_ids),
        background_drawn_from=draw(drawn),
        **draw(ages),
    )


@settings(deadline=None, max_examples=80)
@given(descriptions())
def test_what_is_written_is_read_back(description: BundleDescription) -> None:
    assert parse_manifest(write_manifest(description).encode()) == description


def test_the_comparison_sees_a_difference(description: BundleDescription) -> None:
    other = replace(description, features=(replace(description.features[0], unit="years"), *description.features[1:]))

    assert parse_manifest(write_manifest(other).encode()) != description


def test_the_text_is_made_to_be_edited(description: BundleDescription) -> None:
    text = write_manifest(replace(description, purpose="A long sentence about the model. " * 5 + "End."))

    assert "purpose:\n  en: >-\n    A long sentence" in text
    assert max(map(len, text.splitlines())) <= 120
    assert 'version: "1.0"' in text
    assert "observed_range: [18, 90]" in text
    assert "change: {direction: increase, minimum: 0, step: 50}" in text
    assert '      - {value: clerk, label: {en: Clerk}}\n      - "01"\n      - "true"\n      - "3"' in text
    for key in ("adverse", "threshold", "bands", "concept", "sensitivity", "change", "allow_missing", "observed_range"):
        assert any(line.startswith("#") and key in line for line in text.splitlines()), key


@pytest.mark.parametrize("days", [0.0, 18262.0, -1.0, 18262.5, 1e9])
def test_dates_are_written_as_dates_where_they_are_whole_days(description: BundleDescription, days: float) -> None:
    since = replace(description.features[4], observed_range=(days, days))
    text = write_manifest(replace(description, features=(since,)))

    assert parse_manifest(text.encode()).features[0].observed_range == (days, days)
    assert ("[2020-01-01, 2020-01-01]" in text) == (days == 18262.0)
