"""Where the time of a request goes: told to whoever counts it, who is passed in."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, runtime_checkable


class Stage(StrEnum):
    """A part of answering a request."""

    PARSE = "parse"
    """Looking up the bundle, reading the choices, checking the cost and validating the rows."""
    WAIT = "wait"
    """Waiting for a compute thread."""
    COMPUTE = "compute"
    """Being computed, in a batch that may hold rows of others."""
    RECORD = "record"
    """Becoming durable."""
    RENDER = "render"
    """Writing views."""


@runtime_checkable
class Stages(Protocol):
    """Is told how long the stages of requests took. Called in the thread that serves the request; never raises."""

    def spent(self, stage: Stage, bundle: str, method: str, start_s: float, end_s: float) -> None:
        """One request has been through one stage.

        Args:
            stage: The stage.
            bundle: Name of the bundle; always one that is served.
            method: The method that was asked for.
            start_s: When it began, monotonic, in seconds.
            end_s: When it ended.
        """
        ...

    def computed(self, bundle: str, method: str, rows: int, model_rows: int) -> None:
        """A batch has been computed; called in a compute thread.

        Args:
            bundle: Name of the bundle.
            method: The method that ran.
            rows: Rows that were explained.
            model_rows: Rows that the model scored for that.
        """
        ...


class NoStages:
    """Counts nothing."""

    def spent(self, stage: Stage, bundle: str, method: str, start_s: float, end_s: float) -> None:
        """Nothing is counted."""

    def computed(self, bundle: str, method: str, rows: int, model_rows: int) -> None:
        """Nothing is counted."""
