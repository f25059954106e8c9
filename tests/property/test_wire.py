"""Whatever arrives: the request is read, or it is refused by field. Nothing else ever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.client.requests import explain_request
from xaisvc.errors import InvalidInputError
from xaisvc.server import convert
from xaisvc.v1 import explanations_pb2 as pb
from xaisvc.v1 import models_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.errors import FieldViolation

MAX_ROWS = 5
names = st.sampled_from(["", "age", "purpose"])
whole = st.integers(-(2**63), 2**63 - 1)

values = st.one_of(
    st.builds(pb.Value),
    st.builds(pb.Value, number=st.floats()),
    st.builds(pb.Value, integer=whole),
    st.builds(pb.Value, text=st.text(max_size=5)),
    st.builds(pb.Value, boolean=st.booleans()),
    st.builds(pb.Value, missing=st.just(pb.Missing())),
)
rows = st.builds(pb.Row, values=st.dictionaries(names, values, max_size=3))
gaps = st.lists(st.integers(-1, MAX_ROWS), max_size=2)
columns = st.one_of(
    st.builds(pb.Column, feature=names),
    st.builds(
        pb.Column, feature=names, missing=gaps, doubles=st.builds(pb.Doubles, values=st.lists(st.floats(), max_size=6))
    ),
    st.builds(
        pb.Column, feature=names, missing=gaps, texts=st.builds(pb.Texts, values=st.lists(st.text(), max_size=6))
    ),
)
budgets = st.one_of(
    st.builds(pb.Budget), st.builds(pb.Budget, coalitions=whole), st.builds(pb.Budget, standard_error=st.floats())
)
requests = st.builds(
    pb.ExplainRequest,
    model=names,
    rows=st.lists(rows, max_size=6),
    columns=st.lists(columns, max_size=3),
    space=st.integers(0, 9),
    players=st.sampled_from(["", "features", "custom"]),
    player_groups=st.lists(st.builds(pb.PlayerGroup, name=names), max_size=2),
    budget=st.none() | budgets,
    seed=whole,
    audiences=st.lists(names, max_size=2),
    formats=st.lists(names, max_size=2),
)


def read(request: pb.ExplainRequest) -> None:
    violations: tuple[FieldViolation, ...] | None = None
    try:
        command = convert.explain_command(request, max_rows=MAX_ROWS)
    except InvalidInputError as error:
        violations = error.violations
    if violations is None:
        count = len(command.rows) if isinstance(command.rows, list) else len(next(iter(command.rows.values())))
        assert 1 <= count <= MAX_ROWS
        assert count == convert.row_count(request)
    else:
        assert violations
        assert all(violation.field and violation.reason and violation.description for violation in violations)


@given(request=requests)
def test_any_message_is_read_or_refused_by_field(request: pb.ExplainRequest) -> None:
    read(request)


@given(raw=st.binary(max_size=60), request=requests, cut=st.integers(0, 200))
def test_any_bytes_are_read_refused_or_undecodable(raw: bytes, request: pb.ExplainRequest, cut: int) -> None:
    for message in (raw, request.SerializeToString()[:cut], request.SerializeToString() + raw):
        try:
            decoded = pb.ExplainRequest.FromString(message)
        except DecodeError:
            continue
        read(decoded)


plain = st.one_of(st.none(), st.booleans(), whole, st.floats(allow_nan=False), st.text(max_size=5))


@given(table=st.lists(st.fixed_dictionaries({"a": plain, "b": plain}), min_size=1, max_size=MAX_ROWS))
@pytest.mark.parametrize("packed", [False, True])
def test_rows_arrive_as_they_were_sent(table: Sequence[Mapping[str, object]], packed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    sent = {name: [row[name] for row in table] for name in ("a", "b")} if packed else table

    request = explain_request(
        "loans",
        sent,
        output=None,
        space=None,
        method="auto",
        players="features",
        budget=None,
        seed=0,
        audiences=(),
        formats=(),
        language="en",
    )
    arrived = convert.explain_command(request, max_rows=MAX_ROWS).rows

    if isinstance(arrived, dict):
        arrived = [{name: arrived[name][i] for name in arrived} for i in range(len(table))]
    assert arrived == list(table)  # a packed column of mixed whole and other numbers turns 1 into 1.0, which is equal


def test_every_space_but_none_has_a_meaning() -> None:
    known = set(models_pb2.Space.values()) - {models_pb2.SPACE_UNSPECIFIED}

    assert known == set(convert.SPACE_FROM_WIRE)
