"""What a check of a bundle has to say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "error"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "error")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        level: `ok`, `warning` (read it, the bundle can be served) or `error` (mend it first).
        name: What was checked, for example `background`.
        message: What was found and what to do.
    """

    level: Level
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Everything that was found, in the order of the checks.

    Attributes:
        findings: One or more per check.
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(finding.level != "error" for finding in self.findings)

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        """The findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    def to_text(self) -> str:
        """One line per finding and a count, as plain text."""
        width = max((len(finding.name) for finding in self.findings), default=0)
        lines = [f"{finding.level:<8}{finding.name:<{width}}  {finding.message}" for finding in self.findings]
        counts = Counter(finding.level for finding in self.findings)
        total = f"{counts['ok']} ok, {_count(counts['warning'], 'warning')}, {_count(counts['error'], 'error')}"
        return "\n".join([*lines, "", total])


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
