from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import NUMBERS, make_description, make_record
from xaisvc.errors import InvalidRequestError
from xaisvc.views import build_view, media_type, render_view
from xaisvc.views.document import Cell, Column, Section, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience, View


def _read(view: View) -> list[list[str]]:
    return list(csv.reader(io.StringIO(render_view(view, "csv"), newline="")))


def test_the_attributions_are_exported_with_numbers_in_full(audiences: Mapping[str, Audience]) -> None:
    record = make_record(values={"purpose": 0.1234567890123456})
    head, *rows = _read(build_view(record, make_description(), audiences["data_scientist"]))
    found = {row[0]: row for row in rows}

    assert head[:3] == ["Player", "Value in this row", "Attribution"]
    assert set(found) == set(NUMBERS)
    assert float(found["purpose"][2]) == 0.1234567890123456
    assert found["duration_months"][1] == "48.0"
    assert media_type("csv").startswith("text/csv")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_text_becomes_a_formula_and_quotes_stay_one_cell(audiences: Mapping[str, Audience], text: str) -> None:
    view = build_view(make_record(), make_description(), audiences["data_scientist"])
    cells = (Cell(text=text), Cell(text='a "b", c'), Cell(text="x", number=-0.5))
    table = Table(caption="c", columns=tuple(Column(label=text) for _ in cells), rows=(cells,), exported=True)
    section = Section(id="s", type="t", title="", blocks=(table,))

    assert _read(replace(view, sections=(section,))) == [[f"'{text}"] * 3, [f"'{text}", 'a "b", c', "-0.5"]]


def test_a_view_without_such_a_table_is_refused(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["data_scientist"])
    bare = replace(view, sections=tuple(part for part in view.sections if part.id != "attributions"))

    with pytest.raises(
        InvalidRequestError, match="this view has no table that 'csv' could hold; ask for another format"
    ):
        render_view(bare, "csv")


def test_other_audiences_are_not_served_in_it(audiences: Mapping[str, Audience]) -> None:
    view = build_view(make_record(), make_description(), audiences["relationship_manager"])

    with pytest.raises(InvalidRequestError, match="is not served as 'csv'"):
        render_view(view, "csv")
