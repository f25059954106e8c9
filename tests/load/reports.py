"""What a scenario found: what must be right, and how fast it went beside what is wanted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.load.jobs import Tally


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured number.

    Attributes:
        name: What was measured.
        value: How much.
        unit: In what.
        target: What is wanted; None if nothing is.
        at_least: Whether more is better.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass
class Report:
    """What a scenario found.

    Attributes:
        scenario: Its name.
        what: What was done, in a sentence.
        checks: What must be so, to whether it is.
        figures: What was measured.
        details: Whatever helps to understand a failed check.
    """

    scenario: str
    what: str
    checks: dict[str, bool] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether every check holds."""
        return all(self.checks.values())

    def check(self, name: str, holds: bool, detail: object = "") -> None:  # noqa: FBT001 - the outcome itself
        """Notes a check; one that holds twice is one check."""
        self.checks[name] = self.checks.get(name, True) and holds
        if not holds:
            self.details.append(f"{name}: {detail}")

    def check_answers(self, tally: Tally, *, refusals: bool = False) -> None:
        """Notes that no answer was wrong, lost or late, and unless they are allowed that no call was refused."""
        bad = tally.bad if refusals else {**tally.bad, **tally.refused}
        self.check("no answer is wrong, lost, failed or hung", not bad, f"{bad} {tally.examples}")
        self.check("there were answers", tally.rows > 0, f"{tally.calls} calls")

    def figure(
        self, name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Notes a measured number."""
        target = at_least if at_most is None else at_most
        self.figures.append(
            Figure(name=name, value=float(f"{value:.4g}"), unit=unit, target=target, at_least=at_most is None)
        )

    def latencies(self, tally: Tally, of: str = "") -> None:
        """Notes how long right answers took."""
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0)):
            self.figure(f"{of}{name}", 1000 * tally.percentile_s(share), "ms")

    def to_json(self) -> Mapping[str, Any]:
        """As it stands in a results file."""
        return {
            "what": self.what,
            "checks": self.checks,
            "figures": [{**asdict(figure), "met": figure.met} for figure in self.figures],
            "details": self.details,
        }
