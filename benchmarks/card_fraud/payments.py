"""Payments of the simulated bank: what honest customers do, look-alikes of fraud among it, and what thieves do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.card_fraud.ledger import CHANNEL, NEVER_S, STORY, Book, History, Payments
from benchmarks.card_fraud.thefts import Thefts
from benchmarks.card_fraud.world import (
    CATEGORY,
    COUNTRY_HOURS,
    COUNTRY_KM,
    DAY_S,
    MEDIAN_EUR,
    SPREAD,
    Customers,
    Shops,
    make_customers,
    make_shops,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SALES_DAYS: Final = ((1, 14), (175, 195), (240, 252), (290, 300))
_TRIP_COUNTRIES: Final = np.array([0.2, 0.2, 0.13, 0.13, 0.1, 0.1, 0.05, 0.05, 0.04])
_CONTACTLESS_EUR: Final = 50.0


def simulate(*, n_customers: int = 700, n_days: int = 300, seed: int = 20261) -> History:
    """Makes up the payments of a bank.

    Args:
        n_customers: Customers with one card each; the region has 5 shops for every 7 of them.
        n_days: Days from `START` on.
        seed: The same numbers give the same payments.
    """
    generator = np.random.default_rng(seed)
    shops = make_shops(max(60, n_customers * 5 // 7), generator)
    customers = make_customers(n_customers, generator)
    book = Book()
    for customer in range(n_customers):
        _live(customer, customers, shops, n_days, book, generator)
    Thefts(customers, shops, n_days, book, generator).happen()
    columns = [np.concatenate(column) for column in zip(*book.rows, strict=True)]
    order = np.lexsort((columns[0], columns[2]))
    sorted_columns = [column[order] for column in columns]
    inside = sorted_columns[2] < n_days * DAY_S
    payments = Payments(*(column[inside] for column in sorted_columns))
    return History(
        customers=customers,
        shops=shops,
        payments=payments,
        declined=_by_time(book.declined),
        reissued=_by_time(book.reissued),
    )


def _by_time(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[np.lexsort((found[:, 0], found[:, 1]))]


def _live(  # noqa: PLR0913, PLR0917 - one customer in one world
    customer: int, customers: Customers, shops: Shops, n_days: int, book: Book, generator: np.random.Generator
) -> None:
    """Makes up all honest payments of one customer."""
    away = _trips(n_days, generator)
    sales = np.zeros(n_days, dtype=np.bool_)
    for first, last in _SALES_DAYS:
        sales[first:last] = True
    usual = customers.payments_a_day[customer]
    rate = np.where(away > 0, 1.5 * usual + 0.8, usual * np.where(sales, 1.5, 1.0))
    day = np.repeat(np.arange(n_days), generator.poisson(rate))
    country = away[day]
    online = generator.random(len(day)) < np.where(country > 0, 0.12, customers.online_share[customer])
    online |= sales[day] & (country == 0) & (generator.random(len(day)) < 0.2)  # noqa: PLR2004 - sales are partly online
    story = np.where(country > 0, STORY["travel"], np.where(sales[day] & online, STORY["sales"], STORY["usual"]))
    spree_day = np.flatnonzero(generator.random(n_days) < 0.004)  # noqa: PLR2004 - about once a year
    spree = np.repeat(spree_day[away[spree_day] == 0], 5)
    day, country = np.concatenate([day, spree]), np.concatenate([country, np.zeros(len(spree), np.int64)])
    online = np.concatenate([online, np.zeros(len(spree), np.bool_)])
    story = np.concatenate([story, np.full(len(spree), STORY["shopping_day"])])
    shop = _choose_shops(customer, customers, shops, online, country, story, generator)
    hour = _hours(online, country, customers.hour_shift[customer], generator)
    in_spree = story == STORY["shopping_day"]
    hour[in_spree] = 11 + 3.5 * generator.random(int(in_spree.sum()))
    amount = _amounts(shops.category[shop], customers.level[customer], generator)
    amount *= np.where(story == STORY["travel"], 1.25, 1.0) * np.where(story == STORY["sales"], 1.3, 1.0)
    big = generator.random(len(day)) < 0.004  # noqa: PLR2004 - one payment in 250
    amount[big] *= generator.uniform(4, 14, int(big.sum()))
    story = np.where(big & (story == STORY["usual"]), STORY["big_purchase"], story)
    changed_on = int(generator.integers(0, 4 * n_days))  # a new phone for one customer in four
    second = generator.random() < 0.3  # noqa: PLR2004 - the share with a second device
    device = np.where(day >= changed_on, 1, 0)
    device = np.where(second & (generator.random(len(day)) < 0.15), 2, device)  # noqa: PLR2004 - how often it is used
    borrowed = generator.random(len(day)) < 0.015  # noqa: PLR2004 - at work, at a friend's, on a trip
    device = np.where(borrowed, 3 + np.arange(len(day)), device)
    device = np.where(online, device, -1)
    fresh = (device > 2) | ((device == 1) & (day < changed_on + 7))  # noqa: PLR2004 - the numbers above
    story = np.where(fresh & (story == STORY["usual"]), STORY["new_device"], story)
    time_s = (day * DAY_S + hour * 3600).astype(np.int64) + generator.integers(0, 60, len(day))
    amount = np.maximum(np.round(amount, 2), 0.5)
    channel = honest_channels(online, amount, shops.country[shop], generator)
    book.rows.append(
        (
            np.full(len(day), customer, np.int64),
            shop,
            time_s,
            amount,
            channel,
            device.astype(np.int64),
            story.astype(np.int64),
            np.full(len(day), NEVER_S, np.int64),
        )
    )
    wrong = generator.random(len(day)) < np.where(country > 0, 0.06, 0.012)  # a mistyped PIN, too little money, a limit
    for attempt in range(2):
        again = wrong & (generator.random(len(day)) < 0.5**attempt)
        book.declined += [(customer, int(second_) - 90 * (attempt + 1)) for second_ in time_s[again]]
    _play(customer, shops, n_days, book, generator)


def _play(customer: int, shops: Shops, n_days: int, book: Book, generator: np.random.Generator) -> None:
    """Some customers buy in games: several small sums within minutes, which looks like a card being tried out."""
    if generator.random() > 0.15:  # noqa: PLR2004 - the share that plays
        return
    sites = np.flatnonzero(shops.online & (shops.category == CATEGORY["digital"]))
    site = int(generator.choice(sites if len(sites) else np.flatnonzero(shops.online)))
    for day in np.flatnonzero(generator.random(n_days) < 0.012):  # noqa: PLR2004 - every three months
        n = int(generator.integers(3, 8))
        first = day * DAY_S + int(generator.uniform(15, 23) * 3600)
        time_s = (first + np.cumsum(generator.exponential(200, n))).astype(np.int64)
        amount = generator.choice([0.99, 1.99, 2.99, 4.99, 9.99], n)
        columns = {
            "customer": np.full(n, customer, np.int64),
            "shop": np.full(n, site, np.int64),
            "time_s": time_s,
            "amount_eur": amount,
            "channel": np.full(n, CHANNEL["online_unconfirmed"], np.int64),
            "device": np.full(n, 4_000 + day if generator.random() < 0.25 else 0, np.int64),  # noqa: PLR2004 - share on a device that is new
            "story": np.full(n, STORY["in_app"], np.int64),
            "reported_s": np.full(n, NEVER_S, np.int64),
        }
        book.rows.append(tuple(columns.values()))
        if generator.random() < 0.3:  # noqa: PLR2004 - a sum above the pocket money
            book.declined.append((customer, int(time_s[-1]) + 40))


def _trips(n_days: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Country of each day, 0 being home; int64, (n_days,)."""
    country = np.zeros(n_days, dtype=np.int64)
    days = np.arange(n_days)
    summer = (days >= 150) & (days < 245)  # noqa: PLR2004 - June to August
    weights = np.where(summer, 3.0, 1.0)
    for _ in range(int(generator.binomial(2, 0.4))):
        first = int(generator.choice(n_days, p=weights / weights.sum()))
        last = first + int(generator.integers(3, 15))
        country[first:last] = generator.choice(np.arange(1, len(COUNTRY_KM)), p=_TRIP_COUNTRIES)
    return country


def _choose_shops(  # noqa: PLR0913, PLR0917 - what a choice depends on
    customer: int,
    customers: Customers,
    shops: Shops,
    online: NDArray[np.bool_],
    country: NDArray[np.int64],
    story: NDArray[np.int64],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """A shop for each payment: mostly favourites near home, at times another, and what there is on a trip."""
    n = len(online)
    shop = np.zeros(n, dtype=np.int64)
    distance = np.hypot(shops.x - customers.x[customer], shops.y - customers.y[customer])
    local = np.flatnonzero(~shops.online & (shops.country == 0))
    near = shops.popularity[local] * np.exp(-distance[local] / 12) + 1e-9
    favourites = generator.choice(local, 18, replace=False, p=near / near.sum())
    visits = generator.dirichlet(np.full(18, 0.7))
    at_home = ~online & (country == 0)
    shop[at_home] = generator.choice(favourites, int(at_home.sum()), p=visits)
    further = shops.popularity[local] * np.exp(-distance[local] / 50)
    other = at_home & (generator.random(n) < 0.12)  # noqa: PLR2004 - one in eight is no favourite
    shop[other] = generator.choice(local, int(other.sum()), p=further / further.sum())
    sites = np.flatnonzero(shops.online)
    favourite_sites = generator.choice(sites, 8, replace=False, p=_shares(shops.popularity[sites]))
    shop[online] = generator.choice(favourite_sites, int(online.sum()), p=generator.dirichlet(np.full(8, 0.8)))
    elsewhere = online & (generator.random(n) < 0.2)  # noqa: PLR2004 - one in five is no favourite
    shop[elsewhere] = generator.choice(sites, int(elsewhere.sum()), p=_shares(shops.popularity[sites]))
    for there in np.unique(country[~online & (country > 0)]):
        here = ~online & (country == there)
        there_shops = np.flatnonzero(~shops.online & (shops.country == there))
        shop[here] = generator.choice(there_shops, int(here.sum()), p=_shares(shops.popularity[there_shops]))
    spree = story == STORY["shopping_day"]
    kinds = np.isin(shops.category[local], [CATEGORY["clothing"], CATEGORY["home_garden"], CATEGORY["electronics"]])
    wanted = near * kinds + 1e-12
    shop[spree] = generator.choice(local, int(spree.sum()), p=wanted / wanted.sum())
    return shop


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weights / weights.sum(), np.float64)


def _hours(
    online: NDArray[np.bool_], country: NDArray[np.int64], shift: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Time of day by the bank's clock, in hours."""
    n = len(online)
    counter = np.clip(generator.normal(14 + shift, 3.5, n), 6.5, 22.9)
    screen = generator.normal(19.5 + shift, 4, n)
    return np.asarray((np.where(online, screen, counter) - COUNTRY_HOURS[country]) % 24, np.float64)


def _amounts(category: NDArray[np.int64], level: float, generator: np.random.Generator) -> NDArray[np.float64]:
    amount = MEDIAN_EUR[category] * level * np.exp(generator.normal(0, 1, len(category)) * SPREAD[category])
    tens = np.maximum(np.round(amount / 10), 1) * 10
    return np.asarray(np.where(category == CATEGORY["cash"], tens, amount), np.float64)


def honest_channels(
    online: NDArray[np.bool_],
    amount: NDArray[np.float64],
    country: NDArray[np.int64],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """How honest payments are made; positions in `CHANNELS`."""
    luck = generator.random(len(amount))
    at_terminal = np.where((amount < _CONTACTLESS_EUR) & (luck < 0.8), CHANNEL["contactless"], CHANNEL["chip_pin"])  # noqa: PLR2004 - share of small amounts
    at_terminal = np.where((COUNTRY_KM[country] > 5000) & (luck > 0.7), CHANNEL["magnetic_stripe"], at_terminal)  # noqa: PLR2004 - old terminals overseas
    at_screen = np.where(luck < 0.75, CHANNEL["online_confirmed"], CHANNEL["online_unconfirmed"])  # noqa: PLR2004 - share that the customer confirms
    return np.asarray(np.where(online, at_screen, at_terminal), np.int64)
