"""Writes a `BundleDescription` as a complete `bundle.yaml`, with comments for the person who edits it."""

from __future__ import annotations

import re
import textwrap
from datetime import date, timedelta
from typing import TYPE_CHECKING

import yaml

from xaisvc.bundles.manifest import SCHEMA
from xaisvc.types.schema import PROSE, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types.schema import Band, BundleDescription, Change, Feature, Output, Prose

_EPOCH = date(1970, 1, 1)
_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./()%+-]| (?=[A-Za-z0-9_(]))*\Z")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_PROSE = re.compile(r"[A-Za-z0-9](?:\S| (?=\S))*\Z")
_PROSE_COLUMNS = 100
_MAX_WHOLE = 2**53

_HEAD = """\
# The description of one model: what it is for, what it answers and what it reads.
# Check it with `xaisvc bundle check` after every change. Unknown keys are errors.
"""
_ROWS_NOTE = """\
# What readers call several of its rows, in small letters.
"""
_AUDIENCES_NOTE = """\
# The audiences that its decisions concern. Any other is refused for every case alike; all may have views if left out.
"""
_BACKGROUND_NOTE = """\
# The background rows, which a case is compared with.
#   as_of, max_age_days   the day that they are from, and after how many days explanations warn that they are stale
#   drawn_from            who they are a sample of, so that a letter can name the rule by which its reasons are chosen:
#                         population (everybody who applied) or approved_near_threshold (those just approved)
"""
_OUTPUTS_NOTE = """\
# The numbers that can be explained; the first is the default.
#   tensor, target   output of the graph, and its class or column (leave target out if there is one number per row)
#   tensor_space     unit of the tensor's numbers: probability or raw
#   space            unit that is explained: probability, log_odds, or raw (the model's own score before any link);
#                    a raw tensor is always explained as raw
#   adverse          direction that is bad for the person concerned: higher or lower (optional)
#   threshold        prediction from which the decision is adverse, in the unit of the tensor (optional)
#   bands            named ranges, low to high; the last has no upper (optional), for example
#                    bands: [{id: low, upper: 0.15, label: {en: Low}}, {id: high, label: {en: High}}]
"""
_CONCEPTS_NOTE = """\
# Named sets of features that can be explained as one. Name one in a feature with `concept: <id>`, for example
#   - {id: savings, label: {en: Savings and accounts}}
"""
_FEATURES_NOTE = """\
# The inputs, in the order of the schema.
#   tensor, column   where the feature enters the graph (defaults: its id, and 0)
#   kind             numeric, integer, boolean, category or date
#   allow_missing    whether a row may leave the value out
#   observed_range   smallest and largest value in the background
#   sensitivity      who may see it: public, customer_own, internal, confidential, protected, proxy, fraud_signal
#                    or aml; without it, data scientists only
#   generalised      general words for readers who may know of it but not see it, without its value (optional):
#                    generalised: {en: Our own records of your account}
#   origin           where the bank has it from, in words that go on from "from" (optional), for example
#                    origin: {en: the application form}
#   stale_after_days days after which a value should be asked for again, if callers say what day it is from (optional)
#   change           other values that may be offered to the person concerned, if they would change the decision;
#                    absent if none (the default). Numbers go up (increase), down (decrease) or both ways (any), in
#                    whole multiples of step; categories only to those listed. For example
#                    change: {direction: decrease, minimum: 500, maximum: 15000, step: 100}
#                    change: {to: [guarantor, co_applicant]}
"""


def write_manifest(description: BundleDescription) -> str:
    """Writes a description as `bundle.yaml`.

    Returns:
        YAML that `parse_manifest` reads back as an equal description. Labels of all languages stand in it.
    """
    lines = [
        _HEAD,
        f"schema: {SCHEMA}",
        f"name: {scalar(description.name)}",
        f"version: {quoted(description.version)}",
        *(line for name in PROSE for line in _said(description, name)),
    ]
    if description.notes:
        lines.append(f"notes: {_prose(description.notes)}")
    lines.append(f"languages: [{', '.join(scalar(tag) for tag in description.languages)}]")
    if description.row_labels:
        lines += ["", _ROWS_NOTE + f"rows: {{{_language_texts(description.row_labels)}}}"]
    if description.audiences:
        lines += ["", _AUDIENCES_NOTE + f"audiences: [{', '.join(scalar(name) for name in description.audiences)}]"]
    said = _background(description)
    if said:
        lines += ["", _BACKGROUND_NOTE + f"background: {{{', '.join(said)}}}"]
    lines += ["", _OUTPUTS_NOTE + "outputs:"]
    for output in description.outputs:
        lines += _output(output)
    lines += ["", _CONCEPTS_NOTE + ("concepts:" if description.concepts else "concepts: []")]
    lines += [f"  - {{id: {scalar(concept.id)}{_inline_labels(concept.labels)}}}" for concept in description.concepts]
    lines += ["", _FEATURES_NOTE + "features:"]
    for feature in description.features:
        lines += _feature(feature)
    return "\n".join(lines) + "\n"


def _said(description: BundleDescription, name: Prose) -> list[str]:
    """What the bundle says of itself, as a text, or language by language."""
    first = getattr(description, name)
    others = {language: texts[name] for language, texts in description.texts.items() if name in texts}
    if not others:
        return [f"{name}: {_prose(first)}"]
    texts = {description.languages[0]: first, **others}
    return [f"{name}:", *(f"  {scalar(language)}: {_prose(text, indent=4)}" for language, text in texts.items())]


def _background(description: BundleDescription) -> list[str]:
    day, rule = description.background_as_of, description.background_drawn_from
    dated = [f"as_of: {day.isoformat()}", f"max_age_days: {description.background_max_age_days}"] if day else []
    return [*dated, *([f"drawn_from: {rule}"] if rule else [])]


def _output(output: Output) -> list[str]:
    lines = [f"  - id: {scalar(output.id)}", f"    tensor: {scalar(output.tensor)}"]
    if output.target is not None:
        lines.append(f"    target: {output.target if isinstance(output.target, int) else quoted(output.target)}")
    lines += [f"    tensor_space: {output.tensor_space}", f"    space: {output.space}"]
    if output.adverse is not None:
        lines.append(f"    adverse: {output.adverse}")
    if output.threshold is not None:
        lines.append(f"    threshold: {number(output.threshold)}")
    if output.bands:
        lines.append("    bands:")
        lines += [f"      - {_band(band)}" for band in output.bands]
    if output.labels:
        lines.append(f"    label: {{{_language_texts(output.labels)}}}")
    return lines


def _band(band: Band) -> str:
    upper = "" if band.upper is None else f", upper: {number(band.upper)}"
    return f"{{id: {scalar(band.id)}{upper}{_inline_labels(band.labels)}}}"


def _feature(feature: Feature) -> list[str]:
    lines = [f"  - id: {scalar(feature.id)}"]
    if feature.source.tensor != feature.id:
        lines.append(f"    tensor: {scalar(feature.source.tensor)}")
    if feature.source.column:
        lines.append(f"    column: {feature.source.column}")
    lines.append(f"    kind: {feature.kind}")
    if feature.unit is not None:
        lines.append(f"    unit: {scalar(feature.unit)}")
    lines.append(f"    allow_missing: {'true' if feature.allow_missing else 'false'}")
    if feature.observed_range is not None:
        low, high = (_bound(value, feature.kind) for value in feature.observed_range)
        lines.append(f"    observed_range: [{low}, {high}]")
    if feature.labels:
        lines.append(f"    label: {{{_language_texts(feature.labels)}}}")
    if feature.concept is not None:
        lines.append(f"    concept: {scalar(feature.concept)}")
    lines += _for_readers(feature)
    if feature.change is not None:
        lines.append(f"    change: {_change(feature.change, feature.kind)}")
    if feature.kind is Kind.CATEGORY:
        lines.append("    categories:")
        lines += [f"      - {_category(feature, value)}" for value in feature.categories]
    return lines


def _for_readers(feature: Feature) -> list[str]:
    """Who may see a feature, and what readers are told of it beside its name."""
    texts = {"generalised": feature.generalised, "origin": feature.origins}
    lines = [f"    {key}: {{{_language_texts(found)}}}" for key, found in texts.items() if found]
    if feature.stale_after_days is not None:
        lines.append(f"    stale_after_days: {feature.stale_after_days}")
    return lines if feature.sensitivity is None else [f"    sensitivity: {feature.sensitivity}", *lines]


def _category(feature: Feature, value: str) -> str:
    labels = {language: texts[value] for language, texts in feature.category_labels.items() if value in texts}
    return f"{{value: {scalar(value)}{_inline_labels(labels)}}}" if labels else scalar(value)


def _change(change: Change, kind: Kind) -> str:
    if kind is Kind.CATEGORY:
        return f"{{to: [{', '.join(map(scalar, change.to))}]}}"
    parts = [f"direction: {change.direction}"]
    if change.minimum is not None:
        parts.append(f"minimum: {_bound(change.minimum, kind)}")
    if change.maximum is not None:
        parts.append(f"maximum: {_bound(change.maximum, kind)}")
    if change.step is not None:
        parts.append(f"step: {number(change.step)}")
    return f"{{{', '.join(parts)}}}"


def _inline_labels(labels: Mapping[str, str]) -> str:
    return f", label: {{{_language_texts(labels)}}}" if labels else ""


def _language_texts(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{scalar(language)}: {scalar(text)}" for language, text in labels.items())


def _bound(value: float, kind: Kind) -> str:
    if kind is Kind.DATE and float(value).is_integer():
        try:
            return (_EPOCH + timedelta(days=int(value))).isoformat()
        except OverflowError:  # beyond the calendar: the number of days is still right
            pass
    return number(value)


def _prose(text: str, *, indent: int = 2) -> str:
    """A long line of plain words as a folded block, anything else as a scalar."""
    if len(text) <= _PROSE_COLUMNS or not _PROSE.match(text) or not text.isprintable() or not text.isascii():
        return scalar(text)
    wrapped = textwrap.wrap(text, _PROSE_COLUMNS, break_long_words=False, break_on_hyphens=False)
    return ">-\n" + "\n".join(" " * indent + line for line in wrapped)


def scalar(text: str) -> str:
    """A text as a YAML scalar: bare if nobody can misread it, else in quotes."""
    return text if _PLAIN.match(text) and text.lower() not in _RESERVED else quoted(text)


def quoted(text: str) -> str:
    """A text in double quotes, on one line, with everything escaped that YAML needs escaped."""
    dumped = yaml.dump(text, default_style='"', allow_unicode=True, width=float("inf"))
    return str(dumped).removesuffix("\n")


def number(value: float) -> str:
    """A number in the shortest form that reads back as the same number."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) <= _MAX_WHOLE else repr(value)
