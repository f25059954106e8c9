"""Writes the payments that the demonstration's review of the card-fraud model is about.

    python -m benchmarks.card_fraud.review [--out FOLDER]

Simulated payments of the last days, in two halves; the model was not made from them. Of each half, every alert is taken
and 200 other payments at random, so alerts are far more frequent here than among all payments.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.card_fraud.description import NAME, THRESHOLD
from benchmarks.card_fraud.features import make_features
from benchmarks.card_fraud.model import score
from benchmarks.card_fraud.payments import simulate
from benchmarks.card_fraud.train import DEMO, SEED, slices
from benchmarks.card_fraud.world import DAY_S

FILE: Final = "review_payments.parquet"
N_CUSTOMERS: Final = 700
N_DAYS: Final = 300
N_OTHERS: Final = 200


def write_review(out: Path) -> None:
    """Writes the rows with `case:group` (`now` or `before`) and `case:came_true`, whether it was fraud."""
    history = simulate(n_customers=N_CUSTOMERS, n_days=N_DAYS, seed=SEED)
    rows, paid = make_features(history), history.payments
    first, last = slices(N_DAYS).test
    middle = (first + last + 1) // 2
    scores = score((DEMO / "bundles" / NAME / "model.onnx").read_bytes(), rows)
    day = paid.time_s // DAY_S
    generator = np.random.default_rng(SEED)
    picked, groups = [], []
    for group, begin, end in (("before", first, middle), ("now", middle, last + 1)):
        own = np.flatnonzero((day >= begin) & (day < end))
        alerts = own[scores[own] >= THRESHOLD]
        others = generator.choice(own[scores[own] < THRESHOLD], N_OTHERS, replace=False)
        picked.append(np.sort(np.concatenate([alerts, others])))
        groups += [group] * len(picked[-1])
    places = np.concatenate(picked)
    found = rows.iloc[places].assign(**{"case:group": groups, "case:came_true": paid.fraud[places]})
    table = pa.Table.from_pandas(found, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, out / FILE, compression="zstd", use_dictionary=True)


def main() -> None:
    """Runs it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO)
    write_review(parser.parse_args().out)


if __name__ == "__main__":
    main()
