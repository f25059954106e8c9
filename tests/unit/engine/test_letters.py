"""What is said of letters before the first one is written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.views.cases import make_open_description
from xaisvc.engine.letters import LetterConcern, letter_warnings
from xaisvc.types import SelectionRule
from xaisvc.views import load_audiences
from xaisvc.views.loader import audiences_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xaisvc.views import Audience

IN_TIME, LATE = date(2027, 2, 20), date(2027, 2, 21)  # the pack is to be reviewed by 2027-02-20
OPEN = make_open_description()  # its background is drawn from the population, as the pack asks for
OTHER = replace(OPEN, background_drawn_from=SelectionRule.APPROVED_NEAR_THRESHOLD)


@pytest.fixture
def audiences(tmp_path: Path) -> Sequence[Audience]:
    """The audiences with a pack in use."""
    folder = shutil.copytree(audiences_folder(), tmp_path / "audiences")
    text = "schema: xaisvc.packs/v1\ndefault: eu_consumer_credit\nbundles: {free: none}\n"
    (folder / "packs.yaml").write_text(text)
    return tuple(load_audiences(folder).values())


def test_a_bundle_that_fits_its_pack_has_no_warning(audiences: Sequence[Audience]) -> None:
    assert letter_warnings(OPEN, audiences, IN_TIME) == ()
    assert letter_warnings(replace(OTHER, name="free"), audiences, LATE) == ()  # no pack speaks for it
    assert letter_warnings(OTHER, tuple(load_audiences().values()), LATE) == ()


@pytest.mark.parametrize("drawn_from", [SelectionRule.APPROVED_NEAR_THRESHOLD, None])
def test_letters_that_will_be_held_are_told(audiences: Sequence[Audience], drawn_from: SelectionRule | None) -> None:
    (found,) = letter_warnings(replace(OPEN, background_drawn_from=drawn_from), audiences, IN_TIME)

    assert (found.bundle, found.concern, found.pack) == (OPEN.name, LetterConcern.HELD, "eu_consumer_credit")
    assert found.text.startswith(f"the bundle '{OPEN.name}' declares ")
    assert "its adverse letters are held for a person" in found.text
    assert "write 'background: {drawn_from: population}'" in found.text


def test_a_pack_past_its_day_is_told(audiences: Sequence[Audience]) -> None:
    (found,) = letter_warnings(OPEN, audiences, LATE)
    both = letter_warnings(OTHER, audiences, LATE)

    assert found.concern is LetterConcern.STALE
    assert "'eu_consumer_credit' was to be reviewed by 2027-02-20" in found.text
    assert [one.concern for one in both] == [LetterConcern.HELD, LetterConcern.STALE]


def test_a_bundle_that_writes_no_letters_has_no_warning(audiences: Sequence[Audience]) -> None:
    inside = replace(OTHER, audiences=("data_scientist", "fraud_analyst"))

    assert letter_warnings(inside, audiences, LATE) == ()
