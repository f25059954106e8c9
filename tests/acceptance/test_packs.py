"""A21: a jurisdiction pack says by when it must be read again, and nobody misses that day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from xaisvc.views.lint import lint_audiences

if TYPE_CHECKING:
    from tests.acceptance.worlds import Declared

PACKS = ("eu_consumer_credit", "us_reg_b")


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_is_dated_and_lint_tells_when_its_day_has_passed(declared: Declared, name: str) -> None:
    pack = declared.read(f"packs/{name}.yaml")
    as_of, review_by = (date.fromisoformat(str(pack[key])) for key in ("as_of", "review_by"))

    def told(today: date) -> list[str]:
        report = lint_audiences(declared.root, (), today=today, only=())
        return [finding.what for finding in report.findings if name in finding.where]

    assert as_of < review_by <= as_of + timedelta(days=366)
    assert pack["sources"]
    assert told(review_by) == []
    assert len(told(review_by + timedelta(days=1))) == 1
