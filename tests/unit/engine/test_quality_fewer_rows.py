from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from xaisvc.engine.quality.fewer_rows import on_fewer_rows
from xaisvc.engine.quality.html import render_html
from xaisvc.engine.quality.markdown import markdown
from xaisvc.engine.quality.result import MethodQuality, QualityReport, Scores
from xaisvc.evaluation import Measure

MEASURE = Measure(value=0.5, low=0.4, high=0.6, n_rows=4)
AREA, SHARE = "insertion_area@background", "infidelity_share@background"


def quality(name: str, kind: str, rows: int, **more: Any) -> MethodQuality:
    return replace(
        MethodQuality(
            name=name,
            kind=kind,
            package="p",
            outcome="measured",
            n_rows=rows,
            measures={AREA: MEASURE, SHARE: MEASURE},
            scores={
                AREA: Scores(numerators=(0.9, 0.5, None, 0.1)[:rows], denominators=None, shape="plain"),
                SHARE: Scores(numerators=(1.0, 3.0, 0.0, 8.0)[:rows], denominators=(2.0,) * rows, shape="plain"),
            },
        ),
        **more,
    )


def report(*methods: MethodQuality) -> QualityReport:
    return QualityReport(
        bundle="b",
        output="y",
        space="raw",
        digests={},
        rows=4,
        features=2,
        players="features",
        background_rows=9,
        settings={"seed": 0, "threads": 1},
        reference=None,
        signal=None,
        methods=methods,
        errors=(),
        contests=(),
        agreement=None,
        complete=True,
        seconds=1.0,
        machine={"processor": "x"},
        versions={},
        date="2026-01-01",
    )


REFERENCE = quality("reference", "reference", 4)


def test_what_explained_fewer_rows_is_read_beside_the_reference_on_these() -> None:
    found = report(
        quality("auto", "ours", 4),
        quality("slow", "peer", 2),
        quality("other", "peer", 2),
        REFERENCE,
        quality("random", "null", 1),
    )

    # (0.9 + 0.5) / 2 and (1 + 3) / (2 + 2), of the first two rows
    sentence = (
        "slow, other: the first 2 rows only; read the numbers beside the reference on these rows: insertion 0.7, "
        "infidelity 1."
    )
    assert on_fewer_rows(found) == (sentence,)
    assert f"- {sentence}\n" in markdown(found)
    assert f"<li>{sentence}</li>" in render_html(found)


@pytest.mark.parametrize(
    "methods",
    [
        (quality("auto", "ours", 4), REFERENCE),
        (quality("slow", "peer", 2),),
        (quality("slow", "peer", 2, outcome="failed"), REFERENCE),
        (quality("slow", "peer", 2, measures={}), REFERENCE),
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_read_it_beside(methods: tuple[MethodQuality, ...]) -> None:
    assert on_fewer_rows(report(*methods)) == ()


def test_measures_that_rest_on_as_few_rows_everywhere_are_left_out() -> None:
    few = quality("reference", "reference", 3)  # what takes features away stops at some rows for every method
    reference = replace(few, n_rows=4)

    assert on_fewer_rows(report(quality("slow", "peer", 3), reference)) == ()
