"""Merges `labels/<language>.yaml` into a description: the names of everything in one more language."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.bundles.yaml_nodes import did_you_mean
from xaisvc.errors import BundleError
from xaisvc.types.schema import PROSE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from xaisvc.bundles.yaml_nodes import Node
    from xaisvc.types.schema import BundleDescription

_FILE = re.compile(r"([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.yaml\Z")
_KEYS = (*PROSE, "rows", "features", "categories", "origins", "concepts", "outputs", "bands")


def language_of(file_name: str) -> str:
    """The language that a file of `labels/` is for.

    Raises:
        BundleError: If the name is not `<language>.yaml`.
    """
    found = _FILE.match(file_name)
    if not found:
        raise BundleError(
            "files here are named after a language tag, for example nl.yaml or pt-BR.yaml; rename or remove this one",
            file=f"labels/{file_name}",
        )
    return found.group(1)


def merge_labels(description: BundleDescription, language: str, root: Node) -> BundleDescription:
    """Adds the texts of one language to a description; they win over texts that are already there.

    Raises:
        BundleError: If a key, id or category is not in the description.
    """
    top = root.fields(_KEYS)
    features = _texts(top.get("features"), description.feature_ids, "feature")
    categories = {
        feature_id: _texts(node, description.feature(feature_id).categories, "category")
        for feature_id, node in _known(top.get("categories"), description.feature_ids, "feature").items()
    }
    origins = _texts(top.get("origins"), description.feature_ids, "feature")
    concepts = _texts(top.get("concepts"), [concept.id for concept in description.concepts], "concept")
    output_ids = [output.id for output in description.outputs]
    outputs = _texts(top.get("outputs"), output_ids, "output")
    bands = {
        output_id: _texts(node, [band.id for band in description.output(output_id).bands], "band")
        for output_id, node in _known(top.get("bands"), output_ids, "output").items()
    }
    said: dict[str, str] = {name: top[name].text() for name in PROSE if name in top}
    return replace(
        _said(description, language, said),
        languages=tuple(dict.fromkeys((*description.languages, language))),
        row_labels=_added(description.row_labels, language, top["rows"].text() if "rows" in top else None),
        features=tuple(
            replace(
                feature,
                labels=_added(feature.labels, language, features.get(feature.id)),
                origins=_added(feature.origins, language, origins.get(feature.id)),
                category_labels=_added_values(feature.category_labels, language, categories.get(feature.id, {})),
            )
            for feature in description.features
        ),
        concepts=tuple(
            replace(concept, labels=_added(concept.labels, language, concepts.get(concept.id)))
            for concept in description.concepts
        ),
        outputs=tuple(
            replace(
                output,
                labels=_added(output.labels, language, outputs.get(output.id)),
                bands=tuple(
                    replace(band, labels=_added(band.labels, language, bands.get(output.id, {}).get(band.id)))
                    for band in output.bands
                ),
            )
            for output in description.outputs
        ),
    )


def _said(description: BundleDescription, language: str, said: Mapping[str, str]) -> BundleDescription:
    """The description with what it says of itself in one language."""
    if not said:
        return description
    if language != description.languages[0]:
        texts = {**description.texts.get(language, {}), **said}
        return replace(description, texts={**description.texts, language: texts})
    return replace(
        description,
        owner=said.get("owner", description.owner),
        purpose=said.get("purpose", description.purpose),
        out_of_scope=said.get("out_of_scope", description.out_of_scope),
    )


def _known(node: Node | None, ids: Collection[str], what: str) -> dict[str, Node]:
    found = node.mapping() if node else {}
    for key, value in found.items():
        if key not in ids:
            hint = did_you_mean(key, ids)
            raise value.error(f"bundle.yaml has no such {what}{'; ' if hint else ''}{hint}")
    return found


def _texts(node: Node | None, ids: Collection[str], what: str) -> dict[str, str]:
    return {key: value.text() for key, value in _known(node, ids, what).items()}


def _added(labels: Mapping[str, str], language: str, text: str | None) -> Mapping[str, str]:
    return labels if text is None else {**labels, language: text}


def _added_values(
    labels: Mapping[str, Mapping[str, str]], language: str, texts: Mapping[str, str]
) -> Mapping[str, Mapping[str, str]]:
    return labels if not texts else {**labels, language: {**labels.get(language, {}), **texts}}
