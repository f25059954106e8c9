"""Cohorts as a manager is told of them, whole and bare."""

from __future__ import annotations

from dataclasses import replace

from xaisvc.types.cohort import (
    Alarm,
    CaveatCount,
    Cell,
    Change,
    Cohort,
    Compared,
    Comparison,
    Condition,
    Driver,
    Extent,
    People,
    Period,
    ReliabilityPart,
    Rule,
    Rules,
    Segment,
    Segmentation,
    Share,
    Strength,
)

SECTIONS = [
    "conclusion", "model_use", "drivers", "rules", "changes", "segments", "people", "alarms", "limits", "actions",
    "sign_off",
]  # fmt: skip
NORMAL, LIMITED = ("normal",), ("care", "unreliable")
UNTOLD: dict[str, object] = {"adverse": None, "adverse_compared": None, "reliability": (), "weaker": None}
SAME, HIGHER, LOWER = Comparison.NOT_BEYOND_CHANCE, Comparison.HIGHER, Comparison.LOWER


def share(percent: int) -> Share:
    return Share(percent=percent, low=max(percent - 4, 0), high=min(percent + 4, 100))


def driver(concept: str, percent: int, against: int, *features: str) -> Driver:
    return Driver(concept=concept, features=features, share=share(percent), against=share(against))


def segment(cell: Cell, n: int, **changes: object) -> Segment:
    return replace(
        Segment(
            cell=cell,
            n=n,
            share=n // 4,
            adverse=share(31),
            adverse_compared=SAME,
            reliability=(
                ReliabilityPart(levels=NORMAL, share=share(70)),
                ReliabilityPart(levels=LIMITED, share=share(30)),
            ),
            weaker=SAME,
        ),
        **changes,
    )  # type: ignore[arg-type]


def full_cohort(**changes: object) -> Cohort:
    """A cohort that has something to say in every section."""
    cohort = Cohort(
        bundle="credit-fixture",
        bundle_version="2.1.0",
        output="default_risk",
        period=Period(since="2026-10-01", until="2026-11-01"),
        n=412,
        adverse=share(31),
        adverse_extent=Extent.SOME,
        drivers=(
            driver("accounts", 34, 60, "checking_status", "savings_status"),
            driver("loan", 30, 45, "duration_months", "credit_amount"),
            driver("age_years", 9, 50, "age_years"),
            driver("", 5, 50, "telephone", "branch_note", "existing_credits"),
        ),
        changes=(
            Change(subject="adverse", concept="", before=24, now=31, low=2, high=12, word=HIGHER),
            Change(subject="normal", concept="", before=70, now=68, low=-8, high=4, word=SAME),
            Change(subject="driver", concept="accounts", before=40, now=34, low=-11, high=0, word=LOWER),
            Change(subject="driver", concept="loan", before=29, now=30, low=-3, high=5, word=SAME),
            Change(subject="segment", concept="", before=30, now=41, low=1, high=21, word=HIGHER, by="purpose",
                   cell=Cell(values=("A40",))),
            Change(subject="segment", concept="", before=70, now=59, low=-9, high=2, word=SAME, by="purpose",
                   cell=Cell(values=("A43",))),
        ),
        segments=(
            Segmentation(
                by="purpose",
                segments=(
                    segment(Cell(values=("A40",)), 200, weaker=HIGHER),
                    segment(Cell(values=("A43",), missing=True), 212, **UNTOLD),
                ),
            ),
            Segmentation(
                by="credit_amount",
                segments=(
                    segment(Cell(high=1200.0), 100, adverse_compared=LOWER),
                    segment(Cell(low=1200.0, high=4000.0), 212),
                    segment(Cell(low=4000.0), 80),
                    segment(Cell(missing=True), 20),
                ),
            ),
            Segmentation(by="telephone", segments=(
                segment(Cell(values=("false",)), 300), segment(Cell(values=("true",)), 112),
            )),
            Segmentation(by="band", segments=()),
        ),
        reliability=(
            ReliabilityPart(levels=NORMAL, share=share(68)),
            ReliabilityPart(levels=LIMITED, share=share(32)),
        ),
        caveats=(
            CaveatCount(kind="near_threshold", extent=Extent.SOME, n=48),
            CaveatCount(kind="made_up_kind", extent=Extent.WITHHELD, n=None),
            CaveatCount(kind="shared_credit", extent=Extent.NEARLY_ALL, n=None),
            CaveatCount(kind="unit_change", extent=Extent.FEW, n=None),
        ),
        rules=Rules(
            outcome="adverse",
            rules=(
                Rule(
                    conditions=(
                        Condition(feature="checking_status", cell=Cell(values=("A11",))),
                        Condition(feature="duration_months", cell=Cell(low=24.0)),
                    ),
                    covers=18,
                    strength=Strength.MOSTLY,
                    precision=None,
                ),
                Rule(
                    conditions=(Condition(feature="credit_amount", cell=Cell(low=9000.0)),),
                    covers=7,
                    strength=Strength.NEARLY_ALWAYS,
                    precision=91,
                ),
            ),
            fidelity=48,
            agreement=83,
        ),
        people=(
            People(audience="fraud_analyst", opened=None, judged=30, overridden=None, override_extent=Extent.FEW,
                   unused=None, readers=None, repeat_readers=None, rarely_overridden=True),
            People(audience="relationship_manager", opened=120, judged=90, overridden=share(22),
                   override_extent=Extent.SOME, unused=share(25), readers=None, repeat_readers=None,
                   rarely_overridden=False),
        ),
        alarms=(
            Alarm(kind="protected_influence", features=("age_years",), share=share(9), extent=Extent.NEARLY_ALL),
            Alarm(kind="proxy_of_protected", features=("telephone",), share=None, extent=Extent.SOME),
            Alarm(kind="proxy_of_protected", features=(), share=None, extent=Extent.SOME),
            Alarm(kind="hidden_proxy_use", features=("age_years",), share=None, extent=Extent.SOME),
            Alarm(kind="possible_manipulation", features=(), share=None, extent=Extent.SOME),
        ),
        withheld=(),
        left_out=12,
        against=Compared(period=Period(until="2026-10-01"), n=377),
    )  # fmt: skip
    return replace(cohort, **changes)  # type: ignore[arg-type]


def bare_cohort(**changes: object) -> Cohort:
    """A cohort of which nearly nothing may be told."""
    nothing: dict[str, object] = {
        "period": Period(), "n": 21, "adverse": None, "adverse_extent": Extent.FEW, "drivers": (), "changes": (),
        "segments": (), "reliability": (), "caveats": (), "rules": None, "people": (), "alarms": (), "left_out": None,
        "against": None,
    }  # fmt: skip
    return full_cohort(**(nothing | changes))


COHORTS = {
    "full": full_cohort(),
    "bare": bare_cohort(),
    "without a decision": bare_cohort(adverse_extent=None),
    "nearly all": bare_cohort(adverse_extent=Extent.NEARLY_ALL, period=Period(until="2026-11-01")),
    "some": bare_cohort(adverse_extent=Extent.SOME, period=Period(since="2026-10-31", until="2026-11-01")),
    "nothing changed": bare_cohort(
        against=Compared(period=Period(), n=44), changes=(full_cohort().changes[1], full_cohort().changes[3]),
        drivers=full_cohort().drivers,
    ),
    "too little to compare": bare_cohort(against=Compared(period=Period(), n=44)),
    "nearly all with care": bare_cohort(level="care"),
    "nearly none to rely on": bare_cohort(level="unreliable"),
    "nearly all as they are": bare_cohort(level="normal"),
    "one point": bare_cohort(alarms=full_cohort().alarms[:1]),
    "all of people untold": bare_cohort(people=(replace(full_cohort().people[0], judged=None, rarely_overridden=False,
                                                        override_extent=Extent.WITHHELD),)),
}  # fmt: skip
