"""Checks what a bundle says about itself: not wrong without it, but its readers would miss it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.bundles.draft import TO_FILL
from xaisvc.bundles.findings import Finding
from xaisvc.types.schema import PROSE, Sensitivity

if TYPE_CHECKING:
    from xaisvc.types.schema import BundleDescription

_MOST_NAMED = 5
_OFFERED = (Sensitivity.PUBLIC, Sensitivity.CUSTOMER_OWN, Sensitivity.INTERNAL)
"""Classes that customers or relationship managers may see."""


def check_description(description: BundleDescription) -> list[Finding]:
    """Warns of what its readers would miss.

    Texts that are still to be filled in or lack a language, features without a class, changes that nobody can be
    offered, and outputs without a decision.
    """
    findings = []
    texts = {"owner": description.owner, "purpose": description.purpose, "out_of_scope": description.out_of_scope}
    open_texts = [name for name, text in texts.items() if text.startswith(TO_FILL)]
    if open_texts:
        findings.append(
            Finding("warning", "description", f"{', '.join(open_texts)} still say '{TO_FILL}'; readers are shown them")
        )
    for language in description.languages[1:]:
        lacking = [name for name in PROSE if name not in description.texts.get(language, {})]
        if lacking:
            findings.append(
                Finding(
                    "warning",
                    "description",
                    f"{', '.join(lacking)} in '{description.languages[0]}' only, so readers of '{language}' meet both "
                    f"languages on one page; write {lacking[0]}: {{{description.languages[0]}: ..., {language}: ...}}",
                )
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
    unseen = [one.id for one in description.features if one.change is not None and one.sensitivity not in _OFFERED]
    if unseen:
        findings.append(
            Finding(
                "warning",
                "change",
                f"{', '.join(unseen[:_MOST_NAMED])}{', …' if len(unseen) > _MOST_NAMED else ''} may be offered to be "
                "changed, but the sensitivity class keeps it from whoever could be offered it; give another class, or "
                "remove 'change'",
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
