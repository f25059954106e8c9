"""Steps of a long measurement that are done, kept in a folder so that it can go on where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.engine.quality.result import plain
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
_HEAD = "measurement.json"


@dataclass(frozen=True, slots=True)
class Steps:
    """Done steps by name. Without a folder nothing is kept.

    Attributes:
        folder: Where they are; None to keep nothing.
    """

    folder: Path | None

    @classmethod
    def open(cls, folder: Path | None, about: Mapping[str, object], *, resume: bool) -> Steps:
        """Opens the folder, empty unless a measurement goes on.

        Args:
            folder: Where steps are kept; None to keep nothing.
            about: What decides about the results: a measurement goes on only with the same.
            resume: Whether to go on.

        Raises:
            InvalidRequestError: If there is nothing to go on with, or it was about something else; says about what.
        """
        if folder is None:
            if resume:
                raise InvalidRequestError.of("--resume", "there is nothing to go on with; name the report with --out")
            return cls(None)
        head = folder / _HEAD
        text = json.dumps(plain(dict(about)), indent=2, sort_keys=True)
        if resume:
            try:
                before = json.loads(head.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                raise InvalidRequestError.of(
                    "--resume", f"'{folder}' holds no measurement that was broken off; leave --resume out"
                ) from None
            now = json.loads(text)
            other = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
            if other:
                raise InvalidRequestError.of(
                    "--resume",
                    f"the measurement in '{folder}' differs in {' and '.join(other)}; ask for the same, or leave "
                    "--resume out to begin anew",
                )
            return cls(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                if old.suffix in {".json", ".part"}:
                    old.unlink()
            head.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidRequestError.of("--out", f"cannot write to '{folder}': {error.strerror}") from None
        return cls(folder)

    def done(self, name: str, make: Callable[[], dict[str, object]]) -> dict[str, object]:
        """The result of a step, made and kept if it was not done before."""
        before = self._kept(name)
        if before is not None:
            return before
        found = plain(make())
        text = json.dumps(found)
        if self.folder is not None:
            part = self.folder / f"{name}.part"
            try:
                part.write_text(text, encoding="utf-8")
                part.replace(self.folder / f"{name}.json")  # what was broken off leaves nothing that looks done
            except OSError as error:
                raise InvalidRequestError.of("--out", f"cannot write to '{self.folder}': {error.strerror}") from None
        return dict(json.loads(text))

    def is_done(self, name: str) -> bool:
        """Whether a step was done before."""
        return self._kept(name) is not None

    def _kept(self, name: str) -> dict[str, object] | None:
        """What a step gave before; None if it was not done, or if its file is damaged: then it is done again."""
        if self.folder is None:
            return None
        try:
            found = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "outcome" in found else None
