"""A view as Markdown (CommonMark with tables). No text of a view can become markup, a link or raw HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xaisvc.views.bidi import isolated
from xaisvc.views.charts_text import chart_lines
from xaisvc.views.document import Bullets, Facts, Notice, Paragraph, Reasons, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xaisvc.views.charts_text import Chart
    from xaisvc.views.document import Block, Fact, View

_ANYWHERE = re.compile(r"([\\`*_\[\]<>|~&!])")
_AT_START = re.compile(r"^([#+=-]|\d+(?=[.)]))")
_ADDRESS = re.compile(r"(?i)(www)\.|(:)//|(mailto|xmpp|javascript|data):")


def escape(text: str) -> str:
    """`text` with every character escaped that could start markup, HTML, an entity, a table cell or a link."""
    found = _inline(text)
    start = _AT_START.match(found)
    if start is None:
        return found
    head = start.group(1)
    # A list marker is a number with a dot or bracket behind it: the backslash goes before that character.
    return f"{head}\\{found[len(head) :]}" if head.isdigit() else f"\\{found}"


def _inline(text: str) -> str:
    """As `escape`, for a text that does not start a line."""
    return _ADDRESS.sub(_defused, _ANYWHERE.sub(r"\\\1", text))


def render(view: View) -> str:
    """The view as Markdown."""
    parts = [f"# {escape(view.title)}"]
    if view.subtitle:
        parts.append(escape(view.subtitle))
    for section in view.sections:
        if section.title:
            parts.append(f"## {escape(section.title)}")
        parts += [_block(block, view) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _defused(match: re.Match[str]) -> str:
    if match.group(1):
        return f"{match.group(1)}\\."
    return r":\/\/" if match.group(2) else f"{match.group(3)}\\:"


def _block(block: Block, view: View) -> str:  # noqa: PLR0911 - one way out for each type of block
    if isinstance(block, Paragraph):
        text = escape(block.text)
        return f"**{text}**" if block.role == "lead" else text
    if isinstance(block, Notice):
        body = f" {escape(block.text)}" if block.text else ""
        return f"> **{view.tone(block.tone)}:** {escape(block.title)}{body}"
    if isinstance(block, Bullets):
        return _titled(block.title, _list((escape(item) for item in block.items), ordered=block.ordered))
    if isinstance(block, Facts):
        facts = [_fact(row) for row in block.rows]
        return _titled(block.title, "; ".join(facts) if block.quiet else "\n".join(f"- {fact}" for fact in facts))
    if isinstance(block, Reasons):
        return _titled(block.title, _reasons(block))
    if isinstance(block, Table):
        return _table(block)
    return _chart(block)


def _titled(title: str, body: str) -> str:
    return f"### {escape(title)}\n\n{body}" if title else body


def _list(items: Iterable[str], *, ordered: bool) -> str:
    return "\n".join(f"{i}. {item}" if ordered else f"- {item}" for i, item in enumerate(items, start=1))


def _fact(row: Fact) -> str:
    said = "; ".join(isolated(part) for part in (row.note, row.source) if part)
    note = f" ({escape(said)})" if said else ""
    return f"{isolated(escape(row.label))}: **{isolated(escape(row.value))}**{note}"


def _reasons(block: Reasons) -> str:
    if not block.items:
        return escape(block.empty)
    lines: list[str] = []
    for i, reason in enumerate(block.items, start=1):
        direction = f" ({escape(reason.direction)})" if reason.direction else ""
        own = ", ".join(isolated(part) for part in (reason.own_value, reason.own_source) if part)
        own = f": {escape(own)}" if own else ""
        links = "".join(f" \\[{isolated(escape(link.text))}\\]" for link in reason.links)
        lines.append(f"{i}. **{isolated(escape(reason.label))}**{own}{direction}{links}")
        lines += [] if own else [f"   - {_fact(row)}" for row in reason.facts]
        if reason.note:
            lines.append(f"   - {escape(reason.note)}")
    return "\n".join(lines)


def _table(block: Table) -> str:
    head = [isolated(_inline(column.label)) for column in block.columns]
    rule = ["---:" if column.numeric else "---" for column in block.columns]
    rows = [[isolated(_inline(cell.text)) for cell in row] for row in block.rows]
    return f"{escape(block.caption)}\n\n" + _grid(head, rule, rows)


def _chart(block: Chart) -> str:
    rows = [[isolated(_inline(line.label)), _inline(line.text)] for line in chart_lines(block)]
    title = escape(block.title)
    return f"{title}\n\n{_grid(['', ''], ['---', '---'], rows)}" if rows else f"{title}\n\n{escape(block.description)}"


def _grid(head: Sequence[str], rule: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))
