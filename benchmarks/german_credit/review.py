"""Writes the applicants that the demonstration's review of the credit model is about.

    python benchmarks/german_credit/review.py [--out FOLDER]

The 300 held-out applicants, and 250 training applicants drawn at random to compare them with. The file has no dates, so
the two groups are no two periods: what differs between them is chance, and that the model has seen one of them before.
"""  # noqa: INP001 (a script beside its data, no package)

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from codebook import read_codebook, read_rows
from train import DEMO, HERE, SEED, split_rows, write_parquet

FILE: Final = "review_applicants.parquet"
N_BEFORE: Final = 250


def write_review(out: Path) -> None:
    """Writes the rows with `case:group` (`now` or `before`) and `case:came_true`, whether the loan went bad."""
    rows, bad = read_rows(HERE / "germancredit.csv", read_codebook(HERE / "codebook.yaml"))
    split = split_rows(rows, bad)
    before = np.sort(np.random.default_rng(SEED).choice(split.train, N_BEFORE, replace=False))
    places = np.concatenate([split.held_out, before])
    groups = np.repeat(["now", "before"], [len(split.held_out), len(before)])
    found = rows.iloc[places].assign(**{"case:group": groups, "case:came_true": bad.iloc[places].to_numpy()})
    write_parquet(found, out / FILE)


def main() -> None:
    """Runs it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO)
    write_review(parser.parse_args().out)


if __name__ == "__main__":
    main()
