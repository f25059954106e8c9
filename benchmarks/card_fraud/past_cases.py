"""What the simulated fraud desk knows of past alerts: counts per band, and a file of closed cases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from benchmarks.card_fraud.ledger import STORIES
from benchmarks.card_fraud.world import DAY_S, START
from xaisvc.bundles.bands import FEWEST_PARTS
from xaisvc.types.outcomes import BandOutcome, OutcomeBands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.card_fraud.ledger import Payments
    from xaisvc.types import Output

FINDINGS: Final = {
    "usual": "The customer made the payment",
    "travel": "The customer is travelling",
    "sales": "The customer shopped in the sales",
    "shopping_day": "The customer shopped in several shops",
    "big_purchase": "The customer bought something expensive",
    "new_device": "The customer used another device",
    "in_app": "The customer bought in a game",
    "stolen_card": "Card stolen",
    "skimmed_shop": "Card copied at this shop",
    "takeover": "Somebody else was in the account",
    "card_testing": "Card numbers tried out",
    "cloned_card": "Copy of the card used abroad",
    "quiet_misuse": "Stored card data used by others",
}
FINDINGS_NL: Final = {
    "usual": "De klant deed de betaling",
    "travel": "De klant is op reis",
    "sales": "De klant kocht in de uitverkoop",
    "shopping_day": "De klant winkelde in meer winkels",
    "big_purchase": "De klant kocht iets duurs",
    "new_device": "De klant gebruikte een ander apparaat",
    "in_app": "De klant kocht iets in een spel",
    "stolen_card": "Kaart gestolen",
    "skimmed_shop": "Kaart gekopieerd in deze winkel",
    "takeover": "Iemand anders zat in de rekening",
    "card_testing": "Kaartnummers uitgeprobeerd",
    "cloned_card": "Kopie van de kaart gebruikt in het buitenland",
    "quiet_misuse": "Bewaarde kaartgegevens gebruikt door anderen",
}
MOST_OF_AN_OUTCOME: Final = 250


def count_bands(
    output: Output, scores: NDArray[np.float64], fraud: NDArray[np.bool_], day: NDArray[np.int64], days: tuple[int, int]
) -> OutcomeBands:
    """Payments and frauds of each band, week by week; days beyond the last whole week belong to it.

    Args:
        output: The output with its bands.
        scores: Its prediction for each payment; float64, (n,).
        fraud: What the payment was; bool, (n,).
        day: When it was made, counted from the start of the simulation; int64, (n,).
        days: First and last day of the period.
    """
    edges = [band.upper for band in output.bands if band.upper is not None]
    place = np.searchsorted(edges, scores, side="right")
    first, last = (START + timedelta(days=day) for day in days)
    n_weeks = (days[1] - days[0] + 1) // 7
    week = np.minimum((day - days[0]) // 7, n_weeks - 1)
    counts = []
    for i, band in enumerate(output.bands):
        cases = np.bincount(week[place == i], minlength=n_weeks).tolist()
        confirmed = np.bincount(week[(place == i) & fraud], minlength=n_weeks).tolist()
        parts = tuple(zip(cases, confirmed, strict=True)) if n_weeks >= FEWEST_PARTS else ()
        counts.append(BandOutcome(band=band.id, cases=sum(cases), confirmed=sum(confirmed), parts=parts))
    return OutcomeBands(output=output.id, first=first, last=last, bands=tuple(counts))


def closed_cases(
    rows: pd.DataFrame, paid: Payments, chosen: NDArray[np.intp], scores: NDArray[np.float64], threshold: float
) -> pd.DataFrame:
    """The cases that the desk closed: one for each alert it looked into, and one for each fraud a customer reported.

    A theft is one case, with the payment that first raised an alert, or without one its first payment; a customer's
    honest alerts of one day are one case too. A fraud is closed on the day after it is known, an honest alert two days
    after the payment.

    Args:
        rows: Features of all payments.
        paid: All payments.
        chosen: Positions of the payments of the period.
        scores: Predictions for them; float64, (n,).
        threshold: Prediction from which there is an alert.
    """
    frame = pd.DataFrame(
        {
            "place": chosen,
            "customer": paid.customer[chosen],
            "known": paid.reported_s[chosen] // DAY_S,
            "day": paid.time_s[chosen] // DAY_S,
            "fraud": paid.fraud[chosen],
            "alert": scores >= threshold,
        }
    )
    confirmed = frame[frame.fraud].sort_values(["alert", "place"], ascending=[False, True], kind="stable")
    confirmed = confirmed.drop_duplicates(["customer", "known"])
    confirmed = confirmed.assign(closed=confirmed.known + 1)
    cleared = frame[~frame.fraud & frame.alert].drop_duplicates(["customer", "day"])
    cleared = cleared.assign(closed=cleared.day + 2)
    found = pd.concat(
        [part.sort_values("closed", kind="stable").tail(MOST_OF_AN_OUTCOME) for part in (confirmed, cleared)]
    )
    found = found.sort_values(["closed", "place"], kind="stable")
    story = np.array(STORIES, dtype=object)[paid.story[found.place]]
    cases = rows.iloc[found.place].reset_index(drop=True)
    cases["case:outcome"] = np.where(found.fraud, "confirmed", "cleared")
    cases["case:closed"] = [START + timedelta(days=int(day)) for day in found.closed]
    cases["case:reference"] = [f"SIM-{number:04d}" for number in range(1, len(found) + 1)]
    cases["case:finding"] = [FINDINGS[name] for name in story]
    cases["case:finding:nl"] = [FINDINGS_NL[name] for name in story]
    return cases
