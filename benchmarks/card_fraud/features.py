"""Facts that a fraud analyst knows, worked out for each payment from what the bank knew at that second.

A fraud counts for the history of its shop only once it was reported; nothing looks at the payment's own outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from benchmarks.card_fraud.ledger import CHANNELS
from benchmarks.card_fraud.world import CATEGORIES, COUNTRY_ZONE, DAY_S, ZONES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.card_fraud.ledger import History

SMALL_EUR: Final = 5.0
TYPICAL_EUR: Final = 45.0
TYPICAL_WEIGHT: Final = 3
LONGEST_GAP_MINUTES: Final = 43_200
FASTEST_KMH: Final = 3_000.0
_HOUR_S: Final = 3_600
_NEW_DEVICE_S: Final = 7 * DAY_S
_MEMORY_S: Final = 90 * DAY_S


def make_features(history: History) -> pd.DataFrame:
    """One row per payment, in the order of time, with the features of the bundle in the order of its schema."""
    paid = history.payments
    n = len(paid)
    columns: dict[str, NDArray[np.generic]] = {"amount_eur": paid.amount_eur}
    own = {name: np.zeros(n) for name in _OWN}
    order = np.argsort(paid.customer, kind="stable")
    edges = np.searchsorted(paid.customer[order], np.arange(len(history.customers) + 1))
    for customer in range(len(history.customers)):
        rows = order[edges[customer] : edges[customer + 1]]
        if len(rows):
            for name, values in _customer(history, customer, rows).items():
                own[name][rows] = values
    columns |= own
    columns |= _shop_history(history)
    columns["merchant_category"] = np.array(CATEGORIES, dtype=object)[history.shops.category[paid.shop]]
    columns["channel"] = np.array(CHANNELS, dtype=object)[paid.channel]
    columns["country_zone"] = np.array(ZONES, dtype=object)[COUNTRY_ZONE[history.shops.country[paid.shop]]]
    frame = pd.DataFrame({name: columns[name] for name in FEATURES})
    for name in _WHOLE:
        frame[name] = frame[name].astype("int64")
    for name in _TRUTH:
        frame[name] = frame[name].astype(bool)
    return frame


FEATURES: Final = (
    "amount_eur", "amount_to_mean_30d",
    "n_last_hour", "sum_last_hour_eur", "n_last_day", "sum_last_day_eur", "minutes_since_last",
    "n_small_last_day", "n_declined_last_day",
    "distance_from_last_km", "speed_kmh", "distance_from_home_km", "country_zone", "country_new",
    "channel", "device_new",
    "merchant_category", "merchant_new", "merchant_n_28d", "merchant_fraud_7d", "merchant_fraud_28d",
    "hour", "hour_usual_percent", "mean_30d_eur", "n_30d", "card_age_days",
)  # fmt: skip
_TRUTH: Final = ("country_new", "device_new", "merchant_new")
_WHOLE: Final = (
    "n_last_hour", "n_last_day", "minutes_since_last", "n_small_last_day", "n_declined_last_day", "merchant_n_28d",
    "merchant_fraud_7d", "merchant_fraud_28d", "hour", "n_30d", "card_age_days",
)  # fmt: skip
_OWN: Final = (
    "amount_to_mean_30d", "n_last_hour", "sum_last_hour_eur", "n_last_day", "sum_last_day_eur", "minutes_since_last",
    "n_small_last_day", "n_declined_last_day", "distance_from_last_km", "speed_kmh", "distance_from_home_km",
    "country_new", "device_new", "merchant_new", "hour", "hour_usual_percent", "mean_30d_eur", "n_30d",
    "card_age_days",
)  # fmt: skip


def _customer(history: History, customer: int, rows: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    """Features from the customer's own payments; `rows` are theirs, in the order of time."""
    paid = history.payments
    time_s, amount = paid.time_s[rows], paid.amount_eur[rows]
    position = np.arange(len(rows))
    spent = np.concatenate([[0.0], np.cumsum(amount)])
    small = np.concatenate([[0], np.cumsum(amount < SMALL_EUR)])

    def since(seconds: int) -> NDArray[np.intp]:
        return np.searchsorted(time_s, time_s - seconds, side="right")

    hour_ago, day_ago, month_ago = since(_HOUR_S), since(DAY_S), since(30 * DAY_S)
    n_month = position - month_ago
    mean = (spent[position] - spent[month_ago] + TYPICAL_WEIGHT * TYPICAL_EUR) / (n_month + TYPICAL_WEIGHT)
    tries = history.declined[history.declined[:, 0] == customer, 1]
    declined = np.searchsorted(tries, time_s) - np.searchsorted(tries, time_s - DAY_S)
    cards = history.reissued[history.reissued[:, 0] == customer, 1]
    newest = np.searchsorted(cards, time_s, side="right")
    issued_s = np.concatenate([[history.customers.issued_day[customer] * DAY_S], cards])[newest]
    gap = np.concatenate([[LONGEST_GAP_MINUTES], np.diff(time_s) // 60])
    mean = np.round(mean, 2)
    return {
        "amount_to_mean_30d": np.round(amount / mean, 2),
        "n_last_hour": position - hour_ago + 1,
        "sum_last_hour_eur": np.round(spent[position + 1] - spent[hour_ago], 2),
        "n_last_day": position - day_ago + 1,
        "sum_last_day_eur": np.round(spent[position + 1] - spent[day_ago], 2),
        "minutes_since_last": np.minimum(gap, LONGEST_GAP_MINUTES),
        "n_small_last_day": small[position + 1] - small[day_ago],
        "n_declined_last_day": declined,
        "hour": time_s % DAY_S // _HOUR_S,
        "hour_usual_percent": _usual_hour(time_s, since(_MEMORY_S)),
        "mean_30d_eur": mean,
        "n_30d": n_month,
        "card_age_days": (time_s - issued_s) // DAY_S,
        **_places(history, customer, rows),
        **_novelty(history, rows),
    }


def _usual_hour(time_s: NDArray[np.int64], first: NDArray[np.intp]) -> NDArray[np.float64]:
    """Percent of the customer's payments of 90 days that were made within two hours of this time of day.

    Three payments at other times are added, so that it does not jump while there are few.
    """
    hour = (time_s % DAY_S) / _HOUR_S
    apart = np.abs(hour[:, None] - hour[None, :])
    near = np.minimum(apart, 24 - apart) <= 2  # noqa: PLR2004 - two hours, as said above
    position = np.arange(len(time_s))
    counted = (position[None, :] < position[:, None]) & (position[None, :] >= first[:, None])
    return np.asarray(np.round(100 * (near & counted).sum(axis=1) / (counted.sum(axis=1) + 3), 1), np.float64)


def _places(history: History, customer: int, rows: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    """Distance and speed between terminals, in km and km/h; 0 for payments at a distance, which have no place."""
    paid, shops = history.payments, history.shops
    shop = paid.shop[rows]
    at_terminal = ~shops.online[shop]
    seen = np.flatnonzero(at_terminal)
    x, y, time_s = shops.x[shop], shops.y[shop], paid.time_s[rows]
    step, speed, home = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    home[seen] = np.hypot(x[seen] - history.customers.x[customer], y[seen] - history.customers.y[customer])
    later, earlier = seen[1:], seen[:-1]
    step[later] = np.hypot(x[later] - x[earlier], y[later] - y[earlier])
    hours = np.maximum((time_s[later] - time_s[earlier]) / _HOUR_S, 1 / 12)
    speed[later] = np.minimum(step[later] / hours, FASTEST_KMH)
    return {
        "distance_from_last_km": np.round(step, 1),
        "speed_kmh": np.round(speed, 1),
        "distance_from_home_km": np.round(home, 1),
    }


def _novelty(history: History, rows: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    """What this customer had not used before: country and shop within 90 days, device within a week."""
    paid = history.payments
    shop = paid.shop[rows]
    country = history.shops.country[shop]
    last_country: dict[int, int] = {}
    last_shop: dict[int, int] = {}
    first_device: dict[int, int] = {0: -_NEW_DEVICE_S}
    found = np.zeros((3, len(rows)), dtype=np.bool_)
    for i, (now, where, site, device) in enumerate(
        zip(paid.time_s[rows].tolist(), country.tolist(), shop.tolist(), paid.device[rows].tolist(), strict=True)
    ):
        found[0, i] = where != 0 and now - last_country.get(where, -_MEMORY_S) >= _MEMORY_S
        found[1, i] = device >= 0 and now - first_device.setdefault(device, now) < _NEW_DEVICE_S
        found[2, i] = now - last_shop.get(site, -_MEMORY_S) >= _MEMORY_S
        last_country[where] = last_shop[site] = now
    return {"country_new": found[0], "device_new": found[1], "merchant_new": found[2]}


def _shop_history(history: History) -> dict[str, NDArray[np.generic]]:
    """Payments at the shop in the 28 days before, and how many of them are known to be fraud by now."""
    paid = history.payments
    n = len(paid)
    count, week, month = np.zeros(n), np.zeros(n), np.zeros(n)
    order = np.argsort(paid.shop, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(paid.shop[order])) + 1):
        time_s = paid.time_s[rows]
        position = np.arange(len(rows))
        count[rows] = position - np.searchsorted(time_s, time_s - 28 * DAY_S, side="right")
        bad = rows[paid.fraud[rows]]
        if not len(bad):
            continue
        known = paid.reported_s[bad][None, :] < time_s[:, None]
        for days, into in ((7, week), (28, month)):
            recent = paid.time_s[bad][None, :] > time_s[:, None] - days * DAY_S
            into[rows] = (known & recent).sum(axis=1)
    return {
        "merchant_n_28d": count,
        "merchant_fraud_7d": week,
        "merchant_fraud_28d": month,
    }
