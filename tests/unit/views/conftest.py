"""Fixtures of the tests of views."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from xaisvc.views import load_audiences
from xaisvc.views.loader import audiences_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xaisvc.views import Audience


@pytest.fixture(scope="session")
def audiences() -> Mapping[str, Audience]:
    return load_audiences()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the audiences that come along, to be changed."""
    return shutil.copytree(audiences_folder(), tmp_path / "audiences")
