"""Caveats travel whole to those who may see numbers, and not at all to anybody else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.frames import FRAME
from tests.unit.server.conftest import a_record
from xaisvc.client import answers
from xaisvc.client.batches import streamed_batch
from xaisvc.engine.commands import AnswerBatch, RenderedView, RowOutcome
from xaisvc.errors import ServiceError
from xaisvc.server import convert
from xaisvc.server.convert_batches import stream_response
from xaisvc.types import (
    LOCAL,
    AnswerColumns,
    Caveat,
    CaveatTable,
    Gate,
    Level,
    RobustNumber,
    Severity,
)
from xaisvc.v1 import explanations_pb2 as pb

CARE = Severity.CARE
ROBUST = RobustNumber(players=("zage", "zsavings"), value=0.0, low=-0.0625, high=0.3125)
SHARED = Caveat(
    kind="shared_credit",
    severity=CARE,
    players=("zage", "zsavings"),
    message="zcredit is shared",
    evidence={"zassociation": 0.75},
    robust=ROBUST,
    gates=(Gate.NO_RANKING, Gate.NOT_A_REASON),
    model_rows=12,
)
ALONE = Caveat(kind="zthreshold", severity=Severity.INFO)
HELD = Caveat(kind="input_out_of_range", severity=Severity.UNRELIABLE, gates=(Gate.NO_REASONS,))
UNITS = Caveat(kind="unit_change", severity=Severity.CARE, players=("zage",), evidence={"zratio": 1000.0})
OUTSIDER = replace(LOCAL, audiences=frozenset({"customer"}))


def a_batch(caveats: list[tuple[Caveat, ...]]) -> AnswerBatch:
    n = len(caveats)
    zeros = np.zeros(n)
    columns = AnswerColumns(
        predictions=zeros,
        rank_shares=zeros,
        base_values=zeros,
        outputs=zeros,
        values=np.zeros((n, 1)),
        standard_errors=None,
        exact=[True] * n,
        model_evaluations=np.zeros(n, dtype=np.int64),
        bands=[""] * n,
        adverse=[None] * n,
        details=[""] * n,
        diagnostics=[{}] * n,
        caveats=CaveatTable.of(caveats),
    )
    return AnswerBatch(
        frame=FRAME,
        created_at="2026-03-01T12:00:00Z",
        indices=range(n),
        ids=[f"r{i}" for i in range(n)],
        answers=columns,
        failed=(),
        next_row=n,
        rows=n,
    )


def test_a_caveat_comes_back_as_it_was_and_brings_its_name() -> None:
    record = a_record(caveats=(HELD, SHARED, ALONE))

    message = pb.Explanation.FromString(convert.explanation(record).SerializeToString())

    assert answers.record(message) == record
    assert [one.id for one in message.caveats] == [caveat.id for caveat in record.caveats]
    assert [one.HasField("robust") for one in message.caveats] == [False, True, False]


def test_a_robust_number_of_nothing_but_zeros_comes_back() -> None:
    caveat = replace(SHARED, robust=RobustNumber(players=(), value=0.0, low=0.0, high=0.0))
    record = a_record(caveats=(caveat,))

    message = pb.Explanation.FromString(convert.explanation(record).SerializeToString())

    assert answers.record(message) == record


@pytest.mark.parametrize(
    ("caveats", "level"),
    [
        ((), pb.RELIABILITY_NORMAL),
        ((ALONE,), pb.RELIABILITY_NORMAL),
        ((SHARED, ALONE), pb.RELIABILITY_CARE),
        ((HELD, SHARED), pb.RELIABILITY_UNRELIABLE),
    ],
)
def test_the_level_travels_with_each_explanation(caveats: tuple[Caveat, ...], level: pb.Reliability.ValueType) -> None:
    assert convert.explanation(a_record(caveats=caveats)).reliability == level


def test_caveats_of_the_whole_request_come_back_as_they_were() -> None:
    outcomes = (RowOutcome(index=0, record=a_record()),)
    sent = convert.explain_response(outcomes, LOCAL, (UNITS, SHARED))

    found = answers.reply(pb.ExplainResponse.FromString(sent.SerializeToString()))

    assert found.batch_caveats == (UNITS, SHARED)
    assert answers.reply(convert.explain_response(outcomes, LOCAL)).batch_caveats == ()


def test_nothing_of_a_caveat_reaches_a_caller_who_may_not_see_numbers() -> None:
    view = RenderedView(audience="customer", format="text", language="en", media_type="", content="", status="complete")
    found = []
    for caveats in ((), (SHARED,), (HELD, SHARED, ALONE)):
        outcomes = (RowOutcome(index=0, record=a_record(caveats=caveats), views=(view,)),)
        found.append(convert.explain_response(outcomes, OUTSIDER, caveats).SerializeToString())

    assert not OUTSIDER.sees_numbers
    assert found == [found[0]] * 3
    for word in (b"shared_credit", b"zage", b"zcredit", b"zassociation", b"input_out_of_range"):
        assert word not in found[2]


def test_the_scan_finds_what_a_data_scientist_gets() -> None:
    outcomes = (RowOutcome(index=0, record=a_record(caveats=(SHARED,))),)
    found = convert.explain_response(outcomes, LOCAL, (UNITS,)).SerializeToString()

    for word in (b"shared_credit", b"zage", b"zcredit", b"zassociation", b"zratio"):
        assert word in found


def test_caveats_of_a_stream_stand_with_their_rows() -> None:
    other = replace(SHARED, robust=replace(ROBUST, value=0.125))
    more = replace(SHARED, gates=(Gate.NO_RANKING,))
    last = replace(SHARED, model_rows=0)
    rows = [(SHARED, ALONE), (), (other,), (HELD, SHARED), (more,), (last,), (SHARED, ALONE)]

    sent = stream_response(replace(a_batch(rows), batch_caveats=(UNITS,)))
    found = streamed_batch(pb.ExplainStreamResponse.FromString(sent.SerializeToString()))

    assert found.caveats == tuple(rows)
    assert found.reliability == tuple(
        Level(level) for level in ("care", "normal", "care", "unreliable", "care", "care", "care")
    )
    assert found.batch_caveats == (UNITS,)
    # Shared, with other gates, without model rows, and at another rank; what was held, and the threshold.
    assert [list(one.places) for one in sent.batch.caveats] == [[0, 2, 6], [3], [4], [5], [0, 6], [3]]
    assert [len(one.evidence) for one in sent.batch.caveats] == [0] * 6
    assert [len(one.robust) for one in sent.batch.caveats] == [9, 0, 0, 0, 0, 0]


@given(st.data())
def test_whatever_differs_between_rows_comes_back(data: st.DataObject) -> None:
    number = st.sampled_from([0.0, -0.0, -1.5, 1e300])
    robust = st.none() | st.builds(RobustNumber, players=st.just(("a",)), value=number, low=number, high=number)
    evidence = st.dictionaries(st.sampled_from(["b", "a", "c"]), number, max_size=2)
    drawn = st.builds(Caveat, kind=st.sampled_from("xy"), severity=st.just(CARE), evidence=evidence, robust=robust)
    rows = data.draw(st.lists(st.lists(drawn, max_size=3).map(tuple), min_size=1, max_size=6))

    sent = stream_response(a_batch(rows)).SerializeToString()

    found = streamed_batch(pb.ExplainStreamResponse.FromString(sent)).caveats
    assert found == tuple(rows)
    for one, other in zip(found, rows, strict=True):  # -0.0 is 0.0, and reads as another number
        alphabetical = tuple(replace(caveat, evidence=dict(sorted(caveat.evidence.items()))) for caveat in other)
        assert repr(one) == repr(alphabetical)


def test_a_row_costs_its_numbers_and_not_the_words() -> None:
    """Streams hold tens of thousands of rows in a message of bounded size."""

    def size(n: int) -> int:
        numbers = [i / 7 for i in range(1, n + 1)]
        rows = [(replace(SHARED, evidence={"a": x}, robust=replace(ROBUST, low=-x)),) for x in numbers]
        return len(stream_response(a_batch(rows)).batch.SerializeToString())

    # Eight bytes for each of nine numbers (five of them are not the caveat's) and a few for place and id.
    assert (size(1200) - size(200)) / 1000 < 9 * 8 + 20


def test_numbers_that_fit_no_row_are_refused() -> None:
    sent = stream_response(a_batch([(SHARED,), (replace(SHARED, evidence={"zassociation": 0.5}),)]))
    sent.batch.caveats[0].evidence.append(0.25)

    with pytest.raises(ServiceError, match="use a client of its version"):
        streamed_batch(sent)


def test_a_stream_whose_rows_all_failed_still_says_what_is_wrong_with_them() -> None:
    failed = (RowOutcome(index=0, record=None, error="no"),)
    batch = replace(a_batch([]), failed=failed, next_row=1, rows=1)

    found = streamed_batch(stream_response(replace(batch, batch_caveats=(UNITS,))))

    assert (found.batch_caveats, found.reliability, len(found.failed)) == ((UNITS,), (), 1)


def test_the_client_says_so_if_it_does_not_know_a_word() -> None:
    strange = pb.Caveat(kind="new", severity=pb.SEVERITY_INFO, gates=[99])
    for read in (
        lambda: answers.reply(pb.ExplainResponse(batch_caveats=[strange])),
        lambda: streamed_batch(pb.ExplainStreamResponse(batch_caveats=[strange])),
        lambda: streamed_batch(pb.ExplainStreamResponse(batch=pb.ExplanationBatch(reliability=[99]))),
    ):
        with pytest.raises(ServiceError, match="use a client of its version"):
            read()
