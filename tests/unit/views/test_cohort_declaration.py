"""How an audience declares what it is told of many cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description
from tests.unit.views.cohorts import (
    SECTIONS,
    full_cohort,
)
from xaisvc.errors import AudienceError
from xaisvc.views import build_cohort_view, load_audiences

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("audience.yaml", "{type: people}", "{type: crowds}", "unknown section type 'crowds'; known: actions, alarms"),
        ("audience.yaml", "{type: people}", "{type: reasons}", "unknown section type 'reasons'"),
        ("audience.yaml", "drivers, maximum: 7", "drivers, maximum: many", "must be a whole number"),
        ("audience.yaml", "{type: people}", "{type: text, id: people_more}", "has no 'cohort.people_more.title'"),
        ("messages/en.yaml", "      title: People and the model\n", "", "has no 'cohort.people.title'"),
        ("messages/en.yaml", "    band: Band\n", "", "has no 'cohort.band'"),
        ("messages/en.yaml", "title: People and the model", "title: People and the {owners}", "nobody fills the slot"),
        ("messages/en.yaml", "title: People and the model", "title: Why SHAP says so", "says 'SHAP', which is banned"),
        (
            "messages/en.yaml",
            "title: People and the model",
            "title: People\n      more: x",
            "no section of this audience",
        ),
        ("messages/en.yaml", "title: People and the model", "title: The 5 people", "holds a number"),
    ],
)
def test_mistakes_in_a_declaration_are_refused(folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = folder / "business_manager" / file
    text = path.read_text(encoding="utf-8")
    head, mark, tail = text.partition("\ncohort_sections:" if file == "audience.yaml" else "\n  cohort:")
    assert old in tail
    path.write_text(head + mark + tail.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(AudienceError) as raised:
        load_audiences(folder)
    assert message in str(raised.value)


def test_a_child_takes_the_sections_over(folder: Path) -> None:
    child = folder / "board"
    child.mkdir()
    (child / "audience.yaml").write_text(
        "schema: xaisvc.audience/v1\nid: board\nextends: business_manager\nversion: 1\n"
        "label: {en: Board, nl: Bestuur}\n"
        'purpose: {en: "Look after the model.", nl: "Op het model letten."}\n'
    )
    classes = folder / "classes.yaml"
    text = classes.read_text()
    row = re.search(r"^  business_manager:(?:.*\n(?:    .*\n)*)", text, re.MULTILINE)
    assert row is not None
    classes.write_text(text + row.group().replace("business_manager", "board"))
    found = load_audiences(folder)

    view = build_cohort_view(full_cohort(), make_description(), found["board"], "nl", known=found)
    assert [section.id for section in view.sections] == SECTIONS
    assert view.audience_label == "Bestuur"
