"""The summary says what a person asks of a bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xaisvc.bundles import describe_bundle, load_bundle

if TYPE_CHECKING:
    from pathlib import Path


def test_the_summary_holds_everything(folder: Path) -> None:
    bundle = load_bundle(folder)
    text = describe_bundle(bundle)
    lines = text.splitlines()

    assert lines[0] == "loans 1.0"
    assert "  owner         Retail credit risk" in lines
    assert "  default_risk (default): default_risk" in lines
    assert "      tensor 'probabilities', class or column 1 in probability; explained in log_odds" in lines
    assert "      adverse: higher from 0.3" in lines
    assert "      bands: low below 0.2, high" in lines
    assert "features (5)" in lines
    assert any(line.split() == ["age", "integer", "18", "to", "90", "data", "scientists", "only"] for line in lines)
    change = "can change: increase from 0 in steps of 50"
    assert any("numeric, may be missing" in line and change in line for line in lines)
    assert any("clerk, 01, true, 3" in line for line in lines)
    assert "  person        job" in lines
    assert f"  model         {bundle.digests.model} ({len(bundle.model):,} bytes)" in lines
    assert "  reference     none" in lines
    assert not any(line != line.rstrip() for line in lines)


def test_long_texts_wrap_and_long_lists_are_cut(folder: Path) -> None:
    bundle = load_bundle(folder)
    job = replace(bundle.description.features[3], categories=tuple(f"category-{i}" for i in range(40)))
    about = replace(bundle.description, purpose="word " * 60, features=(job,))

    text = describe_bundle(replace(bundle, description=about))

    assert max(map(len, text.splitlines())) <= 140
    assert "category-5 and 34 more" in text
