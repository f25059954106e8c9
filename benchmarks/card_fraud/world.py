"""The simulated bank's world: customers with their habits and homes, shops with their places, and the fraud reported.

Everything here is invented. The layout (customers and shops on a map, habits per customer, shops that are compromised
for weeks, fraud that becomes known days later) is that of published simulators; README.md names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

START: Final = date(2026, 1, 1)
DAY_S: Final = 86_400
REGION_KM: Final = 200.0

CATEGORIES: Final = (
    "groceries", "restaurant", "fuel", "clothing", "electronics", "home_garden", "health", "cash", "travel", "digital",
    "gift_cards", "money_transfer",
)  # fmt: skip
CATEGORY: Final = {name: i for i, name in enumerate(CATEGORIES)}
MEDIAN_EUR: Final = np.array([32, 28, 55, 60, 150, 75, 25, 80, 120, 9, 40, 120], dtype=np.float64)
SPREAD: Final = np.array([0.6, 0.6, 0.35, 0.6, 0.8, 0.8, 0.6, 0.5, 0.8, 0.7, 0.5, 0.7])

ZONES: Final = ("home", "neighbour", "continent", "overseas")
COUNTRY_ZONE: Final = np.array([0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
"""Zone of each country; country 0 is the bank's own."""
COUNTRY_KM: Final = np.array([0, 260, 310, 900, 1200, 1500, 1900, 6200, 7400, 9300], dtype=np.float64)
COUNTRY_HOURS: Final = np.array([0, 0, 0, 0, 1, -1, 1, -6, 7, 9])
"""Hours that clocks there are ahead of the bank's."""

_SHOP_SHARES: Final = np.array([0.26, 0.2, 0.09, 0.11, 0.04, 0.09, 0.1, 0.07, 0.04, 0, 0, 0])
_ABROAD_SHARES: Final = np.array([0.16, 0.34, 0.06, 0.12, 0.03, 0.01, 0.05, 0.08, 0.15, 0, 0, 0])
_ONLINE_SHARES: Final = np.array([0.06, 0.06, 0, 0.2, 0.14, 0.1, 0.05, 0, 0.1, 0.2, 0.05, 0.04])


@dataclass(frozen=True, slots=True)
class Shops:
    """s shops, terminals and sites.

    Attributes:
        x, y: Place in km; where a site is of no matter it is 0; float64, (s,).
        country: Country of the shop; int64, (s,).
        category: Position in `CATEGORIES`; int64, (s,).
        online: Whether it sells at a distance; bool, (s,).
        popularity: Relative number of visitors; float64, (s,).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    country: NDArray[np.int64]
    category: NDArray[np.int64]
    online: NDArray[np.bool_]
    popularity: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Customers:
    """c customers, one card each.

    Attributes:
        x, y: Home in km; float64, (c,).
        level: How much this customer spends beside others on the same kind of thing; float64, (c,).
        payments_a_day: Usual number; float64, (c,).
        online_share: Share of payments made at a distance; float64, (c,).
        hour_shift: Hours that this customer lives later than others; float64, (c,).
        issued_day: Day on which the card was issued, counted from the start of the simulation; int64, (c,).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    level: NDArray[np.float64]
    payments_a_day: NDArray[np.float64]
    online_share: NDArray[np.float64]
    hour_shift: NDArray[np.float64]
    issued_day: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of customers."""
        return len(self.x)


def make_shops(n_local: int, generator: np.random.Generator) -> Shops:
    """Shops of the region, terminals in nine other countries, and sites.

    Args:
        n_local: Shops and machines of the bank's own region; abroad there are 20 in each country, and a fifth of
            `n_local` sells online.
        generator: Random numbers.
    """
    n_abroad, n_online = 20 * (len(COUNTRY_KM) - 1), n_local // 5
    abroad = np.repeat(np.arange(1, len(COUNTRY_KM)), 20)
    angle = np.linspace(0, 2 * np.pi, len(COUNTRY_KM), endpoint=False)[abroad]
    x = np.concatenate(
        [
            generator.uniform(0, REGION_KM, n_local),
            REGION_KM / 2 + COUNTRY_KM[abroad] * np.cos(angle) + generator.uniform(-20, 20, n_abroad),
            np.zeros(n_online),
        ]
    )
    y = np.concatenate(
        [
            generator.uniform(0, REGION_KM, n_local),
            REGION_KM / 2 + COUNTRY_KM[abroad] * np.sin(angle) + generator.uniform(-20, 20, n_abroad),
            np.zeros(n_online),
        ]
    )
    site_country = np.where(generator.random(n_online) < 0.7, 0, generator.integers(1, len(COUNTRY_KM), n_online))  # noqa: PLR2004 - 70 % of the sites are of the bank's own country
    category = np.concatenate(
        [
            generator.choice(len(CATEGORIES), n_local, p=_SHOP_SHARES),
            generator.choice(len(CATEGORIES), n_abroad, p=_ABROAD_SHARES),
            generator.choice(len(CATEGORIES), n_online, p=_ONLINE_SHARES),
        ]
    )
    size = n_local + n_abroad + n_online
    return Shops(
        x=x,
        y=y,
        country=np.concatenate([np.zeros(n_local, np.int64), abroad, site_country]),
        category=category,
        online=np.arange(size) >= n_local + n_abroad,
        popularity=generator.lognormal(0, 0.8, size),
    )


def make_customers(n: int, generator: np.random.Generator) -> Customers:
    """Customers with homes and habits; every seventh card is less than a year old at the start."""
    return Customers(
        x=generator.uniform(0, REGION_KM, n),
        y=generator.uniform(0, REGION_KM, n),
        level=generator.lognormal(0, 0.4, n),
        payments_a_day=generator.gamma(3.0, 0.18, n) + 0.08,
        online_share=generator.beta(2, 4, n),
        hour_shift=generator.normal(0, 1.3, n),
        issued_day=-generator.integers(0, 4 * 365, n),
    )
