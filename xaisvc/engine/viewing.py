"""Views of explanation records, ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from xaisvc.engine.permissions import no_such_audience
from xaisvc.engine.reader_rights import reader_rights
from xaisvc.errors import InvalidRequestError
from xaisvc.types.supplements import NO_SUPPLEMENTS, Supplement
from xaisvc.views import build_view, load_audiences, needed, render_view, to_pdf
from xaisvc.views.selection import visible_features

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from xaisvc.engine.supplements import Supplier
    from xaisvc.types import BundleDescription, ExplanationRecord, Table
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

    def to_csv(self) -> str:
        """The table for other programs, with numbers in full.

        Raises:
            InvalidRequestError: If the audience is not served as CSV.
        """
        return render_view(self.document, "csv")

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


def check_concerned(description: BundleDescription, audience: Audience) -> None:
    """Refuses views for an audience that a bundle's decisions do not concern, before anything of a case is looked at.

    Raises:
        InvalidRequestError: If the bundle names its audiences and this is none of them. The words are the same for
            every case, so that neither having nor lacking a view tells anything.
    """
    if not description.concerns(audience.id):
        raise InvalidRequestError.of(
            "audience",
            f"model '{description.name}' has no views for the audience '{audience.id}', whatever the case; bundle.yaml "
            "names those that its decisions concern under 'audiences'",
            reason="NOT_CONCERNED",
        )


def make_views(  # noqa: PLR0913 - what is shown, to whom, and from what, each by name
    records: Sequence[ExplanationRecord],
    description: BundleDescription,
    audience: Audience,
    language: str = "en",
    *,
    judged: bool = False,
    supplier: Supplier | None = None,
    rows: Table | None = None,
    check: Callable[[], None] | None = None,
    everybody: Callable[[], Mapping[str, Audience]] | None = None,
) -> list[ExplanationView]:
    """Makes the views of records of one request for one audience; see `Explanation.view`.

    Args:
        records: The records, all of one output and method.
        description: The bundle that they were made with.
        audience: The reader.
        language: Language of the views.
        judged: Whether the reader's own first judgement of each is known; see `build_view`.
        supplier: Computes what is shown beside the records, if it is still that bundle; nobody if None.
        rows: The rows of the records, if they are at hand as a table.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
        everybody: All audiences, for readers who are told what others get; those that come with xaisvc if None.

    Raises:
        InvalidRequestError: If the bundle has no views for this audience, whatever the case.
    """
    check_concerned(description, audience)
    needs = needed(description, audience, judged=judged)
    supplements = [NO_SUPPLEMENTS] * len(records)
    if needs and records and supplier is not None and supplier.made(records[0]):
        visible = tuple(feature.id for feature in visible_features(description, audience))
        supplements = supplier.supply(records, needs, visible=visible, rows=rows, check=check)
    if Supplement.READERS in needs:
        others = {name: one for name, one in (everybody or audiences)().items() if name != audience.id}
        supplements = [
            replace(beside, readers=reader_rights(record, description, others))
            for record, beside in zip(records, supplements, strict=True)
        ]
    return [
        ExplanationView(build_view(record, description, audience, language, beside, judged=judged))
        for record, beside in zip(records, supplements, strict=True)
    ]
