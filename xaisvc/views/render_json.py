"""A view as JSON: the same sections and blocks, nothing added."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.views.document import (
    BarChart,
    Bullets,
    Facts,
    Notice,
    Paragraph,
    Reasons,
    Table,
)

if TYPE_CHECKING:
    from xaisvc.views.document import Block, View

    Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

VIEW_SCHEMA = "xaisvc.view/v1"

_TYPES: dict[type, str] = {
    Paragraph: "paragraph",
    Bullets: "bullets",
    Facts: "facts",
    Reasons: "reasons",
    Table: "table",
    Notice: "notice",
    BarChart: "bar_chart",
}


def render(view: View) -> str:
    """The view as a JSON object; ASCII only, so that no reader's encoding or embedding can change it."""
    document: dict[str, Json] = {"schema": VIEW_SCHEMA}
    for field in dataclasses.fields(view):
        if field.name not in {"sections", "layout", "formats", "tones"}:
            document[field.name] = _plain(getattr(view, field.name))
    if not view.pack:
        del document["pack"]
    document["sections"] = [
        {
            "id": section.id,
            "type": section.type,
            "title": section.title,
            "blocks": [_block(block) for block in section.blocks],
        }
        for section in view.sections
    ]
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _block(block: Block) -> Json:
    fields = {field.name: _plain(getattr(block, field.name)) for field in dataclasses.fields(block)}
    return {"type": _TYPES[type(block)], **fields}


def _plain(value: object) -> Json:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
