"""What an audience's declaration says of reading before a first judgement, and of codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_description, make_record
from xaisvc.errors import AudienceError
from xaisvc.types.supplements import Supplement
from xaisvc.views import ViewStatus, build_view, load_audiences, needed

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = "before:\n  - {type: text, id: disclosure, style: stop}\n"
CHILD = """
schema: xaisvc.audience/v1
id: junior_analyst
extends: fraud_analyst
version: 1
label: {en: Junior, nl: Junior}
purpose: {en: "Judge.", nl: "Oordelen."}
"""


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "fraud_analyst" / "audience.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_bank_can_show_everything_at_once(folder: Path) -> None:
    change(folder, "first_judgement: required", "first_judgement: optional")
    analyst = load_audiences(folder)["fraud_analyst"]

    assert analyst.before == ()
    assert build_view(make_record(), make_description(), analyst, judged=False).status is ViewStatus.COMPLETE


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "first_judgement: required",
            "first_judgement: always",
            r"first_judgement: must be one of: required",
        ),
        (
            BEFORE,
            BEFORE + "  - {type: signals, first: adverse}\n",
            r"before.1.type: 'signals' shows what follows from the model's answer.*do not: evidence, novelty, text",
        ),
        (BEFORE, BEFORE + "  - {type: alert_band, id: standing}\n", r"before.1.type: 'alert_band' shows"),
        ("codes: [known-pattern", "codes: [known_pattern", r"'known_pattern' is no code; use small letters"),
        ("codes: [known-pattern", "codes: [own-code, known-pattern", r"has no 'record.reason.own-code'"),
    ],
)
def test_a_mistake_is_named(folder: Path, old: str, new: str, match: str) -> None:
    change(folder, old, new)
    with pytest.raises(AudienceError, match=match):
        load_audiences(folder)


def test_nothing_to_read_before_is_a_mistake(folder: Path) -> None:
    path = folder / "fraud_analyst" / "audience.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("before:")
    path.write_text(text[:start] + text[text.index("sections:") :], encoding="utf-8")
    with pytest.raises(AudienceError, match=r"before: must list what is read until the first judgement"):
        load_audiences(folder)


def test_a_child_asks_for_a_judgement_too(folder: Path) -> None:
    (folder / "junior_analyst").mkdir()
    file = folder / "junior_analyst" / "audience.yaml"
    file.write_text(CHILD, encoding="utf-8")
    classes = folder / "classes.yaml"
    text = classes.read_text(encoding="utf-8")
    row = text[text.index("  fraud_analyst:") :].split("\n")[:10]
    classes.write_text(text + "\n".join(["  junior_analyst:", *row[1:]]) + "\n", encoding="utf-8")

    assert load_audiences(folder)["junior_analyst"].before

    file.write_text(CHILD + "first_judgement: optional\n", encoding="utf-8")
    with pytest.raises(AudienceError, match=r"first_judgement: must be 'required', as for 'fraud_analyst'"):
        load_audiences(folder)


def test_before_a_judgement_only_what_is_read_then_is_computed() -> None:
    analyst = load_audiences()["fraud_analyst"]

    assert needed(make_description(), analyst, judged=False) == {Supplement.STANDING, Supplement.SIMILAR_CASES}
    assert needed(make_description(), analyst) == {Supplement.STANDING, Supplement.SIMILAR_CASES, Supplement.BANDS}
