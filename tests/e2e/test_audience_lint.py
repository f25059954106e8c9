"""The demonstration's cases, explained by their real models, as every audience reads them in every language."""

from __future__ import annotations

from typer.testing import CliRunner

from xaisvc.cli import app


def test_the_audiences_that_come_along_pass_on_real_cases() -> None:
    done = CliRunner().invoke(app, ["audience", "lint"], catch_exceptions=False)

    assert done.exit_code == 0, done.stdout
    for audience in ("business_manager", "customer", "data_scientist", "fraud_analyst", "relationship_manager"):
        for language in ("en", "nl"):
            assert f"  {audience} ({language})" in done.stdout
    assert done.stdout.endswith("\nNothing to put right\n")
