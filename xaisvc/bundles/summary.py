"""Describes a bundle for a person at a terminal."""

from __future__ import annotations

import textwrap
from datetime import date, timedelta
from typing import TYPE_CHECKING

from xaisvc.types.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xaisvc.bundles.bundle import Bundle
    from xaisvc.types.outcomes import OutcomeBands
    from xaisvc.types.schema import Change, Feature, Output

_COLUMNS = 100
_SHOWN_CATEGORIES = 6
_EPOCH = date(1970, 1, 1)


def describe_bundle(bundle: Bundle) -> str:
    """A readable summary as plain text: what the model is for, what it answers, what it reads, what is pinned."""
    about = bundle.description
    lines = [f"{about.name} {about.version}", ""]
    for key, text in (
        ("owner", about.owner),
        ("purpose", about.purpose),
        ("out of scope", about.out_of_scope),
        ("notes", about.notes),
        ("languages", ", ".join(about.languages)),
        ("rows", about.row_label("en")),
        ("audiences", ", ".join(about.audiences) or "all"),
    ):
        if text:
            lines += _entry(key, text)
    lines += ["", "outputs"]
    for i, output in enumerate(about.outputs):
        lines += _output(output, default=i == 0)
    lines += ["", f"features ({len(about.features)})"]
    lines += _features(about.features)
    if about.concepts:
        lines += ["", "concepts"]
        for concept in about.concepts:
            members = [feature.id for feature in about.features if feature.concept == concept.id]
            lines += _entry(concept.id, ", ".join(members) or "no features")
    lines += ["", "pinned"]
    lines += _entry("model", f"{bundle.digests.model} ({len(bundle.model):,} bytes)")
    day = "" if about.background_as_of is None else f", as of {about.background_as_of.isoformat()}"
    drawn = "" if about.background_drawn_from is None else f", drawn from {about.background_drawn_from}"
    lines += _entry("background", f"{bundle.digests.background} ({len(bundle.background):,} rows{day}{drawn})")
    lines += _entry("schema", bundle.digests.schema)
    reference = "none" if bundle.reference is None else f"{len(bundle.reference.rows):,} rows"
    lines += _entry("reference", reference)
    lines += _entry("protected", ", ".join(bundle.protected) or "none")
    lines += _entry("closed cases", _closed_cases(bundle))
    for bands in bundle.bands.values():
        lines += ["", f"outcomes of '{bands.output}', {bands.first.isoformat()} to {bands.last.isoformat()}"]
        lines += _outcomes(bands)
    return "\n".join(line.rstrip() for line in lines)


def _closed_cases(bundle: Bundle) -> str:
    if bundle.cases is None:
        return "none"
    confirmed = int(bundle.cases.confirmed.sum())
    return f"{confirmed:,} confirmed, {len(bundle.cases) - confirmed:,} cleared"


def _outcomes(bands: OutcomeBands) -> Iterator[str]:
    """A line for each band, with the share confirmed and its 95 % interval."""
    width = max(len(band.band) for band in bands.bands)
    for band in bands.bands:
        share = "" if band.share is None else f", {band.share:.1%}"
        within = "" if band.interval is None else f" ({band.interval[0]:.1%} to {band.interval[1]:.1%})"
        yield f"  {band.band:<{width}}  {band.confirmed:,} of {band.cases:,} confirmed{share}{within}"


def _entry(key: str, text: str) -> list[str]:
    head = f"  {key:<14}"
    wrapped = textwrap.wrap(text, _COLUMNS - len(head), break_long_words=False) or [""]
    return [head + wrapped[0], *(" " * len(head) + line for line in wrapped[1:])]


def _output(output: Output, *, default: bool) -> Iterator[str]:
    target = "" if output.target is None else f", class or column {output.target!r}"
    yield f"  {output.id}{' (default)' if default else ''}: {output.label('en')}"
    yield f"      tensor '{output.tensor}'{target} in {output.tensor_space}; explained in {output.space}"
    if output.adverse is not None:
        limit = "" if output.threshold is None else f" from {output.threshold:g}"
        yield f"      adverse: {output.adverse}{limit}"
    if output.bands:
        bands = [f"{band.id}{'' if band.upper is None else f' below {band.upper:g}'}" for band in output.bands]
        yield f"      bands: {', '.join(bands)}"


def _features(features: tuple[Feature, ...]) -> list[str]:
    rows = [
        (
            feature.id,
            str(feature.kind) + (", may be missing" if feature.allow_missing else ""),
            _values(feature),
            str(feature.sensitivity or "data scientists only"),
            _change(feature.change, feature.kind),
        )
        for feature in features
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _values(feature: Feature) -> str:
    if feature.kind is Kind.CATEGORY:
        more = len(feature.categories) - _SHOWN_CATEGORIES
        return ", ".join(feature.categories[:_SHOWN_CATEGORIES]) + (f" and {more} more" if more > 0 else "")
    if feature.observed_range is None:
        return feature.unit or ""
    low, high = (_number(value, feature.kind) for value in feature.observed_range)
    return f"{low} to {high}" + (f" {feature.unit}" if feature.unit else "")


def _change(change: Change | None, kind: Kind) -> str:
    if change is None:
        return ""
    if kind is Kind.CATEGORY:
        return f"can change: to {' or '.join(change.to)}"
    bounds = [
        f"{word} {_number(value, kind)}"
        for word, value in (("from", change.minimum), ("to", change.maximum))
        if value is not None
    ]
    steps = [] if change.step is None else [f"in steps of {change.step:,.6g}"]
    return " ".join(["can change:", str(change.direction), *bounds, *steps])


def _number(value: float, kind: Kind) -> str:
    if kind is Kind.DATE:
        try:
            return (_EPOCH + timedelta(days=value)).isoformat()
        except OverflowError:
            return f"{value:g} days"
    return f"{value:,.6g}"
