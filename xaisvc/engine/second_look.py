"""A second look at recorded rows: another method, and pairwise interactions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.attribution import METHODS, plan
from xaisvc.attribution.tree_interactions import why_no_interactions
from xaisvc.caveats import method_agreement
from xaisvc.caveats.method_agreement import compare_methods
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.engine.interactions import explain_interactions
from xaisvc.engine.seeds import RowSeeds, plan_seed
from xaisvc.types import Attribution, Players, Settings, keep_going
from xaisvc.types.overview import PairInteraction, RowInteractions, SecondMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.types import ExplanationRecord, Table

MOST_PLAYERS = 60
"""Players above which interactions are not computed for a view: p * p numbers for each row."""

KEPT_PAIRS = 50
"""Pairs that are kept of each row, the largest."""


def record_players(record: ExplanationRecord) -> Players:
    """Who shares the credit in a record."""
    shares = record.attribution.players
    kind = record.attribution.players_kind
    names, members = tuple(share.player for share in shares), tuple(share.features for share in shares)
    known = next((one for one in ("features", "concepts", "clusters") if one == kind), None)
    return Players(names=names, members=members, kind=known or "custom")


def second_methods(  # noqa: PLR0913 - what is asked about, then how, by name
    loaded: LoadedBundle,
    records: Sequence[ExplanationRecord],
    table: Table,
    *,
    clock: Callable[[], float] = time.monotonic,
    threads: int = 1,
    check: Callable[[], None] = keep_going,
) -> list[SecondMethod] | None:
    """Asks another method about recorded rows: LIME where they were made by Shapley values, else what `auto` picks.

    None where LIME does not apply.

    Args:
        loaded: The bundle that the records were made with.
        records: Records of one output, space, method and players.
        table: Their rows.
        clock: Monotonic clock in seconds.
        threads: Threads that rows are spread over.
        check: Called between pieces of work; raises AbandonedError once nobody waits.

    Raises:
        ModelOutputError: If the model's answers cannot be explained.
    """
    first = records[0].attribution
    output, players = loaded.bundle.description.output(records[0].output.id), record_players(records[0])
    problem = loaded.problem(output, first.space, players)
    name = "auto" if first.method.startswith("lime") else "lime"
    if name in METHODS and METHODS[name].why_not(problem):
        return None
    chosen = plan(problem, name, None)
    digest = loaded.bundle.digests.model
    settings = Settings(
        budget=None,
        seed=first.seed,
        row_seeds=RowSeeds(first.seed, digest, table),
        plan_seed=plan_seed(first.seed, digest),
        clock=clock,
        threads=threads,
        check=check,
    )
    other = chosen.method.attribute(problem, table, settings)
    recorded = _recorded(records)
    agreement, seen = method_agreement(recorded, other), compare_methods(recorded, other, CaveatThresholds())
    names = players.names
    return [
        SecondMethod(
            method=other.method,
            value_function=other.value_function,
            exact=other.exact,
            values=dict(zip(names, other.values[i].tolist(), strict=True)),
            standard_errors=dict(zip(names, other.standard_errors[i].tolist(), strict=True)),
            diagnostics=dict(other.diagnostics[i]) if other.diagnostics else {},
            material_players=int(agreement.material_players[i]),
            kendall_tau=_known(agreement.kendall_tau[i]),
            sign_agreement=_known(agreement.sign_agreement[i]),
            leader_agreement=_known(agreement.leader_agreement[i]),
            conflicting=tuple(names[j] for j in np.flatnonzero(seen.conflicting[i])),
            disputed=tuple(names[j] for j in np.flatnonzero(seen.disputed[i])),
            model_rows=int(other.model_evaluations[i]),
            seed=first.seed,
        )
        for i in range(len(records))
    ]


def _recorded(records: Sequence[ExplanationRecord]) -> Attribution:
    """The numbers of records as one attribution."""
    found = [record.attribution for record in records]
    return Attribution(
        values=np.array([[share.value for share in one.players] for one in found]),
        base_values=np.array([one.base_value for one in found]),
        outputs=np.array([one.output for one in found]),
        standard_errors=np.array([[share.standard_error for share in one.players] for one in found]),
        method=found[0].method,
        exact=found[0].exact,
        model_evaluations=np.array([one.model_evaluations for one in found]),
        value_function=found[0].value_function,
    )


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def row_interactions(  # noqa: PLR0913 - what is asked about, then how, by name
    loaded: LoadedBundle,
    records: Sequence[ExplanationRecord],
    table: Table,
    *,
    clock: Callable[[], float] = time.monotonic,
    threads: int = 1,
    check: Callable[[], None] = keep_going,
) -> list[RowInteractions] | None:
    """The exact pairwise interactions of recorded rows; None where the model is no sum of trees and linear terms.

    Args:
        loaded: The bundle that the records were made with.
        records: Records of one output, space and players.
        table: Their rows.
        clock: Monotonic clock in seconds.
        threads: Threads that rows are spread over.
        check: Called between pieces of work; raises AbandonedError once nobody waits.
    """
    first = records[0].attribution
    output, players = loaded.bundle.description.output(records[0].output.id), record_players(records[0])
    if len(players) > MOST_PLAYERS or why_no_interactions(loaded.problem(output, first.space, players)):
        return None
    found = explain_interactions(
        loaded, table, output=output, space=first.space, players=players, clock=clock, threads=threads, check=check
    ).values
    upper = np.triu_indices(len(players), k=1)
    names = players.names
    rows = []
    for matrix in found:
        whole = 2.0 * matrix[upper]
        order = [place for place in np.argsort(-np.abs(whole), kind="stable").tolist() if whole[place] != 0]
        rows.append(
            RowInteractions(
                pairs=tuple(
                    PairInteraction(players=(names[upper[0][place]], names[upper[1][place]]), value=float(whole[place]))
                    for place in order[:KEPT_PAIRS]
                ),
                main=dict(zip(names, matrix.diagonal().tolist(), strict=True)),
                players=len(players),
            )
        )
    return rows
