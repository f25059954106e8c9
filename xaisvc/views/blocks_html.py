"""Sections and blocks as HTML. In code instead of a template: a page for data scientists has hundreds of parts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.views.charts import bar_chart, waterfall
from xaisvc.views.charts_grid import heat_map
from xaisvc.views.charts_points import beeswarm, plots
from xaisvc.views.document import (
    BarChart,
    Beeswarm,
    Bullets,
    Facts,
    HeatMap,
    Notice,
    Paragraph,
    Plots,
    Reasons,
    Table,
    Waterfall,
)
from xaisvc.views.escaping import escaped
from xaisvc.views.tables_html import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from xaisvc.views.document import Block, Fact, Reason, Section

    Drawn: TypeAlias = Beeswarm | HeatMap | Plots | Waterfall


def section(one: Section) -> str:
    """A section with its heading and blocks, every text escaped."""
    key = escaped(one.id)
    named = f' aria-labelledby="{key}-heading"' if one.title else ""
    head = f'<h2 id="{key}-heading">{escaped(one.title)}</h2>\n' if one.title else ""
    blocks = "\n".join(_WRITERS[type(block)](block, f"{one.id}-{i}") for i, block in enumerate(one.blocks, start=1))
    end = "\n" if one.blocks else ""
    return f'<section class="section type-{escaped(one.type)}" id="{key}"{named}>\n{head}{blocks}{end}</section>\n'


def _paragraph(block: Paragraph, _: str) -> str:
    return f'<p class="{escaped(block.role)}">{escaped(block.text)}</p>\n'


def _bullets(block: Bullets, _: str) -> str:
    title = f"<h3>{escaped(block.title)}</h3>\n" if block.title else ""
    items = "".join([f"<li>{escaped(item)}</li>\n" for item in block.items])
    return f'{title}<ol class="steps">\n{items}</ol>\n' if block.ordered else f"{title}<ul>\n{items}</ul>\n"


def _facts(block: Facts, _: str) -> str:
    place = f' id="{escaped(block.anchor)}"' if block.anchor else ""
    title = f"<h3{place}>{escaped(block.title)}</h3>\n" if block.title else ""
    return f"{title}{_rows(block.rows, code=block.code, quiet=block.quiet)}\n"


def _rows(rows: Iterable[Fact], *, code: bool = False, quiet: bool = False) -> str:
    lines = "".join([_row(row) for row in rows])
    return f'<dl class="facts{" code" if code else ""}{" quiet" if quiet else ""}">\n{lines}</dl>\n'


def _row(row: Fact) -> str:
    place = f' id="{escaped(row.anchor)}"' if row.anchor else ""
    note = f' <span class="note">{escaped(row.note)}</span>' if row.note else ""
    value = f'<span class="amount">{escaped(row.value)}</span>{note}{_source(row.source)}'
    return f"<div{place}><dt>{escaped(row.label)}</dt><dd>{value}</dd></div>\n"


def _source(source: str) -> str:
    return f' <span class="source">{escaped(source)}</span>' if source else ""


def _reasons(block: Reasons, key: str) -> str:
    start = f'<div class="reason-list side-{escaped(block.side)}">\n'
    head = escaped(f"{key}-heading")
    title = f'<h3 id="{head}">{escaped(block.title)}</h3>\n' if block.title else ""
    if not block.items:
        return f'{start}{title}<p class="empty">{escaped(block.empty)}</p>\n</div>\n\n'
    named = f' aria-labelledby="{head}"' if block.title else ""
    items = "".join([_reason(reason) for reason in block.items])
    return f"{start}{title}<ol{named}>\n{items}</ol>\n</div>\n\n"


def _reason(reason: Reason) -> str:
    own = reason.own_value
    source = f",{_source(reason.own_source)}" if reason.own_source else ""
    value = f': <span class="amount">{escaped(own)}</span>{source}' if own else ""
    direction = f' <span class="direction">({escaped(reason.direction)})</span>' if reason.direction else ""
    links = "".join(
        [f' <a class="evidence" href="#{escaped(link.anchor)}">{escaped(link.text)}</a>' for link in reason.links]
    )
    facts = f"{_rows(reason.facts)}\n" if reason.facts and not own else ""
    note = f'<p class="note">{escaped(reason.note)}</p>\n' if reason.note else ""
    return (
        f'<li><p class="reason"><strong>{escaped(reason.label)}</strong>{value}{direction}{links}</p>\n'
        f"{facts}{note}</li>\n"
    )


def _table(block: Table, _: str) -> str:
    return f"{table(block)}\n"


def _notice(block: Notice, _: str) -> str:
    text = f" {escaped(block.text)}" if block.text else ""
    return (
        f'<div class="notice {escaped(block.tone)}" role="note">\n'
        f"<p><strong>{escaped(block.title)}</strong>{text}</p>\n</div>\n"
    )


def _bars(block: BarChart, key: str) -> str:
    legend = ""
    if block.mark:
        bar = "" if block.below else f'<span class="key-bar"></span>{escaped(block.above)} '
        legend = f' <span class="key">{bar}<span class="key-mark"></span>{escaped(block.mark)}</span>'
    return f"<figure>\n<figcaption>{escaped(block.title)}{legend}</figcaption>\n{bar_chart(block, key)}\n</figure>\n"


def _figure(block: Drawn, key: str) -> str:
    drawn = _CHARTS[type(block)](block, key)
    return f"<figure>\n<figcaption>{escaped(block.title)}</figcaption>\n{drawn}\n</figure>\n"


_CHARTS: Mapping[type, Callable[..., str]] = MappingProxyType(
    {Waterfall: waterfall, Beeswarm: beeswarm, Plots: plots, HeatMap: heat_map}
)

_WRITERS: Mapping[type[Block], Callable[..., str]] = MappingProxyType(
    {
        Paragraph: _paragraph,
        Bullets: _bullets,
        Facts: _facts,
        Reasons: _reasons,
        Table: _table,
        Notice: _notice,
        BarChart: _bars,
        **dict.fromkeys(_CHARTS, _figure),
    }
)
