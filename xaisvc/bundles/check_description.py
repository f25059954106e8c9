"""Checks what a bundle says about itself: not wrong without it, but its readers would miss it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.bundles.draft import TO_FILL
from xaisvc.bundles.findings import Finding

if TYPE_CHECKING:
    from xaisvc.types.schema import BundleDescription

_MOST_NAMED = 5


def check_description(description: BundleDescription) -> list[Finding]:
    """Warns of texts that are still to be filled in, of features without a class, and of outputs without a decision."""
    findings = []
    texts = {"owner": description.owner, "purpose": description.purpose, "out_of_scope": description.out_of_scope}
    open_texts = [name for name, text in texts.items() if text.startswith(TO_FILL)]
    if open_texts:
        findings.append(
            Finding("warning", "description", f"{', '.join(open_texts)} still say '{TO_FILL}'; readers are shown them")
        )
    unclassed = [feature.id for feature in description.features if feature.sensitivity is None]
    if unclassed:
        named = ", ".join(unclassed[:_MOST_NAMED]) + (", …" if len(unclassed) > _MOST_NAMED else "")
        findings.append(
            Finding(
                "warning",
                "sensitivity",
                f"{len(unclassed)} of {len(description.features)} features have no sensitivity class ({named}), "
                "so nobody but data scientists is shown them",
            )
        )
    default = description.outputs[0]
    if default.adverse is None or default.threshold is None:
        findings.append(
            Finding(
                "warning",
                f"output '{default.id}'",
                "has no adverse direction or no threshold, so views cannot say what was decided or what counted "
                "against the person; fill in both if a decision follows from it",
            )
        )
    return findings
