"""A view as plain text for terminals, mails and systems that know nothing else."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from xaisvc.views.bidi import END, START, isolated
from xaisvc.views.charts_text import chart_lines
from xaisvc.views.document import Bullets, Facts, Notice, Paragraph, Reasons, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xaisvc.views.charts_text import Chart
    from xaisvc.views.document import Block, Fact, View

WIDTH = 78
_BAR_CELLS = 24
_MAX_LABEL = 34
_MAX_TABLE = 150


def render(view: View) -> str:
    """The view in lines of at most 78 characters, but for tables."""
    lines = [*_wrap(view.title), "=" * min(len(view.title), WIDTH), *_wrap(view.subtitle)]
    for section in view.sections:
        lines.append("")
        if section.title:
            lines += [section.title, "-" * len(section.title)]
        for i, block in enumerate(section.blocks):
            if i:
                lines.append("")
            lines += _block(block, view)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _block(block: Block, view: View) -> list[str]:  # noqa: PLR0911 - one way out for each type of block
    if isinstance(block, Paragraph):
        return _wrap(block.text)
    if isinstance(block, Notice):
        return _wrap(f"[{view.tone(block.tone)}] {block.title} {block.text}".rstrip())
    if isinstance(block, Bullets):
        return _bullets(block)
    if isinstance(block, Facts):
        rows = _wrap(in_short(block), "  ") if block.quiet else _facts(block.rows, "  ")
        return ([f"{block.title}:"] if block.title else []) + rows
    if isinstance(block, Reasons):
        return _reasons(block)
    if isinstance(block, Table):
        return _table(block)
    return _chart(block)


def in_short(block: Facts) -> str:
    """Facts that are there to be looked up, one behind the other."""
    return "; ".join(f"{isolated(row.label)}: {_value(row)}" for row in block.rows)


def _wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    lines = textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest or first, break_long_words=False)
    if START in text:
        lines = _isolated_lines(lines, rest or first)
    return lines or ([first.rstrip()] if first else [])


def _isolated_lines(lines: Sequence[str], indent: str) -> list[str]:
    """Lines with their isolates closed: where text is read each stands alone, so an open one goes on in the next."""
    found, is_open = [], False
    for line in lines:
        again = f"{indent}{START}{line[len(indent) :]}" if is_open else line
        is_open = again.count(START) > again.count(END)
        found.append(again + END if is_open else again)
    return found


def _padded(text: str, width: int) -> str:
    """`text` isolated, and as wide as `width`: what isolates it takes no place."""
    return isolated(text) + " " * (width - len(text))


def _bullets(block: Bullets) -> list[str]:
    lines = [f"{block.title}:"] if block.title else []
    for i, item in enumerate(block.items, start=1):
        mark = f"  {i}. " if block.ordered else "  - "
        lines += _wrap(item, mark, " " * len(mark))
    return lines


def _facts(rows: Sequence[Fact], indent: str) -> list[str]:
    width = min(max((len(row.label) for row in rows), default=0), _MAX_LABEL)
    lines = []
    for row in rows:
        value = _value(row)
        rest = " " * (len(indent) + width + 2)
        if len(row.label) > width:
            lines += [*_wrap(isolated(row.label), indent, indent), *_wrap(value, rest)]
        else:
            lines += _wrap(value, f"{indent}{_padded(row.label, width)}  ", rest)
    return lines


def _value(row: Fact) -> str:
    said = "; ".join(isolated(part) for part in (row.note, row.source) if part)
    return f"{isolated(row.value)} ({said})" if said else isolated(row.value)


def _reasons(block: Reasons) -> list[str]:
    lines = [f"{block.title}:"] if block.title else []
    if not block.items:
        return lines + _wrap(block.empty, "  ")
    for i, reason in enumerate(block.items, start=1):
        head = f"  {i}. "
        own = ", ".join(isolated(part) for part in (reason.own_value, reason.own_source) if part)
        text = f"{isolated(reason.label)}: {own}" if own else isolated(reason.label)
        text = f"{text} ({reason.direction})" if reason.direction else text
        text = " ".join((text, *(f"[{isolated(link.text)}]" for link in reason.links)))
        lines += _wrap(text, head, " " * len(head))
        lines += [] if reason.own_value else _facts(reason.facts, " " * len(head))
        lines += _wrap(reason.note, " " * len(head)) if reason.note else []
    return lines


def _table(block: Table) -> list[str]:
    texts = [[column.label for column in block.columns], *([cell.text for cell in row] for row in block.rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(block.columns))]
    if sum(widths) + 2 * len(widths) > _MAX_TABLE:
        return [block.caption, *_records(block)]

    def line(cells: Iterable[str]) -> str:
        parts = [
            " " * (width - len(cell)) + isolated(cell) if column.numeric else _padded(cell, width)
            for cell, width, column in zip(cells, widths, block.columns, strict=True)
        ]
        return "  ".join(parts)

    rule = "  ".join("-" * width for width in widths)
    return [block.caption, "", line(texts[0]), rule, *(line(row) for row in texts[1:])]


def _records(block: Table) -> list[str]:
    """A table too wide for lines: one paragraph for each row."""
    lines = []
    for row in block.rows:
        lines.append("")
        for column, cell in zip(block.columns, row, strict=True):
            lines += _wrap(f"{isolated(column.label)}: {isolated(cell.text)}", "  ", "    ")
    return lines


def _chart(block: Chart) -> list[str]:
    found = chart_lines(block)
    if not found:
        return [*_wrap(block.title), "", *_wrap(block.description)]
    longest = max((abs(line.value or 0.0) for line in found), default=0.0)
    width = min(max((len(line.label) for line in found), default=0), _MAX_LABEL)
    lines = [block.title, ""]
    for line in found:
        label = line.label if len(line.label) <= width else line.label[: width - 3] + "..."
        if all(one.value is None for one in found):
            lines += _wrap(line.text, f"  {_padded(label, width)}  ", " " * (width + 4))
            continue
        cells = round(_BAR_CELLS * abs(line.value or 0.0) / longest) if longest > 0 else 0
        lines.append(f"  {_padded(label, width)}  {'#' * cells:<{_BAR_CELLS}}  {line.text}")
    return lines
