"""Checks closed cases and outcomes per band: are there enough, and do higher bands hold what they promise."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from xaisvc.bundles.findings import Finding
from xaisvc.types.schema import Adverse

if TYPE_CHECKING:
    from xaisvc.bundles.bundle import Bundle
    from xaisvc.types.outcomes import OutcomeBands

FEW_CASES = 30
"""Fewer closed cases of one outcome leave the nearest ones far away."""
WIDEST_INTERVAL = 0.3
"""A share known less well than this (width of its 95 % interval) is hardly a number."""


def check_outcomes(bundle: Bundle) -> list[Finding]:
    """Looks through what the bundle brings of past cases; nothing is found if it brings none."""
    findings = _cases(bundle)
    for bands in bundle.bands.values():
        findings += _bands(bundle, bands)
    return findings


def _cases(bundle: Bundle) -> list[Finding]:
    if bundle.cases is None:
        return []
    confirmed = int(bundle.cases.confirmed.sum())
    cleared = len(bundle.cases) - confirmed
    text = f"{confirmed:,} confirmed and {cleared:,} cleared"
    if min(confirmed, cleared) < FEW_CASES:
        return [
            Finding(
                "warning",
                "closed cases",
                f"{text}; with fewer than {FEW_CASES} of one outcome, the most similar ones may not be similar at all",
            )
        ]
    return [Finding("ok", "closed cases", text)]


def _bands(bundle: Bundle, bands: OutcomeBands) -> list[Finding]:
    name = f"outcomes of '{bands.output}'"
    findings = []
    vague = [
        f"{band.band} ({band.confirmed:,} of {band.cases:,})"
        for band in bands.bands
        if band.interval is None or band.interval[1] - band.interval[0] > WIDEST_INTERVAL
    ]
    if vague:
        findings.append(
            Finding("warning", name, f"too few cases to name a share: {', '.join(vague)}; count a longer period")
        )
    shares = [(band.band, band.share) for band in bands.bands if band.share is not None]
    if bundle.description.output(bands.output).adverse is Adverse.LOWER:
        shares.reverse()
    for (lower, below), (higher, above) in pairwise(shares):
        if above < below:
            findings.append(
                Finding(
                    "warning",
                    name,
                    f"{above:.1%} of the cases in '{higher}' were confirmed, but {below:.1%} in '{lower}'; a band "
                    "nearer to the adverse side should hold more",
                )
            )
    total = sum(band.cases for band in bands.bands)
    return findings or [Finding("ok", name, f"{total:,} cases, {bands.first.isoformat()} to {bands.last.isoformat()}")]
