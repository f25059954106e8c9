"""Made-up cohorts with known drivers, segments and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts import Columns, Question
from xaisvc.types import Feature, Kind, Sensitivity, TensorColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray

PURPOSES = ("car", "home", "travel", "boat")
NAMES = ("amount", "purpose", "savings", "region", "age")
SOURCE = TensorColumn(tensor="x")


def features() -> tuple[Feature, ...]:
    own = Sensitivity.CUSTOMER_OWN
    return (
        Feature(id="amount", kind=Kind.NUMERIC, source=SOURCE, concept="loan", sensitivity=own),
        Feature(id="purpose", kind=Kind.CATEGORY, source=SOURCE, concept="loan", sensitivity=own, categories=PURPOSES),
        Feature(id="savings", kind=Kind.NUMERIC, source=SOURCE, concept="wealth", sensitivity=own, allow_missing=True),
        Feature(id="region", kind=Kind.BOOLEAN, source=SOURCE, sensitivity=Sensitivity.PROXY),
        Feature(id="age", kind=Kind.INTEGER, source=SOURCE, sensitivity=own),
    )


def question() -> Question:
    return Question(
        bundle="loans",
        bundle_version="1",
        output="risk",
        players=tuple((name,) for name in NAMES),
        names=NAMES,
        bands=("low", "middle", "high"),
        features=features(),
        watched=frozenset({"region"}),
        adverse_sign=1,
    )


def columns(n: int, seed: int = 0, **changes: object) -> Columns:
    """Records whose five attributions have mean absolute values 4, 1, 2, 1, 0.5, and whose decision is a coin's."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 5)) * np.array([4, 1, 2, 1, 0.5]) * np.sqrt(np.pi / 2)
    predictions = rng.uniform(size=n)
    found: dict[str, object] = {
        "persons": np.arange(n, dtype=np.uint64) + np.uint64(1000 * 1000 * seed),
        "predictions": predictions,
        "adverse": rng.uniform(size=n) < 0.4,
        "levels": rng.choice(3, size=n, p=[0.6, 0.3, 0.1]).astype(np.int8),
        "bands": np.digitize(predictions, [0.3, 0.6]).astype(np.intp),
        "values": values,
        "features": {
            "amount": rng.lognormal(8, 1, n),
            "purpose": _texts(rng.choice(PURPOSES, n, p=[0.5, 0.3, 0.15, 0.05])),
            "savings": np.where(rng.uniform(size=n) < 0.2, np.nan, rng.normal(1000, 100, n)),
            "region": rng.integers(0, 2, n).astype(np.float64),
            "age": rng.integers(18, 80, n).astype(np.float64),
        },
        "caveats": {},
        "told": {},
    }
    return Columns(**(found | changes))  # type: ignore[arg-type]


def _texts(values: NDArray[np.str_]) -> NDArray[np.object_]:
    return np.array(values.tolist(), dtype=np.object_)
