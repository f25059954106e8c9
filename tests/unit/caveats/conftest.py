from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from xaisvc.caveats import CaveatContext, CaveatThresholds, RowScreen
from xaisvc.types import (
    Adverse,
    Attribution,
    BundleDescription,
    Feature,
    Kind,
    Output,
    Players,
    Sensitivity,
    Table,
    TensorColumn,
)
from xaisvc.types.association import Association, Power
from xaisvc.types.reliance import FeatureReliance, Reliance, Swaps, Use
from xaisvc.types.second_opinion import ComparedColumn, LinkedPlan, OpinionPlan
from xaisvc.types.studies import PlayerSpread, Studies
from xaisvc.types.support import Adequacy, Density, Enough, Hybrids, Margins, Support
from xaisvc.types.units import Units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.types.association import Redundancy
    from xaisvc.types.proxies import Proxies
    from xaisvc.types.reliance import Manipulation

NAMES = ("age", "income", "job", "debt")
FEATURES = (Kind.NUMERIC, Kind.NUMERIC, Kind.CATEGORY, Kind.NUMERIC)
BACKGROUND_ROWS = 500


class MakeContext(Protocol):
    def __call__(self, **changes: object) -> CaveatContext: ...


class MakeStudies(Protocol):
    def __call__(self, **changes: object) -> Studies: ...


def _association(effects: Mapping[tuple[int, int], float], redundancies: tuple[Redundancy, ...]) -> Association:
    count = len(NAMES)
    effect = np.eye(count)
    for (i, j), strength in effects.items():
        effect[i, j] = effect[j, i] = strength
    return Association(
        features=NAMES,
        effect=effect,
        p_value=np.where(effect > 0, 0.0, 1.0),
        linked=effect > 0,
        by_missingness=np.zeros((count, count), dtype=np.bool_),
        redundancies=redundancies,
        clusters=(),
        merges=np.zeros((count - 1, 4)),
        between=0.0,
        n_rows=BACKGROUND_ROWS,
        n_complete=BACKGROUND_ROWS,
        power=Power.FULL,
        detectable=0.3,
    )


def _density() -> Density:
    """Age and income go together with a correlation of 0.95; the others are on their own."""
    precision = np.eye(4)
    precision[:2, :2] = np.linalg.inv(np.array([[1.0, 0.95], [0.95, 1.0]]))
    none = np.zeros(0, dtype=np.intp)
    return Density(
        precision=precision,
        targets=none,
        logs=np.zeros(0, dtype=np.bool_),
        weights=np.zeros((0, 4)),
        offsets=np.zeros(0),
        spreads=np.zeros(0),
        centres=np.zeros((0, 4)),
        blocks=(),
        pairs=np.zeros((0, 2), dtype=np.intp),
        tables=np.zeros((0, 2, 2)),
        limit=4.0,
        bulk=8.0,
    )


def _support(hybrids: Hybrids, *, dense: bool) -> Support:
    """Numbers from 0 to 100, jobs of two levels; a missing job was seen, other missing values were not."""
    return Support(
        rows=BACKGROUND_ROWS,
        features=NAMES,
        levels=((), (), ("clerk", "manager"), ()),
        expected=((), (), (), ()),
        categories=np.array([False, False, True, False]),
        lows=np.array([0.0, 0.0, np.nan, 0.0]),
        highs=np.array([100.0, 100.0, np.nan, 100.0]),
        floors=np.array([-10.0, -10.0, -np.inf, -10.0]),
        ceilings=np.array([110.0, 110.0, np.inf, 110.0]),
        misses=np.array([False, False, True, False]),
        margins=Margins(
            knots=np.array([[0.0, 100.0], [0.0, 100.0], [0.0, 1.0], [0.0, 100.0]]),
            scores=np.array([[-2.0, 2.0], [-2.0, 2.0], [-1.0, 1.0], [-2.0, 2.0]]),
            reach=2.0,
            discrete=np.array([False, False, True, False]),
        ),
        density=_density() if dense else None,
        hybrids=hybrids,
    )


def _units() -> Units:
    """Numbers are positive; beyond 1,000 a single one is suspicious."""
    numbers = np.array([True, True, False, True])
    quantiles = np.full((4, 5), np.nan)
    quantiles[numbers] = [1.0, 30.0, 50.0, 70.0, 100.0]
    return Units(
        rows=BACKGROUND_ROWS,
        features=NAMES,
        judged=numbers,
        positive=numbers,
        probabilities=np.array([0.0, 0.25, 0.5, 0.75, 1.0]),
        quantiles=quantiles,
        counts=np.where(numbers, 500.0, 0.0),
        grids=np.zeros(4),
        floors=np.where(numbers, 0.05, -np.inf),
        ceilings=np.where(numbers, 1000.0, np.inf),
        critical=4.0,
    )


def _set(places: tuple[int, int], gaps: tuple[float, float], floor: float) -> LinkedPlan:
    """Two players whose gaps are the same in every row: one cut for each, without centres that matter."""
    columns = tuple(
        ComparedColumn(
            feature=NAMES[place],
            knots=np.array([0.0, 100.0]),
            scores=np.array([-2.0, 2.0]),
            levels=("clerk", "manager"),
            is_number=FEATURES[place] is Kind.NUMERIC,
            by_level=0.0,
        )
        for place in places
    )
    weights = np.zeros((2, 2, 2))
    weights[[0, 1], [0, 1], 0] = 1.0
    return LinkedPlan(
        players=places,
        columns=columns,
        owner=np.array([0, 1], dtype=np.int64),
        scores=np.zeros((2, 1)),
        codes=np.ones((2, 1), dtype=np.int64),
        cuts=np.eye(2, dtype=np.bool_),
        by_product=True,
        kernels=np.zeros((2, 3)),
        slopes=np.zeros((2, 2, 3, 1), dtype=np.float32),
        intercepts=np.tile(np.array(gaps)[:, None, None], (1, 2, 3)),
        weights=weights,
        floor=np.full(2, floor / 0.8),  # times FLOOR_SCALE
        interplay=np.zeros(2),
        outside=0.0,
        studied=2,
    )


def _padded(numbers: Sequence[float], count: int) -> np.ndarray:
    found = np.zeros((1, count))
    found[0, : len(numbers)] = numbers[:count]
    return found


@pytest.fixture
def make_studies() -> MakeStudies:
    """Studies in which nothing is the matter unless changed; features go together only where `effects` say so."""

    def make(  # noqa: PLR0913 - one argument per thing that a test may put wrong
        *,
        effects: Mapping[tuple[int, int], float] | None = None,
        redundancies: tuple[Redundancy, ...] = (),
        gaps: Mapping[tuple[int, int], tuple[float, float]] | None = None,
        gap_error: float = 0.001,
        unstudied: tuple[tuple[int, ...], ...] = (),
        has_opinion: bool = True,
        uses: Mapping[str, Use] | None = None,
        usage_rate: float = 0.004,
        hybrids: Mapping[str, object] | None = None,
        dense: bool = False,
        adequacy: Mapping[str, object] | None = None,
        background_errors: Sequence[float] = (0.01, 0.01, 0.01, 0.01),
        interplay: Sequence[float] = (0.1, 0.1, 0.1, 0.1),
        manipulation: Manipulation | None = None,
        proxies: tuple[Proxies, ...] = (),
    ) -> Studies:
        opinion = OpinionPlan(
            n_players=4,
            sets=tuple(_set(places, own, gap_error) for places, own in (gaps or {}).items()),
            unstudied=unstudied,
            reason="too few rows" if unstudied else "",
            n_background=BACKGROUND_ROWS,
        )
        real = Hybrids(
            unreal=False,
            area=0.5,
            area_error=0.02,
            fraction=0.0,
            fraction_error=0.01,
            by_density=0.0,
            by_classifier=0.0,
        )
        enough = Adequacy(
            rows=BACKGROUND_ROWS,
            distinct_rows=BACKGROUND_ROWS,
            enough=Enough.ENOUGH,
            as_of="2025-06-01",
            age_days=100,
            stale=False,
            base_value=0.1,
            base_error=0.01,
            effective_rows=500.0,
            carrying_rows=160.0,
        )
        reliance = Reliance(
            features=tuple(
                FeatureReliance(
                    features=(name,),
                    use=(uses or {}).get(name, Use.USED),
                    random=Swaps(count=1000, moved=round(1000 * usage_rate), mean_effect=0.1, largest_effect=0.7),
                    usage_upper=0.01,
                    usage_upper_new_rows=0.02,
                )
                for name in NAMES
            ),
            groups=(),
            output_sd=1.0,
            noise=1e-7,
        )
        return Studies(
            association=_association(effects or {}, redundancies),
            support=_support(real, dense=dense),
            hybrids=replace(real, **(hybrids or {})),  # type: ignore[arg-type] # the test's own
            units=_units(),
            adequacy=replace(enough, **(adequacy or {})),  # type: ignore[arg-type] # the test's own
            reliance=reliance,
            manipulation=manipulation,
            proxies=proxies,
            opinion=opinion if has_opinion else None,
            spread=PlayerSpread(
                background_errors=np.array(background_errors),
                # Errors that are all alike: that of a sum is the sum of the errors.
                background_covariance=np.outer(background_errors, background_errors),
                interplay=np.array(interplay),
                rows=40,
                model_rows=0,
            )
            if has_opinion
            else None,
        )

    return make


@pytest.fixture
def make_context(make_studies: MakeStudies) -> MakeContext:
    """One row, three numbers and a category, 500 background rows: nothing is the matter unless changed.

    Values and standard errors that are not given are 0, those of players that there are not are left out.
    """

    def make(  # noqa: PLR0913 - one argument per thing that a test may put wrong
        *,
        row: Mapping[str, float | str | None] | None = None,
        values: Sequence[float] = (1.0, -0.5, 0.25),
        standard_errors: Sequence[float] = (),
        exact: bool = True,
        lime: bool = False,
        diagnostics: Mapping[str, float] | None = None,
        output: float | None = None,
        prediction: float = 0.9,
        threshold: float | None = 0.5,
        players: Players | None = None,
        sensitivity: Mapping[str, Sensitivity] | None = None,
        thresholds: CaveatThresholds | None = None,
        **changes: object,
    ) -> CaveatContext:
        given = {"age": 40.0, "income": 50.0, "job": "clerk", "debt": 60.0} | dict(row or {})
        sharing = players or Players(names=NAMES, members=tuple((name,) for name in NAMES))
        studies = make_studies(**changes)
        numbers = _padded(values, len(sharing))
        target = Output(
            id="risk", tensor="p", adverse=Adverse.HIGHER if threshold is not None else None, threshold=threshold
        )
        description = BundleDescription(
            name="m",
            version="1",
            owner="o",
            purpose="p",
            out_of_scope="n",
            features=tuple(
                Feature(
                    id=name,
                    kind=kind,
                    source=TensorColumn(tensor=name),
                    allow_missing=True,
                    sensitivity=(sensitivity or {}).get(name),
                )
                for name, kind in zip(NAMES, FEATURES, strict=True)
            ),
            outputs=(target,),
        )
        return CaveatContext(
            description=description,
            output=target,
            rows=Table(
                {
                    name: np.array([value], dtype=object if name == "job" else np.float64)
                    for name, value in given.items()
                }
            ),
            background_predictions=np.linspace(0.0, 1.0, BACKGROUND_ROWS),
            predictions=np.array([prediction]),
            players=sharing,
            attribution=Attribution(
                values=numbers,
                base_values=np.array([0.1]),
                outputs=np.array([0.1 + numbers.sum() if output is None else output]),
                standard_errors=_padded(standard_errors, len(sharing)),
                method="lime" if lime else "tree" if exact else "kernel",
                exact=exact and not lime,
                model_evaluations=np.array([1]),
                diagnostics=(diagnostics,) if diagnostics is not None else (),
                value_function="local_surrogate" if lime else "interventional",
            ),
            studies=studies,
            screen=RowScreen.of(studies.support),
            thresholds=thresholds or CaveatThresholds(),
        )

    return make
