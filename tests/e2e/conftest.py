"""A real service as a process of its own, for the tests that talk to it as its callers do."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.load.service import BUNDLES, ServiceProcess, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@contextmanager
def _running(folder: Path, *flags: str, models: Path = BUNDLES) -> Iterator[ServiceProcess]:
    with running(folder, *flags, models=[models]) as service:
        yield service


@pytest.fixture(scope="session")
def service_process() -> Callable[..., AbstractContextManager[ServiceProcess]]:
    """Starts a service for one test: `with service_process(folder, "--max-rows", "5", models=bundles) as service`."""
    return _running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for all tests of a process that leave it running."""
    with running(tmp_path_factory.mktemp("service"), "--reflection") as found:
        yield found


@pytest.fixture(scope="session")
def applicants() -> list[dict[str, object]]:
    """Real rows for the models that are served."""
    cases = json.loads((BUNDLES.parent / "applicants.json").read_text(encoding="utf-8"))["cases"]
    return [case["row"] for case in cases]


@pytest.fixture(scope="session")
def bundles() -> Path:
    """The bundles that are served."""
    return BUNDLES
