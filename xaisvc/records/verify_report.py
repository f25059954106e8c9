"""What verifying a store found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        first: First event concerned, by its place in the chain; 0 if it is not about events.
        last: Last event concerned.
        event_id: Id of the event, if it is one that is there.
        what: What is wrong.
    """

    first: int
    last: int
    event_id: str = ""
    what: str

    def to_text(self) -> str:
        """One line."""
        where = "" if not self.first else f"event {self.first}" + (f" to {self.last}" if self.last > self.first else "")
        return ": ".join(part for part in (where, self.event_id, self.what) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was found in one file.

    Attributes:
        file: The file.
        events: Events read.
        parts: Parts whose content is there and what was recorded.
        erased: Parts of erased subjects.
        removed: Parts that were removed because of their age.
        checkpoints: Signed checkpoints that fit the chain.
        keys_checked: Whether the keys of the subjects were checked too, or nothing is encrypted.
        problems: What is wrong, in the order of the chain; the first 100.
    """

    file: str
    events: int = 0
    parts: int = 0
    erased: int = 0
    removed: int = 0
    checkpoints: int = 0
    keys_checked: bool = True
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, object]:
        """For machines."""
        problems = [
            {"first": problem.first, "last": problem.last, "event_id": problem.event_id, "what": problem.what}
            for problem in self.problems
        ]
        return {
            "file": self.file,
            "ok": self.ok,
            "events": self.events,
            "parts": self.parts,
            "erased_parts": self.erased,
            "removed_parts": self.removed,
            "checkpoints": self.checkpoints,
            "keys_checked": self.keys_checked,
            "problems": problems,
        }
