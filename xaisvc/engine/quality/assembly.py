"""Puts the steps of a quality report together."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from xaisvc.engine.quality.result import (
    Agreement,
    Contest,
    Curve,
    ErrorPoint,
    MethodQuality,
    QualityReport,
    Reference,
    Scores,
    Signal,
)
from xaisvc.engine.quality.workshop import generator
from xaisvc.evaluation import (
    Measure,
    RowScores,
    agreement_matrix,
    difference,
    rank_agreement,
    sign_agreement,
    top_agreement,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from xaisvc.engine.quality.method import QualityMethod
    from xaisvc.engine.quality.workshop import Workshop

    Step = Mapping[str, Any]

BESIDE: Final[Mapping[str, str]] = MappingProxyType({"reference": "reference", "random": "null"})
"""What stands beside the methods, with its kind."""
ALIKE: Final = 1.02
"""Model rows count as as many within this factor: methods differ by a few for the row itself and the background."""


def assemble(  # noqa: PLR0913 - everything that a report holds
    steps: Mapping[str, Step],
    *,
    shop: Workshop,
    methods: tuple[QualityMethod, ...],
    bundle: str,
    digests: Mapping[str, str],
    settings: Mapping[str, object],
    machine: Mapping[str, object],
    versions: Mapping[str, str],
    seconds: float,
    date: str,
) -> QualityReport:
    """The report of some steps.

    Args:
        steps: Name of each step to what it gave.
        shop: What was measured.
        methods: In the order asked for.
        bundle: See `QualityReport`.
        digests: See `QualityReport`.
        settings: See `QualityReport`.
        machine: See `QualityReport`.
        versions: See `QualityReport`.
        seconds: See `QualityReport`.
        date: See `QualityReport`.
    """
    measured = [_method(method.name, method.kind, method.package, steps) for method in methods]
    for name, kind in BESIDE.items():
        step = steps.get(f"beside {name}", {})
        if step.get("outcome") == "measured":
            measured.append(_method(name, kind, "", {f"method {name}": step}))
    signal = steps.get("signal")
    reached = all(step.get("outcome") != "out of time" for step in steps.values())
    reference = steps.get("reference", {})
    return QualityReport(
        bundle=bundle,
        output=shop.subject.output,
        space=str(shop.subject.problem.space.value),
        digests=digests,
        rows=len(shop.rows),
        features=len(shop.subject.problem.players),
        players=shop.subject.problem.players.kind,
        background_rows=len(shop.subject.problem.background),
        settings=settings,
        reference=Reference(
            method=reference["method"],
            exact=reference["exact"],
            n_rows=reference["n_rows"],
            relative_standard_error=reference["relative_standard_error"],
        )
        if reference.get("outcome") == "measured"
        else None,
        signal=_signal(signal) if signal is not None and signal.get("outcome") == "measured" else None,
        methods=tuple(measured),
        errors=_errors(methods, steps),
        contests=_contests(methods, steps, shop),
        agreement=_agreement(methods, steps),
        complete=reached,
        seconds=seconds,
        machine=machine,
        versions=versions,
        date=date,
    )


def _method(name: str, kind: str, package: str, steps: Mapping[str, Step]) -> MethodQuality:
    main = steps.get(f"method {name}", {"outcome": "out of time"})
    if main["outcome"] != "measured":
        why = main.get("why") or "the time was up before it began or while it ran"
        return MethodQuality(name=name, kind=kind, package=package, outcome=main["outcome"], why=why)
    measures = {key: Measure(**one) for key, one in main["measures"].items()}
    scores = dict(main["scores"])
    notes: list[str] = []
    for later in ("stability", "robustness", "retraining"):
        step = steps.get(f"{later} {name}")
        if step is None:
            continue
        measures.update({key: Measure(**one) for key, one in step.get("measures", {}).items()})
        scores.update(step.get("scores", {}))
        notes += step.get("notes", [])
        if step["outcome"] != "measured":
            notes.append(f"{later}: {step['outcome']}. {step.get('why', '')}".strip())
    return MethodQuality(
        name=name,
        kind=kind,
        package=package,
        outcome="measured",
        exact=bool(main.get("exact")),
        detail=main.get("detail", ""),
        n_rows=main["n_rows"],
        budget=main.get("budget"),
        evaluations_per_row=main.get("evaluations_per_row"),
        seconds=main.get("seconds"),
        rows_per_s=main.get("rows_per_s"),
        ready_s=main.get("ready_s"),
        peak_memory_mib=main.get("peak_memory_mib"),
        measures=measures,
        scores={
            key: Scores(
                numerators=tuple(one["numerators"]),
                denominators=None if one["denominators"] is None else tuple(one["denominators"]),
                shape=one["shape"],
            )
            for key, one in scores.items()
        },
        curves={
            key: Curve(shares=tuple(one["shares"]), insertion=tuple(one["insertion"]), deletion=tuple(one["deletion"]))
            for key, one in main.get("curves", {}).items()
        },
        notes=tuple(notes),
    )


def _signal(step: Step) -> Signal:
    return Signal(
        target=step["target"],
        n_rows=step["n_rows"],
        skills={name: Measure(**one) for name, one in step["skills"].items()},
        strength=step["strength"],
        statement=step["statement"],
    )


def _errors(methods: tuple[QualityMethod, ...], steps: Mapping[str, Step]) -> tuple[ErrorPoint, ...]:
    return tuple(
        ErrorPoint(
            method=method.name,
            budget=point["budget"],
            evaluations_per_row=point["evaluations_per_row"],
            error=Measure(**point["error"]),
            seeds=tuple(point["seeds"]),
        )
        for method in methods
        for point in steps.get(f"errors {method.name}", {}).get("points", [])
    )


def _contests(
    methods: tuple[QualityMethod, ...],
    steps: Mapping[str, Step],
    shop: Workshop,
) -> tuple[Contest, ...]:
    """The planner's choice against each peer, on the rows that both explained.

    Ours stands with the largest budget that took no more model rows than the peer did, give or take `ALIKE`.
    """
    own = steps.get("errors auto", {}).get("points", [])
    found = []
    for method in methods:
        if method.kind != "peer":
            continue
        for point in steps.get(f"errors {method.name}", {}).get("points", []):
            most = ALIKE * point["evaluations_per_row"]
            mine = max(
                (one for one in own if one["evaluations_per_row"] <= most),
                key=lambda one: float(one["evaluations_per_row"]),
                default=None,
            )
            if mine is None:
                continue
            n = min(len(mine["squares"]), len(point["squares"]))
            below = np.array(steps["reference"]["squares"][:n])
            advantage = difference(
                RowScores(np.array(point["squares"][:n]), below, "root"),
                RowScores(np.array(mine["squares"][:n]), below, "root"),
                generator(shop.seed, "contest", str(n)),
            )
            if advantage is not None:
                found.append(
                    Contest(
                        peer=method.name,
                        budget=point["budget"],
                        own_evaluations=mine["evaluations_per_row"],
                        peer_evaluations=point["evaluations_per_row"],
                        advantage=advantage,
                    )
                )
    return tuple(found)


def _agreement(methods: tuple[QualityMethod, ...], steps: Mapping[str, Step]) -> Agreement | None:
    values = {
        method.name: np.array(steps[f"method {method.name}"]["values"], dtype=np.float64)
        for method in methods
        if steps.get(f"method {method.name}", {}).get("outcome") == "measured"
    }
    if len(values) < 2:  # noqa: PLR2004 - two to agree
        return None

    def matrix(
        agreement: Callable[[NDArray[np.float64], NDArray[np.float64]], RowScores],
    ) -> tuple[tuple[float | None, ...], ...]:
        found = agreement_matrix(list(values.values()), agreement)
        return tuple(tuple(None if np.isnan(one) else float(one) for one in line) for line in found)

    return Agreement(
        methods=tuple(values),
        rank=matrix(rank_agreement),
        sign=matrix(cast("Any", sign_agreement)),
        top=matrix(cast("Any", top_agreement)),
    )
