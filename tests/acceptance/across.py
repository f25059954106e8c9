"""Comparisons of views of one record: between languages, and between readers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.acceptance.ranking import named, rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.acceptance.worlds import Shown

_WORDS = frozenset({"type", "role", "tone", "side", "id", "status", "ordered", "code", "numeric", "marked"})
_ENOUGH = 4


def other_shape(one: Shown, other: Shown) -> Iterator[str]:
    """A16: where two languages differ in anything but words: sections, blocks, items, numbers, marks."""
    mine, theirs = (_shape(shown.json["sections"]) for shown in (one, other))
    if one.status != other.status:
        yield f"{one.audience}: '{one.status}' in {one.language}, '{other.status}' in {other.language}"
    elif mine != theirs:
        places = [
            section["id"]
            for section, left, right in zip(one.json["sections"], mine, theirs, strict=False)
            if left != right
        ]
        yield f"{one.audience}: {places or 'the sections'} differ between {one.language} and {other.language}"


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: one if key in _WORDS else _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return bool(value) if isinstance(value, str) else value


def foreign_words(shown: Shown) -> Iterator[str]:
    """A16: sentences of another language's catalogue, as far as they are four words or more without a slot."""
    other = "nl" if shown.language == "en" else "en"
    kept = shown.world.kept
    key = ("foreign", shown.audience, shown.language)
    if key not in kept:
        own = " ".join(shown.declared.sentences(shown.audience, shown.language).values())
        parts = {
            part.strip()
            for text in shown.declared.sentences(shown.audience, other).values()
            for part in re.split(r"\{[^}]*\}|(?<=[.!?:])\s", text)
        }
        kept[key] = [part for part in parts if len(part.split()) >= _ENOUGH and part not in own]
    text = " ".join(shown.pages["text"].split())
    yield from (f"{shown.audience} in {shown.language} says '{part}'" for part in kept[key] if part in text)


def contradictions(views: Sequence[Shown]) -> Iterator[str]:
    """A17: facts that are given in another order, or in the other direction, to one reader than to another."""
    told = {(shown.audience, i): _told(shown) for i, shown in enumerate(views)}
    names = list(told)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            mine, theirs = told[one], told[other]
            turned = {facts for facts, side in mine if (facts, "against" if side == "for" else "for") in theirs}
            if turned:
                yield f"{one[0]} and {other[0]} are told opposite directions of {[sorted(facts) for facts in turned]}"
            both = [pair for pair in mine if pair in theirs]
            for side in ("for", "against"):
                left = [pair for pair in both if pair[1] == side]
                if left != [pair for pair in theirs if pair in both and pair[1] == side]:
                    yield f"{one[0]} and {other[0]} are given reasons {side} in another order"


def _told(shown: Shown) -> list[tuple[frozenset[str], str]]:
    """The facts of each reason with its side, in order; reasons are told apart by their facts, not by their names."""
    ranked = rank(shown.record, shown.description, shown.declared, shown.audience, shown.language)
    return [
        (one.features if one else frozenset({item["label"]}), str(block["side"]))
        for section in shown.json["sections"]
        for block in section["blocks"]
        if block["type"] == "reasons"
        for item in block["items"]
        for one in [named(item, ranked, shown.description, shown.language)]
    ]
