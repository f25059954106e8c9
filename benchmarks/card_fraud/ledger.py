"""What is kept of the simulated payments: how they were made, why, and what became known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.card_fraud.world import Customers, Shops

CHANNELS: Final = ("chip_pin", "contactless", "magnetic_stripe", "online_confirmed", "online_unconfirmed")
CHANNEL: Final = {name: i for i, name in enumerate(CHANNELS)}
STORIES: Final = (
    "usual", "travel", "sales", "shopping_day", "big_purchase", "new_device", "in_app",
    "stolen_card", "skimmed_shop", "takeover", "card_testing", "cloned_card", "quiet_misuse",
)  # fmt: skip
STORY: Final = {name: i for i, name in enumerate(STORIES)}
FIRST_FRAUD_STORY: Final = STORY["stolen_card"]
NEVER_S: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Payments:
    """n payments in the order of their time.

    Attributes:
        customer, shop: Positions in customers and shops; int64, (n,).
        time_s: Seconds since the start of the first day, by the bank's clock; int64, (n,).
        amount_eur: float64, (n,), in whole cents.
        channel: Position in `CHANNELS`; int64, (n,).
        device: Number of the device among the customer's own, 0 being the one registered with the bank; those of
            thieves are 1,000,000 and more; -1 at a terminal; int64, (n,).
        story: Position in `STORIES`: why the payment was made. The bank never sees it; int64, (n,).
        reported_s: When a fraud became known; `NEVER_S` for honest payments; int64, (n,).
    """

    customer: NDArray[np.int64]
    shop: NDArray[np.int64]
    time_s: NDArray[np.int64]
    amount_eur: NDArray[np.float64]
    channel: NDArray[np.int64]
    device: NDArray[np.int64]
    story: NDArray[np.int64]
    reported_s: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of payments n."""
        return len(self.time_s)

    @property
    def fraud(self) -> NDArray[np.bool_]:
        """Whether each was made by somebody else than the customer; bool, (n,)."""
        return self.story >= FIRST_FRAUD_STORY


@dataclass(frozen=True, slots=True)
class History:
    """All that happened.

    Attributes:
        customers, shops: The world.
        payments: Payments that went through, in the order of their time.
        declined: Customer and second of attempts that did not go through, in the order of their time; int64, (d, 2).
        reissued: Customer and second of new cards after fraud; int64, (r, 2).
    """

    customers: Customers
    shops: Shops
    payments: Payments
    declined: NDArray[np.int64]
    reissued: NDArray[np.int64]


@dataclass(slots=True)
class Book:
    """Collects payments, declined attempts and new cards while they are made up.

    Attributes:
        rows: Columns of payments in the order of the fields of `Payments`.
        declined: Customer and second.
        reissued: Customer and second.
    """

    rows: list[tuple[NDArray[np.generic], ...]] = field(default_factory=list)
    declined: list[tuple[int, int]] = field(default_factory=list)
    reissued: list[tuple[int, int]] = field(default_factory=list)
