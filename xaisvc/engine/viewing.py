"""Views of explanation records, ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from xaisvc.engine.permissions import no_such_audience
from xaisvc.views import build_view, load_audiences, render_view, to_pdf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience, View


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """What one audience sees of one record."""

    document: View

    def to_html(self) -> str:
        """A complete page without scripts or outside resources."""
        return render_view(self.document, "html")

    def to_markdown(self) -> str:
        """CommonMark text."""
        return render_view(self.document, "markdown")

    def to_text(self) -> str:
        """Plain text."""
        return render_view(self.document, "text")

    def to_json(self) -> str:
        """The sections as JSON."""
        return render_view(self.document, "json")

    def to_pdf(self) -> bytes:
        """A PDF document.

        Raises:
            RuntimeUnavailableError: If the extra `pdf` is not installed.
        """
        return to_pdf(self.document)


@cache
def audiences(folder: Path | None = None) -> Mapping[str, Audience]:
    """The audiences of a folder, by id; those that come with xaisvc for None. Read once per process.

    A jurisdiction pack in use that is past the day of its review is told by a `StalePackWarning`.
    """
    return load_audiences(folder, today=datetime.now(UTC).date())


def find_audience(audience: str, folder: Path | None = None) -> Audience:
    """The audience with this id.

    Raises:
        NotFoundError: If there is none; the message lists the known ones.
    """
    known = audiences(folder)
    if audience not in known:
        raise no_such_audience(audience, known)
    return known[audience]


def make_view(
    record: ExplanationRecord,
    description: BundleDescription,
    audience: str,
    language: str = "en",
    *,
    folder: Path | None = None,
) -> ExplanationView:
    """Makes the view of a record for an audience; see `Explanation.view`."""
    return ExplanationView(build_view(record, description, find_audience(audience, folder), language))
