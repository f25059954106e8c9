"""An audience that extends another may only withhold more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_record
from xaisvc.errors import AudienceError
from xaisvc.types import Sensitivity
from xaisvc.views import build_view, load_audiences, render_view
from xaisvc.views.audience import Action, OnUnreliable

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
schema: xaisvc.audience/v1
id: call_centre
extends: relationship_manager
version: 1
label: {en: Call centre, nl: Klantenservice}
purpose: {en: "Answer a client who calls.", nl: "Een klant die belt antwoord geven."}
"""
ROW = """
  call_centre:
    public: show
    customer_own: show
    internal: hide
    confidential: hide
    protected: hide
    proxy: hide
    fraud_signal: hide
    aml: closed
    unclassified: hide
"""
CLEARANCE = "clearance: [public, customer_own]\n"


def _add(folder: Path, text: str = CHILD + CLEARANCE, row: str = ROW) -> Path:
    (folder / "call_centre").mkdir()
    (folder / "call_centre" / "audience.yaml").write_text(text, encoding="utf-8")
    with (folder / "classes.yaml").open("a", encoding="utf-8") as file:
        file.write(row)
    return folder


def test_a_child_takes_over_what_it_does_not_say(folder: Path) -> None:
    audiences = load_audiences(_add(folder))
    child, parent = audiences["call_centre"], audiences["relationship_manager"]

    assert child.extends == "relationship_manager"
    assert child.label == "Call centre"
    assert (parent.sections, parent.gates, parent.reading) == (child.sections, child.gates, child.reading)
    assert child.actions["internal"] is Action.HIDE
    for language in ("en", "nl"):
        record = make_record(values={"branch_note": 3.0})
        page, full = (
            render_view(build_view(record, make_description(), audience, language), "text")
            for audience in (child, parent)
        )
        assert "Note of the branch" not in page
        assert "Note of the branch" in full


def test_a_child_may_have_words_of_its_own(folder: Path) -> None:
    _add(folder)
    (folder / "call_centre" / "messages").mkdir()
    (folder / "call_centre" / "messages" / "nl.yaml").write_text(
        'messages: {view: {title: "De klant aan de lijn"}}', encoding="utf-8"
    )
    child = load_audiences(folder)["call_centre"]

    assert render_view(build_view(make_record(), make_description(), child, "nl"), "text").startswith("De klant aan de")
    assert render_view(build_view(make_record(), make_description(), child, "en"), "text").startswith("Your client")


def test_a_child_may_withhold_more(folder: Path) -> None:
    stricter = CHILD + CLEARANCE + "on_unreliable: hold\nheld: [{type: text, id: closed}]\n"
    child = load_audiences(_add(folder, stricter))["call_centre"]

    assert child.on_unreliable is OnUnreliable.HOLD


@pytest.mark.parametrize(
    ("declared", "row", "match"),
    [
        (
            "clearance: [public, customer_own, confidential]\n",
            ROW.replace("confidential: hide", "confidential: show"),
            r"clearance: 'confidential' is 'show' here and 'hide' for '.*'; .* make it 'hide' or stricter",
        ),
        (
            CLEARANCE,
            ROW.replace("confidential: hide", "confidential: generalise"),
            r"'confidential' is 'generalise' here and 'hide' for",
        ),
        (
            CLEARANCE,
            ROW.replace("aml: closed", "aml: hide"),
            r"^classes.yaml:\d+: audiences.call_centre.aml: must be 'cl",
        ),
        (
            CLEARANCE + "on_unreliable: show\ngates: []\n",
            ROW,
            r"gates: must name 'no_reasons' as well",
        ),
        (
            CLEARANCE + "sections: [{type: may_say, classes: [public, internal]}]\n",
            ROW,
            r"'may_say' allows 'internal', which 'relationship_manager' does not",
        ),
    ],
)
def test_a_child_may_not_withhold_less(folder: Path, declared: str, row: str, match: str) -> None:
    _add(folder, CHILD + declared, row)

    with pytest.raises(AudienceError, match=match):
        load_audiences(folder)


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        (
            "on_unreliable: show\ngates: [not_a_reason, no_ranking]\n",
            r"on_unreliable: is 'show', for 'fraud_analyst' it is",
        ),
        ("gates: [no_ranking]\n", r"gates: must name 'not_a_reason' as well: 'fraud_analyst' keeps to it"),
    ],
)
def test_a_child_keeps_to_what_its_parent_keeps_to(folder: Path, declared: str, match: str) -> None:
    text = CHILD.replace("extends: relationship_manager", "extends: fraud_analyst") + CLEARANCE + declared
    _add(folder, text, ROW.replace("aml: closed", "aml: hide"))

    with pytest.raises(AudienceError, match=match):
        load_audiences(folder)


@pytest.mark.parametrize(
    ("parent", "match"),
    [
        ("nobody", r"extends: there is no other audience 'nobody' to extend; known: business_manager"),
        ("call_centre", r"extends: there is no other audience 'call_centre' to extend"),
    ],
)
def test_a_parent_must_be_another_audience(folder: Path, parent: str, match: str) -> None:
    _add(folder, CHILD.replace("extends: relationship_manager", f"extends: {parent}") + CLEARANCE)

    with pytest.raises(AudienceError, match=match):
        load_audiences(folder)


def test_a_parent_extends_nobody(folder: Path) -> None:
    _add(folder)
    (folder / "grandchild").mkdir()
    text = (CHILD + CLEARANCE).replace("id: call_centre", "id: grandchild")
    (folder / "grandchild" / "audience.yaml").write_text(
        text.replace("extends: relationship_manager", "extends: call_centre"), encoding="utf-8"
    )
    with (folder / "classes.yaml").open("a", encoding="utf-8") as file:
        file.write(ROW.replace("call_centre", "grandchild"))

    with pytest.raises(AudienceError, match=r"extends: 'call_centre' extends an audience itself; extend that one"):
        load_audiences(folder)


def test_every_class_is_a_class_of_the_row() -> None:
    assert all(f"    {sensitivity.value}: " in ROW for sensitivity in Sensitivity)
