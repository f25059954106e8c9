"""A view as one self-contained HTML page: style inside, no script, nothing fetched, everything escaped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from xaisvc.views.charts import bar_chart, waterfall
from xaisvc.views.charts_grid import heat_map
from xaisvc.views.charts_points import beeswarm, plots
from xaisvc.views.tables_html import table

if TYPE_CHECKING:
    from jinja2 import Environment

    from xaisvc.views.document import View

_TEMPLATES = Path(__file__).parent / "templates"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'none'; base-uri 'none'; form-action 'none'"
"""Content security policy of every page: even a text that escaped all escaping could load and run nothing."""


def render(view: View) -> str:
    """The view as a page."""
    template = _environment().get_template("page.html.j2")
    return template.render(view=view, style=_style(view.layout), policy=POLICY)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Compiling the templates takes a while, so it is done once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - heavy: loaded when used

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    environment.globals["table"] = table
    environment.globals["charts"] = {
        "barchart": bar_chart,
        "waterfall": waterfall,
        "beeswarm": beeswarm,
        "plots": plots,
        "heatmap": heat_map,
    }
    return environment


@lru_cache(maxsize=8)
def _style(layout: str) -> str:
    """The style of every page, then that of the layout."""
    sheets = ("base.css", f"{layout}.css")
    return "\n".join((_TEMPLATES / name).read_text(encoding="utf-8").strip() for name in sheets)
