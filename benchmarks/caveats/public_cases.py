"""Case K: public tables with a noisy copy, a negated copy and random columns appended.

The tables are real, so what goes with what in them is not known; what was appended is. Copies must be linked with their
originals, random columns with nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from benchmarks.caveats import Figure, share
from xaisvc.types import Table

if TYPE_CHECKING:
    from xaisvc.types.table import Column

GERMAN_CREDIT = Path(__file__).parents[1] / "german_credit" / "germancredit.csv"
TABLES = ("breast cancer", "diabetes", "wine", "german credit")
COPIES = {"noisy copy": (1.0, 0.3), "negated copy": (-1.0, 0.0), "negated noisy copy": (-1.0, 0.3)}
"""Factor, and noise in standard deviations of the original."""

RANDOM = ("random number", "random category", "random flag")


def table(name: str) -> dict[str, Column]:
    """The features of a public table, without its target."""
    if name == "german credit":
        return _german_credit()
    from sklearn import datasets  # noqa: PLC0415 - heavy: loaded when used

    load = {
        "breast cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
        "wine": datasets.load_wine,
    }
    found = load[name]()
    columns = zip(found.feature_names, np.asarray(found.data, dtype=np.float64).T, strict=True)
    return {str(feature): np.ascontiguousarray(values) for feature, values in columns}


def _german_credit() -> dict[str, Column]:
    with GERMAN_CREDIT.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, Column] = {}
    for feature in list(rows[0])[:-1]:  # the last one is the target
        texts = [row[feature] for row in rows]
        try:
            found[feature] = np.array([float(text) for text in texts])
        except ValueError:
            found[feature] = np.array(texts, dtype=object)
    return found


def is_there(name: str) -> bool:
    """Whether the table is part of this installation."""
    return name != "german credit" or GERMAN_CREDIT.exists()


def score_public(name: str, seed: int, n: int) -> list[Figure]:
    """Copies that are linked with their original, and random columns that are linked with anything.

    Args:
        name: One of `TABLES`.
        seed: Draws rows, originals, noise and random columns.
        n: Most rows.
    """
    from xaisvc.structure.association import study_association  # noqa: PLC0415 - heavy: loaded when used

    if not is_there(name):
        return []
    rng = np.random.default_rng([crc32(name.encode()), seed])
    every = Table(table(name))
    rows = every.take(np.sort(rng.permutation(len(every))[:n]))
    columns = dict(rows.columns)
    numbers = [feature for feature, values in columns.items() if values.dtype != np.object_]
    originals = {}
    for copy, (factor, noise) in COPIES.items():
        originals[copy] = str(rng.choice(numbers))
        values = np.asarray(columns[originals[copy]], dtype=np.float64)
        columns[copy] = factor * values + noise * values.std() * rng.standard_normal(len(values))
    columns["random number"] = rng.standard_normal(len(rows))
    columns["random category"] = np.array([f"level {k}" for k in rng.integers(0, 5, len(rows))], dtype=object)
    columns["random flag"] = (rng.random(len(rows)) < 0.1).astype(np.float64)  # noqa: PLR2004 - share of ones
    made = Table(columns)
    names = list(made.feature_ids)
    found = study_association(made, names, rng)
    linked = found.linked & ~np.eye(len(names), dtype=np.bool_)
    sources = {place for one in found.redundancies for place in (one.feature, *one.predictors)}
    figures = [
        share(f"public tables: {copy} linked", int(linked[names.index(copy), names.index(original)]), 1, 1.0)
        for copy, original in originals.items()
    ]
    random = [names.index(one) for one in RANDOM]
    paired = int(linked[random].any(axis=1).sum())
    drawn_in = len(sources.intersection(random))
    return [
        *figures,
        share("public tables: random column linked with another", paired, len(RANDOM), 0.01, "most"),
        share("public tables: random column among what a feature follows from", drawn_in, len(RANDOM), 0.01, "most"),
    ]
