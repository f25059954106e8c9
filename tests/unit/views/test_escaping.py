from __future__ import annotations

import pytest
from markupsafe import Markup, escape

from xaisvc.views.document import Cell, Column, Table
from xaisvc.views.escaping import all_escaped, escaped
from xaisvc.views.tables_html import table

TEXTS = (
    "",
    "48 months",
    "<script>alert(1)</script>",
    "a & b",
    "&amp;",
    "it's",
    'say "no"',
    "50 % of %s",
    "\u20ac\u00a01.234",
    "\u202e\u2028",
    "a\x00b",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_escaped_as_templates_escape_it(text: str) -> None:
    assert escaped(text) == str(escape(text))


def test_no_text_counts_as_markup_already() -> None:
    assert escaped(Markup("<b>")) == "&lt;b&gt;"
    assert all_escaped([Markup("<b>"), "&"]) == ["&lt;b&gt;", "&amp;"]


@pytest.mark.parametrize("texts", [(), ("<",), TEXTS, TEXTS[:-1], ("\x00", "\x00<\x00", "a")])
def test_many_texts_are_escaped_as_each_by_itself(texts: tuple[str, ...]) -> None:
    assert all_escaped(texts) == [str(escape(text)) for text in texts]


def test_a_table_puts_every_text_in_its_own_cell_whatever_it_holds() -> None:
    columns = tuple(Column(label=label, numeric=label == "n") for label in ("50 %s", "n", "<b>"))
    rows = (
        (Cell(text="100 %"), Cell(text="%s", number=1.0), Cell(text="<i>", marked=True)),
        (Cell(text="%%"), Cell(text="%(a)s"), Cell(text="{0}")),
    )

    drawn = str(table(Table(caption="a & b", columns=columns, rows=rows)))

    assert '<tr><th scope="row">100 %</th><td data-label="n" class="numeric">%s</td>' in drawn
    assert '<td data-label="&lt;b&gt;" class="marked">&lt;i&gt;</td></tr>' in drawn
    assert '<tr><th scope="row">%%</th><td data-label="n" class="numeric">%(a)s</td>' in drawn
    assert '<td data-label="&lt;b&gt;">{0}</td></tr>' in drawn


def test_a_table_with_a_line_of_another_width_is_refused() -> None:
    columns = (Column(label="a"), Column(label="b"))
    rows = ((Cell(text="1"), Cell(text="2")), (Cell(text="3"),))

    with pytest.raises(ValueError, match="has 1 cells, but there are 2 columns; give each column a cell"):
        table(Table(caption="", columns=columns, rows=rows))
