"""What a load generator is told to do, and what it reports: files in a folder, so that it can be any process."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

EXPLAIN = "/xaisvc.v1.ExplanationService/Explain"
EXPLAIN_STREAM = "/xaisvc.v1.ExplanationService/ExplainStream"
GET_EXPLANATION = "/xaisvc.v1.ExplanationService/GetExplanation"
HEALTH = "/grpc.health.v1.Health/Check"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a generator does.

    Attributes:
        target: Host and port of the service.
        method: `EXPLAIN`, for one row a call, `EXPLAIN_STREAM`, or one of the others,
            whose answers are not compared with anything.
        seconds: After so long no new call is begun; None to send every request once.
        in_flight: Calls in progress at the same time (a closed loop), or with `rate` the most there may be.
        rate: Calls begun in each second whatever becomes of them (an open loop); 0 for a closed loop.
        pause_s: Seconds between an answer and the next call.
        channels: Connections that calls are spread over.
        timeout_s: After so long without an answer a call counts as hung.
        tolerance: Largest difference from what is expected.
        patient: Whether a service that cannot be reached, or is stopping, is tried again instead of counted.
        again: Whether what was refused is asked again later, and nothing that was answered.
        stop_file: Whether a file `stop` in the folder ends the job.
        ids: Whether the ids of all answers are written down, as they come.
    """

    target: str
    method: str = EXPLAIN
    seconds: float | None = None
    in_flight: int = 1
    rate: float = 0.0
    pause_s: float = 0.0
    channels: int = 4
    timeout_s: float = 30.0
    tolerance: float = 0.0
    patient: bool = False
    again: bool = False
    stop_file: bool = False
    ids: bool = False

    def write(self, folder: Path, requests: Sequence[bytes], expected: Sequence[NDArray[np.float64]] = ()) -> None:
        """Writes the job; request i must be answered with `expected[i]`, float64, (rows, 1 + p)."""
        folder.mkdir(parents=True, exist_ok=True)
        expected = expected or [np.empty((0, 1))] * len(requests)
        (folder / "job.json").write_text(json.dumps(asdict(self)))
        (folder / "requests").write_bytes(b"".join(_LENGTH.pack(len(one)) + one for one in requests))
        np.savez(folder / "expected.npz", rows=[len(one) for one in expected], values=np.concatenate(expected))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The job in a folder."""
        return cls(**json.loads((folder / "job.json").read_text()))


def read_requests(folder: Path) -> list[bytes]:
    """The requests of a job."""
    raw = (folder / "requests").read_bytes()
    found, place = [], 0
    while place < len(raw):
        (size,) = _LENGTH.unpack_from(raw, place)
        found.append(raw[place + _LENGTH.size : place + _LENGTH.size + size])
        place += _LENGTH.size + size
    return found


def read_expected(folder: Path) -> list[NDArray[np.float64]]:
    """What each request of a job must be answered with."""
    with np.load(folder / "expected.npz") as held:
        return np.split(held["values"], np.cumsum(held["rows"])[:-1])


@dataclass(kw_only=True)
class Tally:
    """What became of the calls of a job.

    Attributes:
        seconds: From the first call to the last answer.
        cpu_s: Processor time of the generator itself in that time, in seconds.
        calls: Calls that were begun.
        rows: Rows that were answered rightly.
        refused: Code to number of calls that were refused with it, and told when to come again where it says so.
        failed: Code to number of calls that failed otherwise.
        wrong: Rows whose attributions were not the expected ones, or that got an error.
        lost: Rows that a call answered without.
        hung: Calls without an answer within the time.
        latencies_s: Seconds to each right answer, in the order of the answers.
        moments_s: When each of them came, in seconds from the first call.
        refusals_s: Seconds to each refusal.
        unreachable_s: When the service could not be reached, in seconds from the first call (patient jobs).
        examples: A few failures in words.
    """

    seconds: float = 0.0
    cpu_s: float = 0.0
    calls: int = 0
    rows: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    lost: int = 0
    hung: int = 0
    latencies_s: list[float] = field(default_factory=list)
    moments_s: list[float] = field(default_factory=list)
    refusals_s: list[float] = field(default_factory=list)
    unreachable_s: list[float] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def rows_per_s(self) -> float:
        """Right answers for each second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def bad(self) -> dict[str, int]:
        """What must not be, by its name; empty if all is well. Refusals are no fault of an answer."""
        found = {"wrong": self.wrong, "lost": self.lost, "hung": self.hung, **self.failed}
        return {name: count for name, count in found.items() if count}

    def percentile_s(self, share: float) -> float:
        """The latency that this share of the right answers kept; NaN without answers."""
        return float(np.quantile(self.latencies_s, share)) if self.latencies_s else float("nan")

    def example(self, text: str) -> None:
        """Keeps one of the first few failures."""
        if len(self.examples) < 5:
            self.examples.append(text[:500])

    def write(self, path: Path) -> None:
        """Writes the report."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """A report."""
        return cls(**json.loads(path.read_text()))
