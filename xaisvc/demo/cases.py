"""The applicants of the demonstration: real held-out rows of the German credit data, without anybody's name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).parent
BUNDLES: Final = FOLDER / "bundles"
MAIN_MODEL: Final = "german-credit-boosting"
OTHER_MODEL: Final = "german-credit-logistic"
COMPARED_CASE: Final = "case-3-near-the-threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One applicant.

    Attributes:
        id: Name of the case and of its folder.
        title: A few words for headings.
        why: Why this applicant was picked.
        line: Line of the applicant in the data file, the header being line 1.
        went_bad: What became of the loan in the data.
        row: Feature id to value.
    """

    id: str
    title: str
    why: str
    line: int
    went_bad: bool
    row: Mapping[str, float | str | bool]


def load_cases(path: Path = FOLDER / "applicants.json") -> tuple[Case, ...]:
    """The applicants, in the order in which they are shown."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Case(**entry) for entry in found["cases"])
