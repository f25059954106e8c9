"""The demonstration's cases, explained by their real models, as every audience reads them in every language."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from xaisvc.cli import app
from xaisvc.demo.cases import BUNDLES


@pytest.mark.timeout(300)  # half a minute of work, on a machine that may be busy
def test_the_audiences_that_come_along_pass_on_real_cases() -> None:
    done = CliRunner().invoke(app, ["audience", "lint"], catch_exceptions=False)

    assert done.exit_code == 0, done.stdout
    for audience in ("business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"):
        for language in ("en", "nl"):
            assert f"  {audience} ({language})" in done.stdout
    assert done.stdout.endswith("\nNothing to put right\n")


def test_a_bundle_of_ones_own_is_shown_in_place_of_the_demonstrations() -> None:
    folder = BUNDLES / "german-credit-logistic"
    arguments = ["audience", "lint", "relationship_manager", "--bundle", str(folder)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)

    assert done.exit_code == 0, done.stdout
    assert "  relationship_manager (nl)" in done.stdout
    assert done.stdout.endswith("\nNothing to put right\n")
