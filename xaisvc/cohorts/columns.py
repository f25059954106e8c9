"""The records of a cohort, column by column: all that an aggregate is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.types import Feature

    Column: TypeAlias = NDArray[np.float64] | NDArray[np.object_]

LEVELS = ("normal", "care", "unreliable")
"""Levels of reliability; a record's level is its place in here."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """n records with p players. What an audience may not see is not in here.

    Attributes:
        persons: What stands for the person behind each record: equal for equal rows; uint64, (n,).
        predictions: Output tensor, in its own unit; float64, (n,).
        adverse: Whether the decision is adverse; bool, (n,); None without a threshold.
        levels: Level of reliability, as its place in `LEVELS`; int8, (n,).
        bands: Place of the band in the output's list; intp, (n,); None without bands.
        values: Attributions of the players that may be shown; float64, (n, p).
        features: Feature id to values, of the features that may be shown; float64 with NaN, or objects with None, (n,).
        caveats: Kind to whether a record has such a caveat; bool, (n,).
        told: Kind to features that such caveats name and that may be shown, in the order of the schema.
    """

    persons: NDArray[np.uint64]
    predictions: NDArray[np.float64]
    adverse: NDArray[np.bool_] | None
    levels: NDArray[np.int8]
    bands: NDArray[np.intp] | None
    values: NDArray[np.float64]
    features: Mapping[str, Column]
    caveats: Mapping[str, NDArray[np.bool_]]
    told: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        """Number of records n."""
        return len(self.persons)

    def take(self, rows: NDArray[np.intp]) -> Columns:
        """Some of the records, in this order."""
        return Columns(
            persons=self.persons[rows],
            predictions=self.predictions[rows],
            adverse=None if self.adverse is None else self.adverse[rows],
            levels=self.levels[rows],
            bands=None if self.bands is None else self.bands[rows],
            values=self.values[rows],
            features={name: values[rows] for name, values in self.features.items()},
            caveats={kind: has[rows] for kind, has in self.caveats.items()},
            told=self.told,
        )

    def one_each(self) -> Columns:
        """One record for each person, the last one, ordered by person.

        Explanations of one row, however often it was explained, tell of one person; and an order that follows from
        the records alone makes every sum the same for every order in which they come.
        """
        _, last = np.unique(self.persons[::-1], return_index=True)
        return self.take(np.asarray(len(self) - 1 - last, dtype=np.intp))


def concatenate(chunks: Sequence[Columns]) -> Columns:
    """The records of several chunks of one question, one after the other; there is at least one chunk."""
    kinds = sorted({kind for chunk in chunks for kind in chunk.caveats})
    told = {kind: {name: None for chunk in chunks for name in chunk.told.get(kind, ())} for kind in kinds}
    first = chunks[0]
    adverse, bands = [chunk.adverse for chunk in chunks], [chunk.bands for chunk in chunks]
    order = {name: place for place, name in enumerate(first.features)}
    return Columns(
        persons=np.concatenate([chunk.persons for chunk in chunks]),
        predictions=np.concatenate([chunk.predictions for chunk in chunks]),
        adverse=None
        if any(one is None for one in adverse)
        else np.concatenate([one for one in adverse if one is not None]),
        levels=np.concatenate([chunk.levels for chunk in chunks]),
        bands=None if any(one is None for one in bands) else np.concatenate([one for one in bands if one is not None]),
        values=np.concatenate([chunk.values for chunk in chunks]),
        features={name: np.concatenate([chunk.features[name] for chunk in chunks]) for name in first.features},
        caveats={
            kind: np.concatenate([chunk.caveats.get(kind, np.zeros(len(chunk), dtype=np.bool_)) for chunk in chunks])
            for kind in kinds
        },
        told={kind: tuple(sorted(names, key=lambda name: order[name])) for kind, names in told.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What all records of a cohort answer.

    Attributes:
        bundle: Name of the bundle.
        bundle_version: Its owner's version.
        output: Id of the explained output.
        players: Features of each player that may be shown, in the order of the columns of `Columns.values`.
        names: Name of each of these players.
        bands: Ids of the output's bands, from low to high.
        features: The features that may be shown, in the order of the schema.
        watched: Ids of those among them that are protected, or stand in for what is: alarms, never segments or rules.
        adverse_sign: 1 if a higher output is adverse or nothing is, -1 if a lower one is.
    """

    bundle: str
    bundle_version: str
    output: str
    players: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    bands: tuple[str, ...]
    features: tuple[Feature, ...]
    watched: frozenset[str]
    adverse_sign: int
