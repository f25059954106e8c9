"""From a view to bytes that somebody reads: one function, one table of formats."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from xaisvc.errors import InvalidRequestError, RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xaisvc.views.document import View

_FORMATS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "html": ("xaisvc.views.render_html", "text/html; charset=utf-8"),
        "markdown": ("xaisvc.views.render_markdown", "text/markdown; charset=utf-8"),
        "text": ("xaisvc.views.render_text", "text/plain; charset=utf-8"),
        "json": ("xaisvc.views.render_json", "application/json"),
        "csv": ("xaisvc.views.render_csv", "text/csv; charset=utf-8; header=present"),
    }
)

EXPORTS = ("csv",)
"""Formats of `render_view` that hold one table of a view, for other programs."""

FORMATS = tuple(name for name in _FORMATS if name not in EXPORTS)
"""Formats of `render_view` that hold a whole view, in the order in which they are offered."""


def render_view(view: View, format: str) -> str:  # noqa: A002 - the word that callers know
    """Renders a view.

    Args:
        view: The view.
        format: `html`, `markdown`, `text`, `json` or `csv`, as far as the audience is served in it.

    Returns:
        The whole document as text, to be encoded as UTF-8.

    Raises:
        InvalidRequestError: If the format is unknown or not one of the audience's; the message lists the choices. If
            the view has no table for `csv`.
    """
    module, _ = _entry(format)
    if format not in view.formats:
        served = ", ".join(name for name in view.formats if name in _FORMATS)
        raise InvalidRequestError.of(
            "format", f"audience '{view.audience}' is not served as '{format}'; it is served as: {served}", "NOT_SERVED"
        )
    render = cast("Callable[[View], str]", importlib.import_module(module).render)
    return render(view)


def media_type(format: str) -> str:  # noqa: A002 - the word that callers know
    """Media type of a format, `pdf` included.

    Raises:
        InvalidRequestError: If the format is unknown; the message lists the choices.
    """
    return "application/pdf" if format == "pdf" else _entry(format)[1]


def to_pdf(view: View) -> bytes:
    """Renders a view as a PDF document, from the same page as `html`.

    Raises:
        InvalidRequestError: If the audience is not served as PDF.
        RuntimeUnavailableError: If the extra `pdf` is not installed.
    """
    if "pdf" not in view.formats:
        raise InvalidRequestError.of(
            "format",
            f"audience '{view.audience}' is not served as 'pdf'; it is served as: {', '.join(view.formats)}",
            "NOT_SERVED",
        )
    try:
        import weasyprint  # noqa: PLC0415 - optional and heavy: loaded when used
    except (ImportError, OSError):
        # OSError: the package is there, but the text layout library of the system is not.
        raise RuntimeUnavailableError(
            "PDF needs the extra 'pdf': install xaisvc[pdf], and the system library Pango"
        ) from None
    page = render_view(view, "html")
    return cast("bytes", weasyprint.HTML(string=page, url_fetcher=_no_fetch).write_pdf(pdf_tags=True))


def _no_fetch(url: str) -> dict[str, object]:
    """Refuses every address: a view holds everything it shows."""
    raise ValueError(f"a view has no external parts, yet it names one of {len(url)} characters")


def _entry(name: str) -> tuple[str, str]:
    found = _FORMATS.get(name)
    if found is None:
        hint = "; for PDF use to_pdf" if name == "pdf" else ""
        raise InvalidRequestError.of(
            "format", f"unknown format '{name}'; known: {', '.join(_FORMATS)}{hint}", "UNKNOWN_FORMAT"
        )
    return found
