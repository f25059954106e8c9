"""Picks the payments that the demonstration explains, by rules, from payments that the model never saw."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks.card_fraud.description import THRESHOLD
from benchmarks.card_fraud.ledger import STORIES, STORY
from benchmarks.card_fraud.model import TEXTS
from benchmarks.card_fraud.world import START

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from benchmarks.card_fraud.ledger import Payments


class Pick(NamedTuple):
    """One payment of the demonstration.

    Attributes:
        id: Name of the case; names no person.
        title: A few words for headings.
        why: Why this payment was picked.
        place: Position among all payments.
    """

    id: str
    title: str
    why: str
    place: int


_MISSED: Final = 0.01
"""A fraud is missed for good where the prediction is below this."""


def pick_payments(
    rows: pd.DataFrame,
    paid: Payments,
    test: NDArray[np.intp],
    scores: NDArray[np.float64],
    background: pd.DataFrame,
) -> list[dict[str, object]]:
    """The demonstration's payments with their facts and what they were; a rule that finds none is left out.

    Args:
        rows: Features of all payments.
        paid: All payments.
        test: Positions of the payments that may be picked.
        scores: Predictions for all payments; float64, (n,).
        background: The rows of the bundle's background.
    """
    story, score = paid.story[test], scores[test]
    beyond = _beyond(rows.iloc[test], background)
    usual = story == STORY["usual"]
    ratio, usual_hour = (rows[name].to_numpy()[test] for name in ("amount_to_mean_30d", "hour_usual_percent"))
    rules = (
        (
            "payment-1-confirmed",
            "An alert that was right",
            "Somebody else was in the account: a device never used before, sums far above the usual.",
            (story == STORY["takeover"]) & (ratio > 3),  # noqa: PLR2004 - as the text says
            -score,
        ),
        (
            "payment-2-missed",
            "A fraud without an alert",
            (
                "Stored card data were used with care: a usual amount at a usual hour. The model saw nothing, and the "
                "customer reported it weeks later. No alert does not mean no fraud."
            ),
            (story == STORY["quiet_misuse"]) & (score < _MISSED) & (usual_hour >= 15),  # noqa: PLR2004 - as the text says
            np.abs(ratio - 1),
        ),
        (
            "payment-3-travel",
            "An alert that was wrong: travel",
            "The customer was on a trip and paid as travellers do. It looked like a copied card, and was cleared.",
            (story == STORY["travel"])
            & (score >= THRESHOLD)
            & ~rows["channel"].str.startswith("online").to_numpy()[test],
            -score,
        ),
        (
            "payment-4-usual",
            "A usual payment",
            "Nothing stands out: a shop the customer knows, at an hour and for a sum that are usual.",
            usual & (score < _MISSED / 10) & ~rows["merchant_new"].to_numpy()[test],
            np.abs(ratio - 1),
        ),
        (
            "payment-5-unlike",
            "Unlike anything seen",
            (
                "More facts lie outside what the background holds than for any other payment without an alert. The "
                "model has nothing to go by, so its low number is no comfort."
            ),
            score < THRESHOLD,
            -beyond,
        ),
        (
            "payment-6-testing",
            "A card being tried out",
            "The last of several small payments within minutes at one site, with declined attempts in between.",
            (story == STORY["card_testing"]) & (rows["amount_eur"].to_numpy()[test] < 5) & (score >= THRESHOLD),  # noqa: PLR2004 - a small sum
            -rows["n_small_last_day"].to_numpy()[test],
        ),
    )
    picks = []
    for name, title, why, fits, order in rules:
        among = np.flatnonzero(fits)
        if len(among):
            picks.append(Pick(name, title, why, int(test[among[np.argmin(order[among])]])))
    return [_entry(pick, rows, paid) for pick in picks]


def _beyond(rows: pd.DataFrame, background: pd.DataFrame) -> NDArray[np.float64]:
    """How many numbers of each row lie outside the background's range; how far breaks ties; float64, (n,)."""
    total = np.zeros(len(rows))
    for name in rows.columns:
        if name in TEXTS or rows[name].dtype == bool:
            continue
        values, known = rows[name].to_numpy(np.float64), background[name].to_numpy(np.float64)
        out = np.maximum(values - known.max(), known.min() - values)
        scale = max(known.max() - known.min(), 1.0)
        total += (out > 0) * (1 + 0.01 * np.minimum(out / scale, 50))
    return total


def _entry(pick: Pick, rows: pd.DataFrame, paid: Payments) -> dict[str, object]:
    moment = datetime.combine(START, time()) + timedelta(seconds=int(paid.time_s[pick.place]))
    return {
        "id": pick.id,
        "title": pick.title,
        "why": pick.why,
        "paid_at": moment.isoformat(timespec="minutes"),
        "fraud": bool(paid.fraud[pick.place]),
        "story": STORIES[paid.story[pick.place]],
        "row": json.loads(rows.iloc[pick.place].to_json()),
    }
