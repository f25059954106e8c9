"""Looks into a view that was built, and makes one of given blocks."""

from __future__ import annotations

from typing import TypeVar

from xaisvc.views.document import Block, Section, View, ViewStatus

B = TypeVar("B", bound=Block)


def blocks(view: View, section: str, kind: type[B]) -> list[B]:
    """The blocks of one kind in a section, in order."""
    found = next(s for s in view.sections if s.id == section)
    return [block for block in found.blocks if isinstance(block, kind)]


def view_of(*parts: Block, language: str = "en") -> View:
    """A whole view with one section of these blocks."""
    return View(
        id=f"r/a/{language}",
        record_id="r",
        audience="a",
        audience_label="A",
        audience_version=1,
        language=language,
        status=ViewStatus.COMPLETE,
        title="Title",
        subtitle="",
        layout="card",
        formats=("text", "markdown", "html", "json"),
        sections=(Section(id="s", type="text", title="Part", blocks=parts),),
        tones=("Note", "Take care", "Stop"),
    )
