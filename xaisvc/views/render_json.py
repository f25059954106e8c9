"""A view as JSON: the same sections and blocks, nothing added."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.views.document import (
    BarChart,
    Beeswarm,
    Bullets,
    Cloud,
    Fact,
    Facts,
    Grid,
    HeatMap,
    Notice,
    Paragraph,
    Plots,
    Reasons,
    Section,
    Table,
    View,
    Waterfall,
)

if TYPE_CHECKING:
    from xaisvc.views.document import Block

    Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

VIEW_SCHEMA = "xaisvc.view/v1"

BLOCK_TYPES: dict[type, str] = {
    Paragraph: "paragraph",
    Bullets: "bullets",
    Facts: "facts",
    Reasons: "reasons",
    Table: "table",
    Notice: "notice",
    BarChart: "bar_chart",
    Waterfall: "waterfall",
    Beeswarm: "beeswarm",
    Plots: "plots",
    HeatMap: "heat_map",
}

LEFT_OUT: dict[type, frozenset[str]] = {
    View: frozenset({"pack", "compared_with"}),
    Section: frozenset({"rule"}),
    Fact: frozenset({"source", "as_of"}),
}
"""Texts that are left out where they are empty."""

_ARRAY = re.compile(r'"\\u0000([-+0-9.,e\[\]nul]*)\\u0000"')
"""An array that is written on one line: a text between two null characters, which no text of a view can hold."""


def render(view: View) -> str:
    """The view as a JSON object; ASCII only, so that no reader's encoding or embedding can change it."""
    document: dict[str, Json] = {"schema": VIEW_SCHEMA}
    for field in dataclasses.fields(view):
        if field.name not in {"sections", "layout", "formats", "tones"}:
            document[field.name] = _plain(getattr(view, field.name))
    for name in LEFT_OUT[View]:
        if not document[name]:
            del document[name]
    document["sections"] = [
        {
            "id": section.id,
            "type": section.type,
            "title": section.title,
            **({"rule": section.rule} if section.rule else {}),
            "blocks": [_block(block) for block in section.blocks],
        }
        for section in view.sections
    ]
    return _ARRAY.sub(r"\1", json.dumps(document, indent=2, allow_nan=False)) + "\n"


def _block(block: Block) -> Json:
    fields = {field.name: _plain(getattr(block, field.name)) for field in dataclasses.fields(block)}
    return {"type": BLOCK_TYPES[type(block)], **fields}


def _plain(value: object) -> Json:
    if isinstance(value, Cloud | Grid):
        return _points(value) if isinstance(value, Cloud) else _cells(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        for name in LEFT_OUT.get(type(value), ()):
            if not found[name]:
                del found[name]
        return found
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


@lru_cache(maxsize=1024)
def _points(cloud: Cloud) -> Json:
    """The points on one line; see `_ARRAY`. Kept: they are those of a bundle, not of a case."""
    return _on_one_line([[_short(number) for number in point] for point in cloud.points])


@lru_cache(maxsize=64)
def _cells(grid: Grid) -> Json:
    """The cells on one line; which are marked as 0 and 1; the tree."""
    return {
        "cells": _on_one_line([[_short(number) for number in line] for line in grid.cells]),
        "marked": _on_one_line([list(map(int, line)) for line in grid.marked]),
        "branches": _on_one_line([[_short(number) for number in branch] for branch in grid.branches]),
    }


def _short(number: float | None) -> float | None:
    """A number to six significant digits: it is there to be drawn."""
    return None if number is None else float(f"{number:.6g}")


def _on_one_line(numbers: object) -> str:
    return f"\x00{json.dumps(numbers, allow_nan=False, separators=(',', ':'))}\x00"
