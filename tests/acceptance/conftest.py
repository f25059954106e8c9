"""Records and audiences for the acceptance checks; each is made once per process."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.worlds import BUNDLE_NAMES, Declared, World, make_world
from tests.conformance.test_audiences import SIXTH, SIXTH_CLASSES, SIXTH_MESSAGES, SIXTH_MESSAGES_NL
from xaisvc.views import load_audiences
from xaisvc.views.loader import audiences_folder

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def _world(name: str) -> World:
    return make_world(name)


@pytest.fixture(scope="session")
def world_of() -> Callable[[str], World]:
    """A bundle with its records, by name."""
    return _world


@pytest.fixture(scope="session")
def worlds() -> tuple[World, ...]:
    """Both bundles with their records."""
    return tuple(_world(name) for name in BUNDLE_NAMES)


@pytest.fixture(scope="session")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Declared:
    """The five audiences that come along, and a sixth made of files alone (A20)."""
    folder = Path(shutil.copytree(audiences_folder(), tmp_path_factory.mktemp("bank") / "audiences"))
    sixth = folder / "internal_auditor"
    (sixth / "messages").mkdir(parents=True)
    (sixth / "audience.yaml").write_text(SIXTH, encoding="utf-8")
    (sixth / "messages" / "en.yaml").write_text(SIXTH_MESSAGES, encoding="utf-8")
    (sixth / "messages" / "nl.yaml").write_text(SIXTH_MESSAGES_NL, encoding="utf-8")
    with (folder / "classes.yaml").open("a", encoding="utf-8") as file:
        file.write(SIXTH_CLASSES)
    return Declared(root=folder, audiences=load_audiences(folder))
