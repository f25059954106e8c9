"""A1 to A7, A13 and A15 over two hundred records of each bundle, for every audience in every language; and the schemas.

A20: the sixth audience, made of files alone, passes all of them with no change of code.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.checks import CHECKS
from tests.acceptance.worlds import AUDIENCES, BUNDLE_NAMES, LANGUAGES, RECORDS, plain, show, show_all
from xaisvc.views.schema import view_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.worlds import Declared, World


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_every_view_of_every_record_passes_every_check(
    world_of: Callable[[str], World], declared: Declared, bundle: str, audience: str, language: str
) -> None:
    world = world_of(bundle)
    validator = Draft202012Validator(view_schema(declared.audiences[audience]))
    found: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    # The sixth audience tells nothing of its own about each record, so a quarter of them will do.
    for shown in show_all(world, declared, audience, language, every=4 if audience == "internal_auditor" else 1):
        found.update(f"{name}: {what}" for name, check in CHECKS.items() for what in check(shown))
        # A view of a data scientist has thousands of numbers, most of them the bundle's: there it is every tenth.
        if audience != "data_scientist" or sum(statuses.values()) % 10 == 0:
            document = json.loads(shown.pages["json"])
            found.update(f"schema: {error.message[:200]}" for error in validator.iter_errors(document))
        statuses[shown.status] += 1

    assert len(world.records) == len({record.id for record in world.records}) == RECORDS
    assert statuses["complete"]
    assert dict(found.most_common(20)) == {}


@pytest.mark.parametrize("audience", ["customer", "fraud_analyst", "relationship_manager"])
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_a_changed_value_is_changed_wherever_it_was_read(
    world_of: Callable[[str], World], declared: Declared, bundle: str, audience: str
) -> None:
    """A6: no number of the record was written down anywhere else."""
    world = world_of(bundle)
    one = next(f for f in world.description.features if f.id in {"amount_dm", "amount_eur"})
    record = replace(world.records[0], caveats=(), row={**world.records[0].row, one.id: 7351.0})
    other = replace(record, row={**record.row, one.id: 8462.0})
    for language in LANGUAGES:
        before, after = (show(world, declared, audience, language, which).pages for which in (record, other))
        for form in ("html", "markdown", "text"):
            old, new = (re.findall(r"7[.,]?351\b", plain(page[form])) for page in (before, after))

            assert new == []
            assert len(old) == len(re.findall(r"8[.,]?462\b", plain(after[form])))
            assert old or before["json"].find('"complete"') < 0


@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_data_scientists_read_every_attribution_of_the_record_that_they_asked_for(
    world_of: Callable[[str], World], declared: Declared, bundle: str
) -> None:
    """A6: all attributions are there as they are, of this record and of one in which all are others."""
    world = world_of(bundle)
    record = world.records[0]
    players = tuple(replace(p, value=p.value * 1.0937 + 0.01171) for p in record.attribution.players)
    other = replace(record, attribution=replace(record.attribution, players=players))
    pages = [show(world, declared, "data_scientist", "en", which).pages["json"] for which in (record, other)]
    for old, new in zip(record.attribution.players, players, strict=True):
        assert _said(old.value, pages[0])
        assert _said(new.value, pages[1])


def _said(value: float, page: str) -> bool:
    """Whether a page has a number with six digits or more."""
    return any(f"{abs(value):.{digits}g}" in page for digits in (6, 12))
