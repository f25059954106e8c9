"""What the demonstration shows: real loan applications, and simulated card payments. Nobody's name is in either."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).parent
BUNDLES: Final = FOLDER / "bundles"
MAIN_MODEL: Final = "german-credit-boosting"
OTHER_MODEL: Final = "german-credit-logistic"
CARD_MODEL: Final = "card-fraud"
COMPARED_CASE: Final = "case-3-near-the-threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """A use of models, and the words in which the page speaks of it.

    Attributes:
        id: Its name on the page.
        title: Heading of its cases.
        note: What its cases are.
        model: The model that is asked first.
        audiences: Whom its decisions concern, in reading order.
        subject: Heading of the facts of a case.
        adverse: The adverse decision.
        favourable: The other one.
        limit: What stands before the threshold.
        came_true: What is known of a case whose adverse outcome came.
        did_not: What is known of the others.
    """

    id: str
    title: str
    note: str
    model: str
    audiences: tuple[str, ...]
    subject: str
    adverse: str
    favourable: str
    limit: str
    came_true: str
    did_not: str


CREDIT: Final = UseCase(
    id="credit",
    title="Loan applications",
    note="Real applications at a German bank, held out from training; every reader has a part in a loan.",
    model=MAIN_MODEL,
    audiences=("data_scientist", "business_manager", "relationship_manager", "fraud_analyst", "customer"),
    subject="The applicant's facts",
    adverse="Declined",
    favourable="Approved",
    limit="declined from",
    came_true="the loan was not repaid as agreed",
    did_not="the loan was repaid",
)

CARDS: Final = UseCase(
    id="cards",
    title="Card payments",
    note=(
        "Simulated payments of made-up customers. What raises an alert stays with those who judge alerts and those who "
        "answer for the model: it would tell others how to pass."
    ),
    model=CARD_MODEL,
    audiences=("data_scientist", "business_manager", "fraud_analyst"),
    subject="The payment's facts",
    adverse="Alert",
    favourable="No alert",
    limit="alert from",
    came_true="it was fraud",
    did_not="it was not fraud",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One applicant or payment.

    Attributes:
        id: Name of the case and of its folder.
        title: A few words for headings.
        why: Why this one was picked.
        line: Line of the applicant in the data file, the header being line 1; None for a payment.
        went_bad: Whether the adverse outcome came in the data.
        row: Feature id to value.
    """

    id: str
    title: str
    why: str
    line: int | None
    went_bad: bool
    row: Mapping[str, float | str | bool]


def load_cases(path: Path = FOLDER / "applicants.json") -> tuple[Case, ...]:
    """The applicants, in the order in which they are shown."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Case(**entry) for entry in found["cases"])


def load_payments(path: Path = FOLDER / "transactions.json") -> tuple[Case, ...]:
    """The payments, in the order in which they are shown."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Case(
            id=entry["id"],
            title=entry["title"],
            why=entry["why"],
            line=None,
            went_bad=entry["fraud"],
            row=entry["row"],
        )
        for entry in found["cases"]
    )
