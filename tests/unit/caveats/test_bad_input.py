"""Backgrounds and rows that nothing can be told of: no crash, and no word that was not earned."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.unit.caveats.spoken import all_caveats
from xaisvc.caveats import CaveatContext, RowScreen
from xaisvc.structure.adequacy import study_adequacy
from xaisvc.structure.spread import unknown_spread
from xaisvc.structure.support import study_support
from xaisvc.structure.units import study_units
from xaisvc.types import Attribution, BundleDescription, Feature, Kind, Output, Players, Table, TensorColumn
from xaisvc.types.association import Association, Power
from xaisvc.types.reliance import FeatureReliance, Hindrance, Reliance, Use
from xaisvc.types.second_opinion import OpinionPlan
from xaisvc.types.studies import Studies

COUNT = 300


def _table(rows: int, seed: int) -> Table:
    """Constant, all-missing, copied, many-levelled and plain columns."""
    rng = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    for j in range(COUNT):
        if j % 10 == 0:
            columns[f"f{j}"] = np.full(rows, 7.0)
        elif j % 10 == 1:
            columns[f"f{j}"] = np.full(rows, np.nan)
        elif j % 10 == 2:
            columns[f"f{j}"] = np.array([f"level {k}" for k in rng.integers(1000, size=rows)], dtype=object)
        elif j % 10 == 3:
            columns[f"f{j}"] = columns["f4"].copy() if j > 3 else rng.normal(size=rows)
        elif j % 10 == 5:
            columns[f"f{j}"] = np.full(rows, None, dtype=object)
        else:
            columns[f"f{j}"] = rng.normal(size=rows)
    return Table(columns)  # type: ignore[arg-type] # floats and objects


@pytest.fixture(scope="module")
def studied() -> tuple[BundleDescription, Studies, Players]:
    background = _table(50, 1)
    names = background.feature_ids
    kinds = [Kind.CATEGORY if background.columns[name].dtype == np.object_ else Kind.NUMERIC for name in names]
    description = BundleDescription(
        name="m",
        version="1",
        owner="o",
        purpose="p",
        out_of_scope="n",
        features=tuple(
            Feature(id=name, kind=kind, source=TensorColumn(tensor=name), allow_missing=True)
            for name, kind in zip(names, kinds, strict=True)
        ),
        outputs=(Output(id="risk", tensor="p", threshold=0.0),),
    )
    copies = [j for j in range(COUNT) if j == 4 or (j % 10 == 3 and j > 3)]
    linked = np.eye(COUNT, dtype=np.bool_)
    linked[np.ix_(copies, copies)] = True
    association = Association(
        features=names,
        effect=linked.astype(np.float64),
        p_value=np.where(linked, 0.0, 1.0),
        linked=linked,
        by_missingness=np.zeros_like(linked),
        redundancies=(),
        clusters=(tuple(copies),),
        merges=np.zeros((COUNT - 1, 4)),
        between=0.0,
        n_rows=50,
        n_complete=0,
        power=Power.STRONG_ONLY,
        detectable=1.0,
    )
    unknown = tuple(
        FeatureReliance(features=(name,), use=Use.CANNOT_TELL, hindrance=Hindrance.FEW_ROWS) for name in names
    )
    support = study_support(background, description, np.random.default_rng(3))
    studies = Studies(
        association=association,
        support=support,
        hybrids=support.hybrids,
        units=study_units(background),
        adequacy=study_adequacy(background, today=date(2026, 1, 1)),
        reliance=Reliance(features=unknown, groups=(), output_sd=1.0, noise=0.0),
        manipulation=None,
        proxies=(),
        opinion=OpinionPlan(
            n_players=COUNT, sets=(), unstudied=association.clusters, reason="50 rows are few", n_background=50
        ),
        spread=unknown_spread(COUNT),
    )
    return description, studies, Players(names=names, members=tuple((name,) for name in names))


def _context(studied: tuple[BundleDescription, Studies, Players], rows: Table) -> CaveatContext:
    description, studies, players = studied
    values = np.random.default_rng(4).normal(size=(len(rows), COUNT))
    values[:, 4] = 100.0  # the one of which there are copies leads
    return CaveatContext(
        description=description,
        output=description.outputs[0],
        rows=rows,
        background_predictions=np.zeros(50),
        predictions=np.zeros(len(rows)),
        players=players,
        attribution=Attribution(
            values=values,
            base_values=np.zeros(len(rows)),
            outputs=values.sum(axis=1),
            standard_errors=np.zeros_like(values),
            method="tree",
            exact=True,
            model_evaluations=np.ones(len(rows), dtype=np.int64),
        ),
        studies=studies,
        screen=RowScreen.of(studies.support),
    )


def test_three_hundred_poor_features_are_spoken_of_with_care(
    studied: tuple[BundleDescription, Studies, Players],
) -> None:
    found = list(all_caveats(_context(studied, _table(12, 9))))

    for row in found:
        kinds = {caveat.kind for caveat in row}
        assert kinds >= {"background_sensitivity", "shared_credit"}  # fifty rows are few, and copies are linked
        assert not kinds & {"attributed_but_unused", "hidden_proxy_use", "value_function_disagreement", "rare_usage"}


def test_rows_outside_every_range_are_said_to_be(studied: tuple[BundleDescription, Studies, Players]) -> None:
    rows = Table(
        {
            name: np.full(3, "nobody", dtype=object)
            if values.dtype == np.object_
            else np.array([1e300, -1e300, np.inf])
            for name, values in _table(3, 9).columns.items()
        }
    )
    for row in all_caveats(_context(studied, rows)):
        (outside,) = (caveat for caveat in row if caveat.kind == "input_out_of_range" and caveat.players)
        assert outside.evidence["features"] > COUNT / 2
        assert np.isfinite(list(outside.evidence.values())).all()


def test_rows_without_any_value_are_read(studied: tuple[BundleDescription, Studies, Players]) -> None:
    rows = Table(
        {
            name: np.full(2, None, dtype=object) if values.dtype == np.object_ else np.full(2, np.nan)
            for name, values in _table(3, 9).columns.items()
        }
    )
    for row in all_caveats(_context(studied, rows)):
        (missing,) = (caveat for caveat in row if caveat.kind == "missing_input")
        assert missing.evidence == {"features": float(COUNT)}
