"""Reads `bundle.yaml` and `labels/<language>.yaml` into a `BundleDescription`, checking everything that they say."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from xaisvc.bundles.changes import read_bound, read_change
from xaisvc.bundles.label_files import merge_labels
from xaisvc.bundles.yaml_nodes import read_yaml
from xaisvc.types.schema import (
    MAX_AGE_DAYS,
    PROSE,
    Adverse,
    Band,
    BundleDescription,
    Concept,
    Feature,
    Kind,
    Output,
    SelectionRule,
    Sensitivity,
    Space,
    TensorColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.bundles.yaml_nodes import Node

    T = TypeVar("T")

SCHEMA = "xaisvc.bundle/v1"
MANIFEST = "bundle.yaml"

_ID = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}"
_ID_RULE = "use letters, digits, '_', '-' and '.'"
_NAME = r"[a-z0-9][a-z0-9-]{0,99}"
_NAME_RULE = "use lower-case letters, digits and '-', starting with a letter or digit"
_LANGUAGE = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_LANGUAGE_RULE = "write a language tag such as en, nl or pt-BR"
_AUDIENCE = r"[a-z][a-z0-9_]*"
_AUDIENCE_RULE = "write the id of an audience such as fraud_analyst"
_MAX_FEATURE_ID = 200

_TOP = (
    "schema", "name", "version", "owner", "purpose", "out_of_scope", "notes", "languages", "rows", "audiences",
    "background", "outputs", "concepts", "features",
)  # fmt: skip
_OUTPUT = ("id", "tensor", "target", "tensor_space", "space", "adverse", "threshold", "bands", "label")
_FEATURE = (
    "id", "tensor", "column", "kind", "unit", "categories", "allow_missing", "observed_range", "label", "concept",
    "sensitivity", "origin", "stale_after_days", "generalised", "change",
)  # fmt: skip
_NO_TEXT = (
    "free text cannot be attributed: a share of the score for a whole text says nothing about its words. Derive "
    "features from the text (a topic, a length, a score) in front of the model and declare those"
)


def parse_manifest(
    source: bytes, *, labels: Mapping[str, bytes] | None = None, file: str = MANIFEST
) -> BundleDescription:
    """Reads a bundle's description.

    Args:
        source: Content of `bundle.yaml`.
        labels: Language to content of `labels/<language>.yaml`; their texts win over those in `bundle.yaml`, and their
            languages are added to the bundle's.
        file: Name used in errors.

    Returns:
        The description, complete and free of contradictions.

    Raises:
        BundleError: Names file, line and field of the first thing that is wrong.
    """
    description = _description(read_yaml(source, file))
    for language, content in sorted((labels or {}).items()):
        description = merge_labels(description, language, read_yaml(content, f"labels/{language}.yaml"))
    return description


def _description(root: Node) -> BundleDescription:
    top = root.fields(_TOP, ("schema", "name", "version", "owner", "purpose", "out_of_scope", "outputs", "features"))
    schema = top["schema"].scalar()
    if schema != SCHEMA:
        raise top["schema"].error(f"this version of xaisvc reads '{SCHEMA}'; write that here")
    languages = _languages(top.get("languages"))
    prose: dict[str, dict[str, str]] = {name: _prose(top[name], languages) for name in PROSE}
    concepts = _unique(top.get("concepts"), lambda node: _concept(node, languages), "concept")
    outputs = _unique(top["outputs"], lambda node: _output(node, languages), "output")
    concept_ids = tuple(concept.id for concept in concepts)
    features = _unique(top["features"], lambda node: _feature(node, languages, concept_ids), "feature")
    as_of, max_age_days, drawn_from = _background(top.get("background"))
    if not outputs:
        raise top["outputs"].error("at least one output is required: the number that is explained")
    if not features:
        raise top["features"].error("at least one feature is required")
    _check_sources(top["features"], features)
    return BundleDescription(
        name=top["name"].text(pattern=_NAME, rule=_NAME_RULE),
        version=top["version"].text(),
        owner=prose["owner"][languages[0]],
        purpose=prose["purpose"][languages[0]],
        out_of_scope=prose["out_of_scope"][languages[0]],
        texts=_other_languages(prose, languages),
        row_labels=_labels(top.get("rows"), languages),
        audiences=_audiences(top.get("audiences")),
        notes=top["notes"].text() if "notes" in top else "",
        languages=languages,
        outputs=outputs,
        concepts=concepts,
        features=features,
        background_as_of=as_of,
        background_max_age_days=max_age_days,
        background_drawn_from=drawn_from,
    )


def _prose(node: Node, languages: tuple[str, ...]) -> dict[str, str]:
    """What the bundle says of itself, in its first language and in those that it is said in beside it."""
    if not node.is_mapping:
        return {languages[0]: node.text()}
    texts = _labels(node, languages)
    if languages[0] not in texts:
        raise node.error(f"has no text in '{languages[0]}', the first of the bundle's languages; add it")
    return texts


def _other_languages(prose: Mapping[str, Mapping[str, str]], languages: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Language to what is said in it, without the first language and those in which nothing is said."""
    found = {
        language: {name: texts[language] for name, texts in prose.items() if language in texts}
        for language in languages[1:]
    }
    return {language: texts for language, texts in found.items() if texts}


def _audiences(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    audiences = _unique(node, lambda item: item.text(pattern=_AUDIENCE, rule=_AUDIENCE_RULE), "audience")
    if not audiences:
        raise node.error("names nobody who may see a case; name one or more, or leave it out for all audiences")
    return audiences


def _background(node: Node | None) -> tuple[date | None, int, SelectionRule | None]:
    if node is None:
        return None, MAX_AGE_DAYS, None
    fields = node.fields(("as_of", "max_age_days", "drawn_from"))
    if not fields:
        raise node.error("says nothing; give 'as_of', the day that the background rows are from, or 'drawn_from'")
    drawn_from = fields["drawn_from"].choice(SelectionRule) if "drawn_from" in fields else None
    if "as_of" not in fields:
        if "max_age_days" in fields:
            raise fields["max_age_days"].error("needs 'as_of', the day that the background rows are from; add it")
        return None, MAX_AGE_DAYS, drawn_from
    try:
        as_of = date.fromisoformat(fields["as_of"].scalar())
    except ValueError:
        raise fields["as_of"].error("must be the day that the background rows are from, such as 2026-03-31") from None
    max_age_days = _days(fields["max_age_days"]) if "max_age_days" in fields else MAX_AGE_DAYS
    return as_of, max_age_days, drawn_from


def _days(node: Node) -> int:
    days = node.integer()
    if days < 1:
        raise node.error("must be at least 1 day")
    return days


def _languages(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ("en",)
    languages = _unique(node, lambda item: item.text(pattern=_LANGUAGE, rule=_LANGUAGE_RULE), "language")
    if not languages:
        raise node.error("at least one language is required, for example [en]")
    return languages


def _unique(node: Node | None, read: Callable[[Node], T], what: str) -> tuple[T, ...]:
    """Items of a list, read one by one; no two may have the same id (or be the same text)."""
    found: dict[str, T] = {}
    for item in node.items() if node else []:
        value = read(item)
        key = value if isinstance(value, str) else str(value.id)  # type: ignore[attr-defined]  # all others have ids
        if key in found:
            raise item.error(f"the {what} '{key}' stands twice; each needs its own id")
        found[key] = value
    return tuple(found.values())


def _labels(node: Node | None, languages: tuple[str, ...]) -> dict[str, str]:
    if node is None:
        return {}
    if not node.is_mapping:
        raise node.error(f"must name a language for each text, for example {{{languages[0]}: ...}}")
    texts = node.mapping()
    for language, text in texts.items():
        if language not in languages:
            raise text.error(f"the language is not declared; add '{language}' to languages ({', '.join(languages)})")
    return {language: text.text() for language, text in texts.items()}


def _concept(node: Node, languages: tuple[str, ...]) -> Concept:
    fields = node.fields(("id", "label"), ("id",))
    return Concept(id=fields["id"].text(pattern=_ID, rule=_ID_RULE), labels=_labels(fields.get("label"), languages))


def _output(node: Node, languages: tuple[str, ...]) -> Output:
    fields = node.fields(_OUTPUT, ("id", "tensor"))
    tensor_space = fields["tensor_space"].choice(Space) if "tensor_space" in fields else Space.PROBABILITY
    if tensor_space is Space.LOG_ODDS:
        raise fields["tensor_space"].error("the unit of a tensor is probability or raw; write raw for log-odds")
    space = fields["space"].choice(Space) if "space" in fields else tensor_space
    if tensor_space is Space.RAW and space is not Space.RAW:
        raise fields["space"].error(
            f"a raw tensor cannot be explained as {space}; write raw, or name a probability tensor"
        )
    adverse = fields["adverse"].choice(Adverse) if "adverse" in fields else None
    threshold = _prediction(fields.get("threshold"), tensor_space)
    if threshold is not None and adverse is None:
        raise fields["threshold"].error(
            "a threshold needs to know which side is adverse; add 'adverse: higher' or lower"
        )
    return Output(
        id=fields["id"].text(pattern=_ID, rule=_ID_RULE),
        tensor=fields["tensor"].text(),
        target=fields["target"].text_or_integer() if "target" in fields else None,
        tensor_space=tensor_space,
        space=space,
        adverse=adverse,
        threshold=threshold,
        bands=_bands(fields.get("bands"), tensor_space, languages),
        labels=_labels(fields.get("label"), languages),
    )


def _prediction(node: Node | None, space: Space) -> float | None:
    if node is None:
        return None
    value = node.number()
    if space is Space.PROBABILITY and not 0.0 <= value <= 1.0:
        raise node.error(f"must be a probability from 0 to 1, but is {value:g}")
    return value


def _bands(node: Node | None, space: Space, languages: tuple[str, ...]) -> tuple[Band, ...]:
    if node is None:
        return ()
    bands = _unique(node, lambda item: _band(item, space, languages), "band")
    below = -math.inf
    for i, (item, band) in enumerate(zip(node.items(), bands, strict=True)):
        if i == len(bands) - 1:
            if band.upper is not None:
                raise item.error("the last band reaches up without end; remove its 'upper'")
        elif band.upper is None:
            raise item.error("every band but the last needs 'upper', the prediction below which it ends")
        elif band.upper <= below:
            raise item.error(f"bands run from low to high, but {band.upper:g} is not above {below:g}")
        else:
            below = band.upper
    return bands


def _band(node: Node, space: Space, languages: tuple[str, ...]) -> Band:
    fields = node.fields(("id", "upper", "label"), ("id",))
    return Band(
        id=fields["id"].text(pattern=_ID, rule=_ID_RULE),
        upper=_prediction(fields.get("upper"), space),
        labels=_labels(fields.get("label"), languages),
    )


def _feature(node: Node, languages: tuple[str, ...], concepts: tuple[str, ...]) -> Feature:
    fields = node.fields(_FEATURE, ("id", "kind"))
    feature_id = _feature_id(fields["id"])
    if fields["kind"].scalar() == "text":
        raise fields["kind"].error(_NO_TEXT)
    kind = fields["kind"].choice(Kind)
    concept = fields["concept"].scalar() if "concept" in fields else None
    if concept is not None and concept not in concepts:
        raise fields["concept"].error(
            f"there is no concept '{concept}'; "
            + (f"concepts: {', '.join(concepts)}" if concepts else "declare it under concepts")
        )
    column = fields["column"].integer() if "column" in fields else 0
    if column < 0:
        raise fields["column"].error("columns are counted from 0")
    feature = Feature(
        id=feature_id,
        kind=kind,
        source=TensorColumn(tensor=fields["tensor"].text() if "tensor" in fields else feature_id, column=column),
        unit=fields["unit"].text() if "unit" in fields else None,
        allow_missing=fields["allow_missing"].boolean() if "allow_missing" in fields else False,
        labels=_labels(fields.get("label"), languages),
        concept=concept,
        sensitivity=fields["sensitivity"].choice(Sensitivity) if "sensitivity" in fields else None,
        generalised=_labels(fields.get("generalised"), languages),
        origins=_labels(fields.get("origin"), languages),
        stale_after_days=_days(fields["stale_after_days"]) if "stale_after_days" in fields else None,
        observed_range=_range(fields.get("observed_range"), kind),
    )
    feature = _with_categories(feature, node, fields.get("categories"), languages)
    return replace(feature, change=read_change(fields["change"], feature)) if "change" in fields else feature


def _feature_id(node: Node) -> str:
    text = node.text()
    if len(text) > _MAX_FEATURE_ID or text != text.strip() or not text.isprintable() or text.startswith("prediction:"):
        raise node.error(
            f"an id has 1 to {_MAX_FEATURE_ID} printable characters, no space at either end, and does not start with "
            "'prediction:'"
        )
    return text


def _with_categories(feature: Feature, node: Node, listed: Node | None, languages: tuple[str, ...]) -> Feature:
    if feature.kind is not Kind.CATEGORY:
        if listed is not None:
            raise listed.error(f"only a category feature has categories, and this one is {feature.kind}; remove them")
        return feature
    if listed is None:
        raise node.error("a category feature needs 'categories', the list of the values it can have")
    labels: dict[str, dict[str, str]] = {}
    values: dict[str, None] = {}
    for item in listed.items():
        value, texts = _category(item, languages)
        if value in values:
            raise item.error(f"the category '{value}' stands twice; remove one")
        if not value and feature.allow_missing:
            raise item.error("the empty text stands for a missing value here; remove it or set allow_missing: false")
        values[value] = None
        for language, text in texts.items():
            labels.setdefault(language, {})[value] = text
    if not values:
        raise listed.error("at least one category is required")
    return replace(feature, categories=tuple(values), category_labels=labels)


def _category(node: Node, languages: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    if not node.is_mapping:
        return _category_value(node), {}
    # The value is read with `mapping`, not `fields`: the category `null` is a text like any other.
    if "value" not in node.mapping():
        node.fields(("value", "label"), ("value",))
    node.fields(("value", "label"))
    found = node.mapping()
    label = found.get("label")
    return _category_value(found["value"]), {} if label is None or label.is_empty else _labels(label, languages)


def _category_value(node: Node) -> str:
    value = node.scalar()
    if not value and node.is_plain:
        raise node.error("the category has no value; write one, or '' for an empty text")
    if not value.isprintable():
        raise node.error("a category holds printable characters only")
    return value


def _range(node: Node | None, kind: Kind) -> tuple[float, float] | None:
    if node is None:
        return None
    if kind is Kind.CATEGORY:
        raise node.error("a category has no range; remove it")
    items = node.items()
    if len(items) != 2:  # noqa: PLR2004  # a range has two ends
        raise node.error("must be two values, [smallest, largest]")
    low, high = (read_bound(item, kind) for item in items)
    if low > high:
        raise node.error("the smallest value is above the largest; swap them")
    return (low, high)


def _check_sources(node: Node, features: tuple[Feature, ...]) -> None:
    seen: dict[TensorColumn, str] = {}
    for item, feature in zip(node.items(), features, strict=True):
        other = seen.setdefault(feature.source, feature.id)
        if other != feature.id:
            raise item.error(
                f"column {feature.source.column} of tensor '{feature.source.tensor}' already belongs to feature "
                f"'{other}'; give each feature its own tensor or column"
            )
