"""A view as one self-contained HTML page: style inside, no script, nothing fetched, everything escaped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from xaisvc.views.blocks_html import section

if TYPE_CHECKING:
    from jinja2 import Environment

    from xaisvc.views.document import View

_TEMPLATES = Path(__file__).parent / "templates"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'none'; base-uri 'none'; form-action 'none'"
"""Content security policy of every page: even a text that escaped all escaping could load and run nothing."""


def render(view: View) -> str:
    """The view as a page."""
    template = _environment().get_template("page.html.j2")
    sections = Markup("".join([section(one) for one in view.sections]))  # noqa: S704 - every text in it is escaped
    return template.render(view=view, sections=sections, style=_style(view.layout), policy=POLICY)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Compiling the templates takes a while, so it is done once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - heavy: loaded when used

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@lru_cache(maxsize=8)
def _style(layout: str) -> str:
    """The style of every page, then that of the layout."""
    sheets = ("base.css", f"{layout}.css")
    return "\n".join((_TEMPLATES / name).read_text(encoding="utf-8").strip() for name in sheets)
