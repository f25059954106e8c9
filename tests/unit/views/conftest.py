"""Fixtures of the tests of views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc.views import load_audiences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.views import Audience


@pytest.fixture(scope="session")
def audiences() -> Mapping[str, Audience]:
    return load_audiences()
