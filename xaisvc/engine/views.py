"""Views of records, as a service gives them: which there are, who may have them, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.engine.commands import AudienceInfo, RenderedView
from xaisvc.engine.interruption import check_wanted
from xaisvc.engine.letters import letter_warnings
from xaisvc.engine.permissions import permitted_audience, visible_audiences
from xaisvc.engine.viewing import audiences, check_concerned, make_views
from xaisvc.errors import InvalidRequestError, LimitExceededError
from xaisvc.views import EXPORTS, FORMATS, media_type, render_view
from xaisvc.views.selection import is_closed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from xaisvc.engine.commands import ServiceLimits, ViewRequest
    from xaisvc.engine.letters import LetterWarning
    from xaisvc.engine.supplements import Supplier
    from xaisvc.types import BundleDescription, Caller, ExplanationRecord, Interest
    from xaisvc.views import Audience, View


class Views:
    """Checks and renders views.

    Args:
        folder: Folder of audiences; those that come with xaisvc if None.
        limits: What one request may ask for.

    Raises:
        AudienceError: If the folder of audiences has mistakes.
    """

    def __init__(self, folder: Path | None, limits: ServiceLimits) -> None:
        self._folder = folder
        self._limits = limits
        self.audiences()  # a folder with mistakes must stop the start, not a request

    def audiences(self) -> Mapping[str, Audience]:
        """Every audience, by id."""
        return audiences(self._folder)

    def infos(self, caller: Caller) -> tuple[AudienceInfo, ...]:
        """Every audience that this caller may have views of."""
        return tuple(
            AudienceInfo(
                id=audience.id,
                label=audience.label,
                purpose=audience.purpose,
                languages=tuple(audience.languages),
                # PDF is made by the library only.
                formats=tuple(name for name in audience.formats if name in {*FORMATS, *EXPORTS}),
                reason_codes=audience.reason_codes,
            )
            for audience in visible_audiences(self.audiences(), caller).values()
        )

    def of_bundle(self, description: BundleDescription, caller: Caller) -> tuple[str, ...]:
        """Ids of the audiences that this caller may have views of this bundle's cases for.

        Neither those that the bundle's decisions do not concern, nor those that get no view of any of its cases.
        """
        return tuple(
            name
            for name, audience in visible_audiences(self.audiences(), caller).items()
            if description.concerns(name) and not is_closed(description, audience)
        )

    def letter_warnings(self, description: BundleDescription, today: date) -> tuple[LetterWarning, ...]:
        """What is the matter with the letters about a bundle's cases; see `letters.letter_warnings`."""
        return letter_warnings(description, self.audiences().values(), today)

    def reason_codes(
        self, description: BundleDescription | None, caller: Caller, read_as: Sequence[str]
    ) -> tuple[str, ...]:
        """Codes of the reasons that feedback on a bundle's cases can give, each once.

        Those of the audiences that the case was read as; where these declare none, of all that have views of it. In
        either case only of audiences that the caller has rights to.

        Args:
            description: The bundle; None if it is no longer served.
            caller: Who sends the feedback.
            read_as: Ids of the audiences that the case was read as.
        """
        known = visible_audiences(self.audiences(), caller)
        bundles = tuple(known) if description is None else self.of_bundle(description, caller)
        for names in ([name for name in read_as if name in known], bundles):
            found = tuple(dict.fromkeys(code for name in names for code in known[name].reason_codes))
            if found:
                return found
        return ()

    def decisions(self, caller: Caller, read_as: Sequence[str]) -> tuple[str, ...]:
        """Codes of the decisions that judgements in feedback can name, each once; empty if any word will do.

        Args:
            caller: Who sends the feedback; audiences that they have no rights to add nothing.
            read_as: Ids of the audiences that the case was read as.
        """
        known = visible_audiences(self.audiences(), caller)
        return tuple(dict.fromkeys(code for name in read_as if name in known for code in known[name].decisions))

    def check_all(self, views: Sequence[ViewRequest], count: int, caller: Caller) -> None:
        """Refuses views of `count` rows that this caller cannot have.

        Raises:
            NotFoundError: If an audience is not known to this caller.
            InvalidRequestError: If the audience does not have this format or language.
            LimitExceededError: If they are too many.
        """
        for view in views:
            self.check(view, caller)
        if count * len(views) > self._limits.max_views:
            raise LimitExceededError(
                f"views: {count} rows times {len(views)} views are {count * len(views)}, but one request may ask for "
                f"{self._limits.max_views}; split the request, or fetch views by RenderView"
            )

    def check(self, view: ViewRequest, caller: Caller) -> None:
        """Refuses a view that this caller cannot have; see `check_all`."""
        audience = permitted_audience(self.audiences(), view.audience, caller)
        if view.format not in audience.formats:
            raise InvalidRequestError.of(
                "format",
                f"audience '{audience.id}' has no format {view.format!r}; it has {', '.join(audience.formats)}",
            )
        if view.language not in audience.languages:
            known = ", ".join(audience.languages)
            raise InvalidRequestError.of(
                "language", f"audience '{audience.id}' has no language {view.language!r}; it has {known}"
            )

    def check_concerned(self, views: Iterable[ViewRequest], description: BundleDescription) -> None:
        """Refuses views of a bundle whose decisions do not concern an audience; see `viewing.check_concerned`."""
        for view in views:
            check_concerned(description, self.audiences()[view.audience])

    def asks_first(self, view: ViewRequest) -> bool:
        """Whether the audience of a view is asked for its own judgement before it sees the model's."""
        return bool(self.audiences()[view.audience].before)

    def render(  # noqa: PLR0913 - which records, for whom, and from what
        self,
        records: Sequence[ExplanationRecord],
        description: BundleDescription,
        views: Sequence[ViewRequest],
        *,
        supplier: Supplier | None,
        judged: bool = False,
        interest: Interest | None = None,
    ) -> list[tuple[RenderedView, ...]]:
        """The views of each record of a request; what an audience reads is made once, however many formats it is in.

        Args:
            records: The records, all of one output and method.
            description: The bundle that they were made with.
            views: Which views.
            supplier: Of the bundle that is served under this name now, if any is.
            judged: Whether the reader's own first judgement of each is stored.
            interest: Once the caller has left, the work stops.
        """
        known = self.audiences()
        check = None if interest is None else lambda: check_wanted(interest)
        made = {
            (audience, language): make_views(
                records,
                description,
                known[audience],
                language,
                judged=judged,
                supplier=supplier,
                check=check,
                everybody=self.audiences,
            )
            for audience, language in dict.fromkeys((view.audience, view.language) for view in views)
        }
        return [
            tuple(_rendered(view, made[view.audience, view.language][i].document) for view in views)
            for i in range(len(records))
        ]


def _rendered(view: ViewRequest, document: View) -> RenderedView:
    return RenderedView(
        audience=view.audience,
        format=view.format,
        language=view.language,
        media_type=media_type(view.format),
        content=render_view(document, view.format),
        status=document.status,
    )
