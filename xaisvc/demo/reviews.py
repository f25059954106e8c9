"""The demonstration's reviews: what a few hundred decisions say together, for whoever answers for the model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xaisvc.demo.cases import CARDS, CREDIT, FOLDER
from xaisvc.demo.page import ReviewLink, ReviewPages

if TYPE_CHECKING:
    import pandas as pd

    from xaisvc.client import Client
    from xaisvc.demo.cases import UseCase
    from xaisvc.types import ExplanationRecord

LANGUAGES: Final = {"en": "English", "nl": "Nederlands"}
SUFFIXES: Final = {"html": "html", "text": "txt", "json": "json"}
AUDIENCE: Final = "business_manager"
N_JUDGED: Final = 150
GROUP: Final = "case:group"
CAME_TRUE: Final = "case:came_true"
NOW_IDS: Final = "now.txt"
BEFORE_IDS: Final = "before.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review, and what it is about.

    Attributes:
        use: The use of the model.
        file: Rows, with `case:group` (`now` or `before`) and `case:came_true`, whether the adverse outcome came.
        note: What the rows are.
        segment_by: What the review is split by.
        judge: Audience that says afterwards what it decided.
    """

    use: UseCase
    file: Path
    note: str
    segment_by: tuple[str, ...]
    judge: str

    @property
    def folder(self) -> str:
        """Folder of its pages, below that of the demonstration."""
        return _folder(self.use)


REVIEWS: Final = (
    Review(
        use=CREDIT,
        file=FOLDER / "review_applicants.parquet",
        note="300 applications that the model has not seen, beside 250 that it was trained on.",
        segment_by=("band", "purpose", "amount_dm"),
        judge="relationship_manager",
    ),
    Review(
        use=CARDS,
        file=FOLDER / "review_payments.parquet",
        note="Simulated payments of the last weeks, with every alert, beside the weeks before.",
        segment_by=("band", "channel", "country_zone"),
        judge="fraud_analyst",
    ),
)


def review_page(use: UseCase) -> str:
    """Where the page of a use of a model is, relative to the demonstration's folder, in its first language."""
    return _page(use, next(iter(LANGUAGES)))


def _folder(use: UseCase) -> str:
    return f"review-{use.id}"


def _page(use: UseCase, language: str) -> str:
    return f"{_folder(use)}/{AUDIENCE}.{language}.html"


def make_reviews(client: Client, out: Path) -> tuple[ReviewPages, ...]:
    """Explains the rows, has some of them judged, and writes the pages in every language.

    Args:
        client: The service, which must let its caller name explanations.
        out: Folder of the demonstration.
    """
    return tuple(_make(client, review, out) for review in REVIEWS)


def _make(client: Client, review: Review, out: Path) -> ReviewPages:
    from xaisvc.bundles.parquet import read_parquet_frame  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.client import CohortSelection  # noqa: PLC0415 - heavy: loaded when used

    rows = read_parquet_frame(review.file.read_bytes())
    model, folder = review.use.model, Path(review.folder)
    now, before = (_explained(client, model, rows[rows[GROUP] == name]) for name in ("now", "before"))
    _judge(client, review, now, rows.loc[rows[GROUP] == "now", CAME_TRUE].tolist())
    (out / folder).mkdir(parents=True, exist_ok=True)
    ids = {NOW_IDS: [one.id for one in now], BEFORE_IDS: [one.id for one in before]}
    for name, named in ids.items():
        (out / folder / name).write_text("\n".join(named) + "\n", encoding="utf-8")
    links = []
    for language, label in LANGUAGES.items():
        for form, suffix in SUFFIXES.items():
            view = client.render_cohort(
                model,
                selection=CohortSelection(ids=tuple(ids[NOW_IDS])),
                against=CohortSelection(ids=tuple(ids[BEFORE_IDS])),
                segment_by=review.segment_by,
                audience=AUDIENCE,
                format=form,
                language=language,
            )
            (out / folder / f"{AUDIENCE}.{language}.{suffix}").write_text(view.content, encoding="utf-8")
        links.append(ReviewLink(label=label, language=language, href=_page(review.use, language)))
    return ReviewPages(use=review.use, note=review.note, links=tuple(links), judged=min(N_JUDGED, len(now)))


def _explained(client: Client, model: str, rows: pd.DataFrame) -> tuple[ExplanationRecord, ...]:
    return client.explain(model, rows.drop(columns=[GROUP, CAME_TRUE]).reset_index(drop=True)).records


def _judge(client: Client, review: Review, records: tuple[ExplanationRecord, ...], came_true: list[bool]) -> None:
    """Stores verdicts on some of the cases. They are made up: as if the reader had known the outcome."""
    from xaisvc.client import Feedback  # noqa: PLC0415 - heavy: loaded when used

    for record, true in islice(zip(records, came_true, strict=True), N_JUDGED):
        verdict = "agree" if record.output.adverse is true else "deviate"
        client.submit_feedback(Feedback(explanation_id=record.id, audience=review.judge, verdict=verdict))
