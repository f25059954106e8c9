"""What thieves do in the simulated bank: six stories, each with its own traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks.card_fraud.ledger import CHANNEL, STORY
from benchmarks.card_fraud.world import CATEGORY, DAY_S, MEDIAN_EUR, SPREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.card_fraud.ledger import Book
    from benchmarks.card_fraud.world import Customers, Shops

CUSTOMER_DAYS: Final = 10_000
"""Rates below are for so many days of one customer."""
RATES: Final = {
    "stolen_card": 2.6,
    "skimmed_shop": 0.6,
    "takeover": 2.2,
    "card_testing": 1.7,
    "cloned_card": 1.8,
    "quiet_misuse": 2.6,
}
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


class Take(NamedTuple):
    """Payments of one theft, column by column: shop, second, amount in EUR, channel, device."""

    shop: NDArray[np.int64]
    time_s: NDArray[np.int64]
    amount: NDArray[np.float64]
    channel: Sequence[str]
    device: int


class Thefts:
    """Makes up frauds and writes them into a book."""

    def __init__(
        self, customers: Customers, shops: Shops, n_days: int, book: Book, generator: np.random.Generator
    ) -> None:
        self._customers = customers
        self._shops = shops
        self._n_days = n_days
        self._book = book
        self._generator = generator
        self._devices = 1_000_000
        self._local = np.flatnonzero(~shops.online & (shops.country == 0))
        self._sites = np.flatnonzero(shops.online)

    def happen(self) -> None:
        """Makes up everything."""
        stories = {
            "stolen_card": (self._stolen_card, 0.6),
            "takeover": (self._takeover, 2.5),
            "card_testing": (self._card_testing, 2.0),
            "cloned_card": (self._cloned_card, 1.5),
            "quiet_misuse": (self._quiet_misuse, 16.0),
        }
        for story, (make, days_until_known) in stories.items():
            for _ in range(self._number(story)):
                customer = int(self._generator.integers(len(self._customers)))
                start_s = int(self._generator.integers(3, self._n_days)) * DAY_S
                self._write(story, customer, make(customer, start_s), days_until_known)
        for _ in range(max(1, self._number("skimmed_shop"))):
            self._skimmed_shop()

    def _number(self, story: str) -> int:
        expected = RATES[story] * len(self._customers) * self._n_days / CUSTOMER_DAYS
        return int(self._generator.poisson(expected))

    def _write(self, story: str, customer: int, take: Take, days_until_known: float) -> None:
        n = len(take.shop)
        known_s = take.time_s.max() + int((0.1 + self._generator.exponential(days_until_known)) * DAY_S)
        self._book.rows.append(
            (
                np.full(n, customer, np.int64),
                take.shop,
                take.time_s,
                np.maximum(np.round(take.amount, 2), 0.5),
                np.array([CHANNEL[name] for name in take.channel], np.int64),
                np.where(self._shops.online[take.shop], take.device, -1).astype(np.int64),
                np.full(n, STORY[story], np.int64),
                np.full(n, known_s, np.int64),
            )
        )
        self._book.reissued.append((customer, known_s + 2 * DAY_S))

    def _stolen_card(self, customer: int, start_s: int) -> Take:
        """A wallet is gone: three to nine payments within hours, near each other, until the card is blocked."""
        draw = self._generator
        n = int(draw.integers(3, 10))
        x, y = self._customers.x[customer] + draw.normal(0, 15), self._customers.y[customer] + draw.normal(0, 15)
        near = self._weights(("clothing", "electronics", "fuel", "cash", "groceries", "home_garden"), self._local)
        near *= np.exp(-np.hypot(self._shops.x[self._local] - x, self._shops.y[self._local] - y) / 8)
        shop = draw.choice(self._local, n, p=near / near.sum())
        times = start_s + int(draw.uniform(9, 20) * _HOUR_S) + np.cumsum(draw.exponential(14 * _MINUTE_S, n))
        knows_pin = draw.random() < 0.4  # noqa: PLR2004 - watched at the machine
        tapped = np.round(draw.uniform(12, 49.99, n), 2)
        amount = self._amounts(shop, 1.6) if knows_pin else tapped
        self._decline(customer, times, 0 if knows_pin else int(draw.integers(0, 4)))
        return Take(shop, times.astype(np.int64), amount, ["chip_pin" if knows_pin else "contactless"] * n, -1)

    def _takeover(self, customer: int, start_s: int) -> Take:
        """Somebody else is in the account: a device never seen, sites that sell what sells on, often by night."""
        draw = self._generator
        n = int(draw.integers(2, 6))
        wanted = self._weights(("electronics", "gift_cards", "money_transfer", "travel"), self._sites)
        wanted *= np.where(self._shops.country[self._sites] > 0, 3.0, 1.0)
        shop = draw.choice(self._sites, n, p=wanted / wanted.sum())
        hour = draw.uniform(21, 30) if draw.random() < 0.6 else draw.uniform(8, 21)  # noqa: PLR2004 - share by night
        times = start_s + int(hour * _HOUR_S) + np.cumsum(draw.exponential(50 * _MINUTE_S, n))
        confirmed = draw.random() < 0.55  # noqa: PLR2004 - the thief holds the telephone number too
        self._decline(customer, times, int(draw.integers(0, 2)))
        channel = ["online_confirmed" if confirmed else "online_unconfirmed"] * n
        return Take(shop, times.astype(np.int64), self._amounts(shop, 2.0), channel, self._new_device())

    def _card_testing(self, customer: int, start_s: int) -> Take:
        """A list of card numbers is tried out with small sums; the cards that work are used within a day."""
        draw = self._generator
        n_small, n_large = int(draw.integers(3, 10)), int(draw.integers(1, 4)) if draw.random() < 0.65 else 0  # noqa: PLR2004 - share that is used at once
        site = draw.choice(self._sites, p=_shares(self._weights(("digital", "health", "clothing"), self._sites)))
        small = np.round(draw.uniform(0.5, 4.5, n_small), 2)
        first = start_s + int(draw.uniform(0, 24) * _HOUR_S)
        tried = first + np.cumsum(draw.exponential(70, n_small))
        wanted = _shares(self._weights(("electronics", "gift_cards", "travel"), self._sites))
        shop = np.concatenate([np.full(n_small, site), draw.choice(self._sites, n_large, p=wanted)])
        later = tried[-1] + np.cumsum(draw.exponential(150 * _MINUTE_S, n_large))
        large = self._amounts(shop[n_small:], 1.5)
        self._decline(customer, tried, int(draw.integers(1, 7)))
        channel = ["online_unconfirmed"] * (n_small + n_large)
        times = np.concatenate([tried, later]).astype(np.int64)
        return Take(shop, times, np.concatenate([small, large]), channel, self._new_device())

    def _cloned_card(self, _customer: int, start_s: int) -> Take:
        """A copy of the stripe is used in another country, while the customer goes on paying at home."""
        draw = self._generator
        n = int(draw.integers(2, 6))
        country = int(draw.integers(1, self._shops.country.max() + 1))
        there = np.flatnonzero(~self._shops.online & (self._shops.country == country))
        shop = draw.choice(
            there, n, p=_shares(self._weights(("cash", "electronics", "clothing", "fuel"), there) + 0.05)
        )
        times = start_s + int(draw.uniform(6, 23) * _HOUR_S) + np.cumsum(draw.exponential(40 * _MINUTE_S, n))
        channel = [str(name) for name in draw.choice(["magnetic_stripe", "chip_pin"], n, p=[0.7, 0.3])]
        return Take(shop, times.astype(np.int64), self._amounts(shop, 1.5), channel, -1)

    def _quiet_misuse(self, _customer: int, start_s: int) -> Take:
        """Card data kept by a site are used with care: usual sums, usual sites, no device to be seen."""
        draw = self._generator
        n = int(draw.integers(1, 4))
        shop = draw.choice(self._sites, n, p=_shares(self._shops.popularity[self._sites]))
        times = start_s + np.sort(draw.uniform(0, 9 * DAY_S, n)) + draw.uniform(9, 22, n) * _HOUR_S
        times = np.sort(times)
        return Take(shop, times.astype(np.int64), self._amounts(shop, 1.1), ["online_unconfirmed"] * n, 0)

    def _skimmed_shop(self) -> None:
        """A terminal is tampered with: for weeks, some of what is charged there was never bought."""
        draw = self._generator
        busy = _shares(self._shops.popularity[self._local] ** 2)
        shop = int(draw.choice(self._local, p=busy))
        first, days = int(draw.integers(0, self._n_days)), int(draw.integers(18, 29))
        for day in range(first, min(first + days, self._n_days)):
            for _ in range(int(draw.poisson(1.5))):
                shop_once = np.array([shop])
                times = np.array([day * DAY_S + int(draw.uniform(9, 21) * _HOUR_S)])
                channel = ["magnetic_stripe" if draw.random() < 0.4 else "chip_pin"]  # noqa: PLR2004 - share of copies
                near = np.exp(
                    -np.hypot(self._customers.x - self._shops.x[shop], self._customers.y - self._shops.y[shop]) / 40
                )
                customer = int(draw.choice(len(near), p=near / near.sum()))
                take = Take(shop_once, times, self._amounts(shop_once, 1.2), channel, -1)
                self._write("skimmed_shop", customer, take, 4.0)

    def _weights(self, kinds: Sequence[str], among: NDArray[np.intp]) -> NDArray[np.float64]:
        """Popularity of shops, of the wanted kinds above all."""
        wanted = np.isin(self._shops.category[among], [CATEGORY[kind] for kind in kinds])
        return np.asarray(self._shops.popularity[among] * np.where(wanted, 1.0, 0.02), np.float64)

    def _amounts(self, shop: NDArray[np.int64], factor: float) -> NDArray[np.float64]:
        kind = self._shops.category[shop]
        noise = np.exp(self._generator.normal(0, 1, len(shop)) * SPREAD[kind])
        return np.asarray(MEDIAN_EUR[kind] * factor * noise, np.float64)

    def _decline(self, customer: int, times: NDArray[np.float64], attempts: int) -> None:
        for second in self._generator.uniform(times.min() - 300, times.max() + 60, attempts):
            self._book.declined.append((customer, int(second)))

    def _new_device(self) -> int:
        self._devices += 1
        return self._devices


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weights / weights.sum(), np.float64)
