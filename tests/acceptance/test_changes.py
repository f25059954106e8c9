"""A11: what is offered as a change was read from the letter, and is asked of the model's own file again."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

from tests.acceptance.worlds import show_all
from xaisvc.demo.cases import MAIN_MODEL
from xaisvc.types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.acceptance.worlds import Declared, Shown, World
    from xaisvc.types import ExplanationRecord, Feature

MOST_CHANGES = 2
MOST_ROWS = 400
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def _offers(shown: Shown) -> Iterator[list[tuple[Feature, list[float | str]]]]:
    """Each alternative of a letter: its features with every value that its words offer."""
    by_label = {one.label("en"): one for one in shown.description.features}
    for block in shown.blocks("changes", "facts"):
        yield [(by_label[row["label"]], list(_values(by_label[row["label"]], row["value"]))) for row in block["rows"]]


def _values(feature: Feature, words: str) -> Iterator[float | str]:
    if feature.categories:
        yield from (value for value in feature.categories if feature.category_label(value, "en") in words)
        return
    if feature.kind is Kind.BOOLEAN:
        yield 1.0 if words.lower().startswith("yes") else 0.0
        return
    found = [float(one.replace(",", "")) for one in _NUMBER.findall(words)]
    step = (feature.change.step if feature.change else None) or 1.0
    if "between" in words.lower() or " to " in words:
        yield from np.arange(found[0], found[1] + step / 2, step).tolist()
    else:
        yield from found


def _score(world: World, record: ExplanationRecord, changes: list[tuple[Mapping[str, float | str]]]) -> Any:
    """Predictions of the ONNX file for the record's row with each of some changes, by ONNX Runtime alone."""
    session = onnxruntime.InferenceSession(world.explainer.bundle.model, providers=["CPUExecutionProvider"])
    rows = [{**record.row, **one} for one in changes]
    kinds = {one.name: one.type for one in session.get_inputs()}
    feed: dict[str, Any] = {}
    for feature in world.description.features:
        column = [row[feature.id] for row in rows]
        assert feature.source.column == 0  # this bundle has a tensor for each feature
        if kinds[feature.source.tensor] == "tensor(string)":
            feed[feature.source.tensor] = np.array(column, dtype=object).reshape(-1, 1)
        else:
            element = np.int64 if "int64" in kinds[feature.source.tensor] else np.float32
            feed[feature.source.tensor] = np.array(column, dtype=element).reshape(-1, 1)
    output = world.description.outputs[0]
    return session.run([output.tensor], feed)[0][:, 1]


@pytest.mark.parametrize("audience", ["customer", "relationship_manager"])
def test_every_change_that_is_offered_flips_the_answer_of_the_models_own_file(
    world_of: Callable[[str], World], declared: Declared, audience: str
) -> None:
    world = world_of(MAIN_MODEL)
    output = world.description.outputs[0]
    assert output.threshold is not None
    offered = 0
    for shown in show_all(world, declared, audience, "en"):
        for offer in _offers(shown):
            offered += 1
            assert len(offer) <= MOST_CHANGES
            for feature, values in offer:
                change = feature.change
                assert change is not None
                assert declared.action(audience, feature) == "show"
                assert values
                assert shown.record.row[feature.id] not in values
                if feature.categories:
                    assert set(values) <= set(change.to)
                else:
                    _check_range(shown.record, feature, [float(value) for value in values])
            names = [feature.id for feature, _ in offer]
            combinations = [dict(zip(names, one, strict=True)) for one in itertools.product(*(v for _, v in offer))]
            if len(combinations) > MOST_ROWS:
                combinations = combinations[:: len(combinations) // MOST_ROWS + 1]
            assert (_score(world, shown.record, combinations) < output.threshold).all(), shown.record.id
        if shown.record.output.adverse is not True:
            assert list(_offers(shown)) == []
    assert offered > 20


def _check_range(record: ExplanationRecord, feature: Feature, values: list[float]) -> None:
    change = feature.change
    assert change is not None
    low = change.minimum if change.minimum is not None else (feature.observed_range or (-np.inf, 0))[0]
    high = change.maximum if change.maximum is not None else (feature.observed_range or (0, np.inf))[1]
    assert low <= min(values)
    assert max(values) <= high
    own = float(record.row[feature.id] or 0)
    if change.direction == "decrease":
        assert max(values) < own
    if change.direction == "increase":
        assert min(values) > own


def test_where_nothing_on_the_list_helps_it_says_so(world_of: Callable[[str], World], declared: Declared) -> None:
    """Every single change on the list, tried on the model's file, leaves the decision as it is."""
    world = world_of(MAIN_MODEL)
    output = world.description.outputs[0]
    assert output.threshold is not None
    sentence = declared.sentences("customer", "en")["changes.none_found"]
    silent = 0
    for shown in show_all(world, declared, "customer", "en"):
        section = [one for one in shown.json["sections"] if one["type"] == "changes"]
        if not (shown.record.output.adverse and section) or list(_offers(shown)):
            continue
        silent += 1
        assert sentence[:30] in str(section)
        for feature in world.description.features:
            listed = list(_listed(feature)) if declared.action("customer", feature) == "show" else []
            fitting = [value for value in listed if _goes(shown.record, feature, value)]
            if fitting:
                scores = _score(world, shown.record, [{feature.id: value} for value in fitting])
                # A change may be left out where it leads out of what the model knows, never because nobody looked.
                assert (scores >= output.threshold).all() or _tried(shown, feature.id)
    assert silent or all(not one.output.adverse for one in world.records)


def _listed(feature: Feature) -> Iterator[float | str]:
    change = feature.change
    if change is None:
        return
    if feature.categories:
        yield from change.to
        return
    low = change.minimum if change.minimum is not None else (feature.observed_range or (0.0, 0.0))[0]
    high = change.maximum if change.maximum is not None else (feature.observed_range or (0.0, 0.0))[1]
    step = change.step or 1.0
    yield from (np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step).tolist()


def _goes(record: ExplanationRecord, feature: Feature, value: float | str) -> bool:
    own = record.row[feature.id]
    if feature.categories or feature.change is None:
        return own != value
    if feature.change.direction == "decrease":
        return float(value) < float(own or 0)
    return float(value) > float(own or 0) if feature.change.direction == "increase" else value != own


def _tried(shown: Shown, name: str) -> bool:
    found = shown.beside.counterfactuals
    return found is not None and any(one.features == (name,) and one.unsupported > 0 for one in found.tried)
