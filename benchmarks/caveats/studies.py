"""Everything that CaveatBench can measure: one study for each kind of claim, made of cells that are run one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.caveats import DEFAULT
from benchmarks.caveats.explained_cases import COST_PARTS, DEPENDENT_PARTS, INDEPENDENT_PARTS
from benchmarks.caveats.gap_cases import GAP_CASES
from benchmarks.caveats.large_set_cases import LARGE_CASES
from benchmarks.caveats.lime_cases import PARTS as LIME_PARTS
from benchmarks.caveats.public_cases import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.caveats import Figure
    from xaisvc.caveats.thresholds import CaveatThresholds
    from xaisvc.types.second_opinion import Thresholds

    Run: TypeAlias = "Callable[[str, int, Settings], Sequence[Figure]]"

YOURS = "yours"
"""Name of the caller's own thresholds."""

CURVE = (0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.15)
"""Gap thresholds of the trade-off curve, as shares of T; 0.045 is the default."""

PROXY_ROWS = 300
"""Rows for which the attribute is known: what the target asks for, whatever the background has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is made with.

    Attributes:
        rows: Background rows.
        yours: The caller's own thresholds; None without.
    """

    rows: int = 500
    yours: CaveatThresholds | None = None

    @property
    def thresholds(self) -> Mapping[str, CaveatThresholds]:
        """The thresholds to score, by name."""
        from xaisvc.caveats.thresholds import CaveatThresholds  # noqa: PLC0415 - heavy: loaded when used

        return {DEFAULT: CaveatThresholds()} | ({} if self.yours is None else {YOURS: self.yours})

    @property
    def opinions(self) -> Mapping[str, Thresholds]:
        """Those of the second opinion."""
        return {name: one.opinion for name, one in self.thresholds.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One kind of claim.

    Attributes:
        name: What `--only` calls it.
        title: What it measures, for readers.
        run: The figures of a part and a seed.
        seeds: Seeds of a whole run: as many as its targets need.
        parts: What a seed is divided into; each part and seed is one cell.
        sources: Packages and modules that its figures depend on.
        needs: Packages that are not among those of xaisvc.
    """

    name: str
    title: str
    run: Run
    seeds: int
    parts: tuple[str, ...] = ("",)
    sources: tuple[str, ...] = ()
    needs: tuple[str, ...] = field(default=())


def _association(_: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.association_cases import score_nulls, score_screen  # noqa: PLC0415 - heavy: loaded when used

    return [*score_screen([seed], settings.rows), *score_nulls([seed], settings.rows)]


def _redundancy(_: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.association_cases import score_redundancy  # noqa: PLC0415 - heavy: loaded when used

    return score_redundancy([seed], settings.rows)


def _opinion(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.gap_scores import score_gap  # noqa: PLC0415 - heavy: loaded when used

    case = next(case for case in GAP_CASES if case.id == part)
    return score_gap(case, seed, settings.rows, settings.opinions, CURVE)


def _large_sets(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.large_set_cases import score_case  # noqa: PLC0415 - heavy: loaded when used

    return score_case(next(case for case in LARGE_CASES if case.id == part), seed, settings.rows)


def _complaint(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.complaint_cases import COMPLAINT_CASES, score_complaint  # noqa: PLC0415 - heavy

    chosen = [case for case in COMPLAINT_CASES if case.model == part]
    return [figure for case in chosen for figure in score_complaint(case, seed, settings.rows, settings.opinions)]


def _between(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.gap_cases import ACROSS_CASES  # noqa: PLC0415 - heavy: loaded when used
    from benchmarks.caveats.gap_scores import score_across  # noqa: PLC0415 - heavy: loaded when used

    chosen = [case for case in ACROSS_CASES if case.model == part]
    return [figure for case in chosen for figure in score_across(case, seed, settings.rows)]


def _reliance(_: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.reliance_cases import score_reliance  # noqa: PLC0415 - heavy: loaded when used

    return score_reliance([seed], settings.rows)


def _manipulation(_: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.scaffold_cases import score_manipulation  # noqa: PLC0415 - heavy: loaded when used

    return score_manipulation([seed], settings.rows)


def _support(_: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.support_cases import score_support  # noqa: PLC0415 - heavy: loaded when used

    return score_support([seed], settings.rows)


def _units(_: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.unit_cases import score_units  # noqa: PLC0415 - heavy: loaded when used

    return score_units([seed], settings.rows)


def _proxies(_: str, seed: int, __: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.proxy_cases import score_proxies  # noqa: PLC0415 - heavy: loaded when used

    return score_proxies([seed], PROXY_ROWS)


def _independent(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.explained_cases import score_independent  # noqa: PLC0415 - heavy: loaded when used

    return score_independent(part, seed, settings.rows, settings.thresholds)


def _explained(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.explained_cases import score_dependent  # noqa: PLC0415 - heavy: loaded when used

    return score_dependent(part, seed, settings.rows, settings.thresholds)


def _cost(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.explained_cases import score_cost  # noqa: PLC0415 - heavy: loaded when used

    return score_cost(part, seed, settings.rows)


def _noise(part: str, seed: int, _: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.noise_cases import NOISE_CASES, score_noise  # noqa: PLC0415 - heavy: loaded when used

    return score_noise(next(case for case in NOISE_CASES if case.model == part), seed)


def _lime(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.lime_cases import score_lime  # noqa: PLC0415 - heavy: loaded when used

    return score_lime(part, seed, settings.rows)


def _public(part: str, seed: int, settings: Settings) -> Sequence[Figure]:
    from benchmarks.caveats.public_cases import score_public  # noqa: PLC0415 - heavy: loaded when used

    return score_public(part, seed, settings.rows)


def _gap_parts() -> tuple[str, ...]:
    return tuple(case.id for case in GAP_CASES)


def _sources(suite: tuple[str, ...], *others: str) -> tuple[str, ...]:
    return (*(f"benchmarks.caveats.{name}" for name in suite), "xaisvc.structure", *others)


_KINDS = ("linear", "gbm", "mlp")
_OPINION = ("xaisvc.caveats.conditional", "xaisvc.caveats.conditional_kernel", "xaisvc.types.second_opinion")
_WHOLE = ("xaisvc.caveats", "xaisvc.types", "xaisvc.engine", "xaisvc.attribution", "xaisvc.graphs")
_GAMES = ("gap_worlds", "gap_cases", "gap_scores")


def studies() -> tuple[Study, ...]:
    """All studies, in the order of the report."""
    explained = _sources((*_GAMES, "complaint_cases", "explained_cases"), *_WHOLE)
    return (
        Study(
            name="independent",
            title="From ONNX file to caveats: nothing goes together, so nothing may be said",
            run=_independent,
            seeds=4,
            parts=INDEPENDENT_PARTS,
            sources=explained,
            needs=("skl2onnx",),
        ),
        Study(
            name="explained",
            title="From ONNX file to caveats: features that go together, and a feature that the model ignores",
            run=_explained,
            seeds=5,
            parts=DEPENDENT_PARTS,
            sources=explained,
            needs=("skl2onnx",),
        ),
        Study(
            name="cost",
            title="Processor time of caveats over that of the explanation",
            run=_cost,
            seeds=2,
            parts=COST_PARTS,
            sources=explained,
            needs=("skl2onnx",),
        ),
        Study(
            name="association",
            title="Dependent pairs found by the screen",
            run=_association,
            seeds=200,
            sources=_sources(("association_cases",)),
        ),
        Study(
            name="redundancy",
            title="Features that follow from several others",
            run=_redundancy,
            seeds=10,
            sources=_sources(("association_cases",)),
        ),
        Study(
            name="opinion",
            title="Interventional against conditional values",
            run=_opinion,
            seeds=4,
            parts=_gap_parts(),
            sources=_sources(_GAMES, *_OPINION),
            needs=("lightgbm",),
        ),
        Study(
            name="large_sets",
            title="Interventional against conditional values of 8 to 60 features that go together",
            run=_large_sets,
            seeds=2,
            parts=tuple(case.id for case in LARGE_CASES),
            sources=_sources((*_GAMES, "large_set_cases"), *_OPINION),
        ),
        Study(
            name="complaint",
            title="Credit for a feature that the model ignores",
            run=_complaint,
            seeds=4,
            parts=_KINDS,
            sources=_sources((*_GAMES, "complaint_cases"), *_OPINION),
            needs=("lightgbm",),
        ),
        Study(
            name="between",
            title="Groups that depend on each other",
            run=_between,
            seeds=2,
            parts=_KINDS,
            sources=_sources(_GAMES, *_OPINION),
            needs=("lightgbm",),
        ),
        Study(
            name="reliance",
            title="Used, rarely used and unused features",
            run=_reliance,
            seeds=60,
            sources=_sources(("reliance_cases",), "xaisvc.types.reliance"),
        ),
        Study(
            name="support",
            title="Rows and hybrids that could not be real",
            run=_support,
            seeds=10,
            sources=_sources(("support_cases",), "xaisvc.caveats.support_row"),
        ),
        Study(
            name="units",
            title="Features that come in another unit",
            run=_units,
            seeds=300,
            sources=_sources(("unit_cases",), "xaisvc.caveats.unit_change"),
        ),
        Study(
            name="proxies",
            title="Features that tell a protected attribute",
            run=_proxies,
            seeds=15,
            sources=_sources(("proxy_cases",)),
        ),
        Study(
            name="manipulation",
            title="Models that hide what they do",
            run=_manipulation,
            seeds=40,
            sources=_sources(("scaffold_cases",)),
        ),
        Study(
            name="noise",
            title="How far values depend on the draw of the background",
            run=_noise,
            seeds=4,
            parts=_KINDS,
            sources=_sources((*_GAMES, "noise_cases")),
            needs=("lightgbm",),
        ),
        Study(
            name="lime",
            title="What is said of LIME's answers",
            run=_lime,
            seeds=4,
            parts=LIME_PARTS,
            sources=(*explained, "benchmarks.caveats.lime_cases"),
            needs=("skl2onnx",),
        ),
        Study(
            name="public",
            title="Public tables with copies and random columns appended",
            run=_public,
            seeds=5,
            parts=TABLES,
            sources=_sources(("public_cases",)),
        ),
    )
