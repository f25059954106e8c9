from __future__ import annotations

import pytest

from tests.unit.views.blocks import view_of
from xaisvc.views.document import (
    Bar,
    BarChart,
    Bullets,
    Cell,
    Column,
    Fact,
    Facts,
    Notice,
    Paragraph,
    Reason,
    Reasons,
    Table,
)
from xaisvc.views.render_markdown import escape, render


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, with (brackets) and 1.5", "plain, with (brackets) and 1.5"),
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("1. item", "1\\. item"),
        ("12) item", "12\\) item"),
        ("=====", "\\====="),
        ("*bold* _it_ `code`", "\\*bold\\* \\_it\\_ \\`code\\`"),
        ("[a](javascript:alert(1))", "\\[a\\](javascript\\:alert(1))"),
        ("<b onclick=x>", "\\<b onclick=x\\>"),
        ("&lt;b&gt;", "\\&lt;b\\&gt;"),
        ("![x](y)", "\\!\\[x\\](y)"),
        ("a | b", "a \\| b"),
        ("see https://x.example and www.x.example", "see https:\\/\\/x.example and www\\.x.example"),
        ("~~gone~~", "\\~\\~gone\\~\\~"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_no_text_becomes_markup(text: str, expected: str) -> None:
    assert expected == escape(text)


def test_each_block_has_its_form() -> None:
    text = render(
        view_of(
            Paragraph(text="Read me.", role="lead"),
            Notice(tone="care", title="Mind this.", text="Really."),
            Bullets(items=("one", "two"), title="Steps", ordered=True),
            Facts(rows=(Fact(label="Age", value="40", note="old"),)),
            Reasons(title="Against", items=(Reason(label="Loan", direction="counted against"),), empty="none"),
            Reasons(title="For", items=(), empty="None found."),
            Table(
                caption="All",
                columns=(Column(label="A"), Column(label="B", numeric=True)),
                rows=((Cell(text="x|y"), Cell(text="1")),),
            ),
            BarChart(title="Bars", description="d", bars=(Bar(label="a", value=1.0, text="+1"),)),
        )
    )

    for expected in (
        "# Title\n",
        "## Part\n",
        "**Read me.**",
        "> **Take care:** Mind this. Really.",
        "### Steps\n\n1. one\n2. two",
        "- Age: **40** (old)",
        "### Against\n\n1. **Loan** (counted against)",
        "### For\n\nNone found.",
        "| A | B |\n| --- | ---: |\n| x\\|y | 1 |",
        "| a | +1 |",
    ):
        assert expected in text
