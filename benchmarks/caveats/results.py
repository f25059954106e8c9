"""The results file: every finished cell, and what follows from them all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.caveats import Figure
from benchmarks.caveats.gap_scores import CURVE
from benchmarks.caveats.tallies import Total, total
from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = 1
COMMITTED = Path(__file__).parent / "results.json"
DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one part of a study gave for one seed.

    Attributes:
        study: Name of the study.
        part: The part; empty where a study has no parts.
        seed: The seed.
        figures: What was counted.
        cpu_s: Processor seconds that it took.
        code: Digest of the code that it was measured with.
    """

    study: str
    part: str
    seed: int
    figures: tuple[Figure, ...]
    cpu_s: float
    code: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What names it."""
        return self.study, self.part, self.seed


@dataclass(slots=True, kw_only=True)
class Results:
    """All cells of one run, however often it was broken off.

    Attributes:
        suite: `public` or `held-out`.
        rows: Background rows.
        thresholds: The caller's own, as numbers by name; None without.
        cells: Finished cells.
        runs: When, where and with what they were measured, an entry for each time.
        peers: What other packages told; None if nobody asked them.
    """

    suite: str
    rows: int
    thresholds: Mapping[str, Any] | None = None
    cells: dict[tuple[str, str, int], Cell] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    peers: dict[str, Any] | None = None

    def totals(self) -> tuple[Total, ...]:
        """Every figure over all seeds, studies in the order in which they were first measured."""
        grouped: dict[tuple[str, str, str], dict[int, list[Figure]]] = {}
        for cell in self.cells.values():
            for figure in cell.figures:
                by_seed = grouped.setdefault((cell.study, figure.name, figure.setting), {})
                by_seed.setdefault(cell.seed, []).append(figure)
        return tuple(total(study, by_seed) for (study, _, _), by_seed in grouped.items())

    def add(self, cell: Cell) -> None:
        """Puts a cell in, in place of an older one."""
        self.cells[cell.key] = cell

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        studies: dict[str, Any] = {}
        for cell in self.cells.values():
            entry = studies.setdefault(cell.study, {"figures": [], "cells": []})
            values = []
            for figure in cell.figures:
                about = _about(figure)
                if about not in entry["figures"]:
                    entry["figures"].append(about)
                values.append([entry["figures"].index(about), round(figure.value, DIGITS), figure.count])
            entry["cells"].append(
                {
                    "part": cell.part,
                    "seed": cell.seed,
                    "cpu_s": round(cell.cpu_s, 2),
                    "code": cell.code,
                    "values": values,
                }
            )
        totals = self.totals()
        return {
            "format": FORMAT,
            "suite": self.suite,
            "rows": self.rows,
            "thresholds": self.thresholds,
            "runs": self.runs,
            "totals": [_total(one) for one in totals if not one.figure.setting.startswith(CURVE)],
            "trade_off": trade_off(totals),
            "peers": self.peers,
            "studies": studies,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Results:
        """The results of a file's content."""
        found = cls(
            suite=content["suite"],
            rows=content["rows"],
            thresholds=content["thresholds"],
            runs=list(content["runs"]),
            peers=content["peers"],
        )
        for study, entry in content["studies"].items():
            for cell in entry["cells"]:
                figures = tuple(
                    Figure(value=value, count=count, **entry["figures"][place])
                    for place, value, count in cell["values"]
                )
                found.add(
                    Cell(
                        study=study,
                        part=cell["part"],
                        seed=cell["seed"],
                        figures=figures,
                        cpu_s=cell["cpu_s"],
                        code=cell["code"],
                    )
                )
        return found


def trade_off(totals: Sequence[Total]) -> list[dict[str, float]]:
    """Recall and false alarms of the value gap at each threshold of the curve, ascending."""
    found: dict[float, dict[str, float]] = {}
    for one in totals:
        if one.figure.setting.startswith(CURVE) and one.figure.count:
            at = float(one.figure.setting.removeprefix(CURVE))
            kind = one.figure.name.rsplit(", ", 1)[1].replace(" ", "_")
            found.setdefault(at, {"gap_share": at})[kind] = round(one.figure.value, DIGITS)
            found[at][f"{kind}_of"] = one.figure.count
    return [found[at] for at in sorted(found)]


def read(path: Path) -> Results:
    """The results in a file.

    Raises:
        InvalidRequestError: If the file is not one of this program.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise InvalidRequestError.of("--out", f"'{path}' has format {content['format']}, not {FORMAT}")
        return Results.from_json(content)
    except OSError as error:
        raise InvalidRequestError.of("--out", f"cannot read '{path}': {error.strerror}") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, InvalidRequestError):
            raise
        raise InvalidRequestError.of(
            "--out", f"'{path}' is there and holds no results of this command; name another file"
        ) from None


def write(results: Results, path: Path) -> None:
    """Puts results into a file, whole or not at all.

    Raises:
        InvalidRequestError: If it cannot be written.
    """
    content = json.dumps(results.to_json(), allow_nan=False)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(_by_lines(content) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise InvalidRequestError.of("--out", f"cannot write '{path}': {error.strerror}") from None


def _by_lines(content: str) -> str:
    """One line for each cell, figure and total, so that a change of one shows as one."""
    for mark in ('"runs": [', '"totals": [', '"trade_off": [', '"peers": ', '"studies": {', '"cells": ['):
        content = content.replace(mark, f"\n{mark}")
    return content.replace('}, {"', '},\n{"')


def _about(figure: Figure) -> dict[str, object]:
    return {name: value for name, value in asdict(figure).items() if name not in {"value", "count"}}


def _total(one: Total) -> dict[str, object]:
    figure = one.figure
    return {
        "study": one.study,
        **_about(figure),
        "value": round(figure.value, DIGITS),
        "low": None if one.low is None else round(one.low, DIGITS),
        "high": None if one.high is None else round(one.high, DIGITS),
        "count": figure.count,
        "seeds": one.seeds,
        "met": figure.met if figure.count else None,
    }
