"""What views show beside records, computed from the pinned bundle when views are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.bundles import parse_rows
from xaisvc.engine.counterfactuals import find_counterfactuals
from xaisvc.engine.overview import make_overview
from xaisvc.engine.second_look import record_players, row_interactions, second_methods
from xaisvc.engine.similar_cases import similar_cases
from xaisvc.structure.standing import Standings, far_outside
from xaisvc.types import keep_going
from xaisvc.types.supplements import NO_SUPPLEMENTS, NearCase, NearCases, Supplement, Supplements

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import ExplanationRecord, RowCounterfactuals, Table
    from xaisvc.types.outcomes import ClosedCases, Neighbours, SimilarCases
    from xaisvc.types.overview import Overview

NEAREST = 3
"""Closed cases of either outcome."""


@dataclass(frozen=True, slots=True, eq=False)
class Supplier:
    """Computes what views of records need. Safe to use from several threads.

    Attributes:
        loaded: The bundle on its device.
    """

    loaded: LoadedBundle

    def made(self, record: ExplanationRecord) -> bool:
        """Whether the record was made with exactly this bundle, so that something can be supplied for it."""
        return record.digests == self.loaded.bundle.digests

    def supply(
        self,
        records: Sequence[ExplanationRecord],
        needs: Collection[Supplement],
        *,
        visible: tuple[str, ...] | None = None,
        rows: Table | None = None,
        check: Callable[[], None] | None = None,
    ) -> list[Supplements]:
        """Computes what is needed for n records of one request, all at once.

        Args:
            records: Records of one output and method, made with this bundle.
            needs: What the views need; see `views.needed`.
            visible: Ids of the features that the reader may see: nothing else decides which cases are near. All of them
                if None.
            rows: The rows of the records, if they are at hand as a table.
            check: Called between pieces of work; raises AbandonedError once nobody waits. Not called if None.

        Raises:
            ModelOutputError: If the model's answers cannot be explained.
            BundleError: If the declared changes of a feature have no finite list of values.
        """
        if not needs or not records:
            return [NO_SUPPLEMENTS] * len(records)
        bundle, output = self.loaded.bundle, records[0].output.id
        table = rows if rows is not None else parse_rows(bundle.description, [dict(one.row) for one in records])
        changes = near = None
        if Supplement.COUNTERFACTUALS in needs:
            changes = self._counterfactuals(records, table, check or keep_going)
        if Supplement.SIMILAR_CASES in needs:
            near = self._near_cases(records, table, visible)
        bands = bundle.bands.get(output) if Supplement.BANDS in needs else None
        unused = self._unused(records[0]) if Supplement.UNUSED in needs else None
        ranks = self._standings() if Supplement.STANDING in needs else None
        overview = self._overview(records[0]) if Supplement.OVERVIEW in needs else None
        others = pairs = None
        if Supplement.SECOND_METHOD in needs:
            others = second_methods(self.loaded, records, table, check=check or keep_going)
        if Supplement.INTERACTIONS in needs:
            pairs = row_interactions(self.loaded, records, table, check=check or keep_going)
        return [
            Supplements(
                counterfactuals=None if changes is None else changes[i],
                similar_cases=None if near is None else near[i],
                bands=bands,
                unused=unused,
                standing=None if ranks is None else ranks.of(records[i].row),
                overview=overview,
                second_method=None if others is None else others[i],
                interactions=None if pairs is None else pairs[i],
            )
            for i in range(len(records))
        ]

    def _counterfactuals(
        self, records: Sequence[ExplanationRecord], table: Table, check: Callable[[], None]
    ) -> Sequence[RowCounterfactuals] | None:
        output = self.loaded.bundle.description.output(records[0].output.id)
        if output.threshold is None or output.adverse is None:
            return None
        return find_counterfactuals(self.loaded, table, output=output.id, check=check).rows

    def _unused(self, record: ExplanationRecord) -> frozenset[str]:
        output = self.loaded.bundle.description.output(record.output.id)
        return self.loaded.inert(output, record.attribution.space)

    def _overview(self, record: ExplanationRecord) -> Overview | None:
        output = self.loaded.bundle.description.output(record.output.id)
        return make_overview(self.loaded, output, record.attribution.space, record_players(record))

    def _standings(self) -> Standings:
        return self.loaded.once(("standings",), lambda: Standings(self.loaded.bundle.background))

    def _near_cases(
        self, records: Sequence[ExplanationRecord], table: Table, visible: tuple[str, ...] | None
    ) -> list[NearCases] | None:
        cases = self.loaded.bundle.cases
        if cases is None:
            return None
        values = np.array([[one.value for one in record.attribution.players] for record in records])
        names = self.loaded.bundle.description.feature_ids if visible is None else visible
        found = similar_cases(
            self.loaded, table, k=NEAREST, values=values, players=record_players(records[0]), features=names
        )
        if found is None:
            return None
        beyond = [tuple(name for name in far_outside(cases.rows, one.row) if name in names) for one in records]
        return list(_by_row(cases, found, names, beyond))


def _by_row(
    cases: ClosedCases, found: SimilarCases, names: tuple[str, ...], beyond: Sequence[tuple[str, ...]]
) -> Iterator[NearCases]:
    on_file = int(cases.confirmed.sum()), int((~cases.confirmed).sum())
    for i, remote in enumerate(found.remote.tolist()):
        yield NearCases(
            confirmed=_nearest(cases, found.confirmed, i, names),
            cleared=_nearest(cases, found.cleared, i, names),
            remote=remote,
            on_file=on_file,
            beyond=beyond[i],
        )


def _nearest(cases: ClosedCases, neighbours: Neighbours, row: int, names: tuple[str, ...]) -> tuple[NearCase, ...]:
    places: NDArray[np.intp] = neighbours.places[row]
    return tuple(
        NearCase(
            confirmed=bool(cases.confirmed[place]),
            closed=int(cases.closed[place]),
            row={name: value for name, value in cases.rows.row(place).items() if name in names},
            distance=float(neighbours.distances[row, rank]),
            parts=dict(zip(names, neighbours.parts[row, rank].tolist(), strict=True)),
            reference=cases.references[place],
            finding=cases.findings[place],
            findings={language: texts[place] for language, texts in cases.findings_in.items()},
        )
        for rank, place in enumerate(places.tolist())
    )
