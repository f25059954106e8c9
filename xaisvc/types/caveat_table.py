"""The caveats of many rows side by side: each caveat's words once, and the figures of every row packed.

What is said of rows is mostly the same from row to row, but for its figures. So words are kept apart from them, and
whatever passes caveats on, such as a record, a cache or a message, spends no time on single ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from xaisvc.types.record import Caveat, Gate, RobustNumber, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from numpy.typing import NDArray

_ROBUST = 3  # value, low and high


class CaveatForm(NamedTuple):
    """A caveat without its figures; each attribute as in `Caveat`.

    Attributes:
        kind: Stable name.
        severity: How far it limits the use.
        players: Players concerned.
        message: What is the matter.
        evidence: Names of the figures behind it, in alphabetical order.
        robust: Players of the robust number; None without one.
        gates: What it keeps from customers.
        model_rows: Model rows that were scored for it.
    """

    kind: str
    severity: Severity
    players: tuple[str, ...] = ()
    message: str = ""
    evidence: tuple[str, ...] = ()
    robust: tuple[str, ...] | None = None
    gates: tuple[Gate, ...] = ()
    model_rows: int = 0

    @classmethod
    def of(cls, caveat: Caveat) -> Self:
        """The form of a caveat."""
        return cls(
            caveat.kind,
            caveat.severity,
            caveat.players,
            caveat.message,
            tuple(sorted(caveat.evidence)),
            None if caveat.robust is None else caveat.robust.players,
            caveat.gates,
            caveat.model_rows,
        )

    @property
    def n_figures(self) -> int:
        """Number of its figures: the evidence, and value, low and high of the robust number."""
        return len(self.evidence) + (0 if self.robust is None else _ROBUST)

    def caveat(self, figures: Sequence[float]) -> Caveat:
        """The caveat with these figures, `n_figures` of them: the evidence in the order of its names comes first."""
        robust = None
        if self.robust is not None:
            value, low, high = figures[-_ROBUST:]
            robust = RobustNumber(players=self.robust, value=value, low=low, high=high)
        return Caveat(
            kind=self.kind,
            severity=self.severity,
            players=self.players,
            message=self.message,
            evidence=dict(zip(self.evidence, figures, strict=False)),
            robust=robust,
            gates=self.gates,
            model_rows=self.model_rows,
        )


def caveat_figures(caveat: Caveat) -> list[float]:
    """The figures of a caveat in the order in which its form names them."""
    evidence = caveat.evidence
    found = [evidence[name] for name in sorted(evidence)]
    if caveat.robust is not None:
        found += (caveat.robust.value, caveat.robust.low, caveat.robust.high)
    return found


@dataclass(frozen=True, slots=True)
class Finding:
    """A caveat in the same words, and the rows that it is said of.

    Attributes:
        form: The words.
        rows: Indices of the rows, ascending; intp, (r,).
        figures: Figures of each of these rows, in the order in which the form names them; float64, (r, n_figures).
    """

    form: CaveatForm
    rows: NDArray[np.intp]
    figures: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CaveatTable(Sequence[tuple[Caveat, ...]]):
    """The caveats of n rows, m in all: one tuple per row, whose objects are made when the row is read.

    Attributes:
        forms: The words that occur.
        starts: The caveats of row i are those from `starts[i]` to before `starts[i + 1]`; intp, (n + 1,).
        said: Place in `forms` of each caveat; intp, (m,).
        places: The figures of caveat j are those from `places[j]` to before `places[j + 1]`; intp, (m + 1,).
        figures: All figures, in the order of the caveats; float64, (places[m],).
    """

    forms: tuple[CaveatForm, ...]
    starts: NDArray[np.intp]
    said: NDArray[np.intp]
    places: NDArray[np.intp]
    figures: NDArray[np.float64]

    @classmethod
    def none(cls, n: int) -> Self:
        """N rows without caveats."""
        return cls((), np.zeros(n + 1, dtype=np.intp), _NOTHING, np.zeros(1, dtype=np.intp), np.empty(0))

    @classmethod
    def joined(cls, findings: Sequence[Finding], n: int) -> Self:
        """What was found in n rows; of each row the most severe first, otherwise in the order of the findings."""
        findings = [one for one in findings if len(one.rows)]
        if not findings:
            return cls.none(n)
        if n == 1:  # numpy would cost more than the sorting does
            findings.sort(key=lambda one: one.form.severity.rank)
            m, sizes = len(findings), [one.figures.shape[1] for one in findings]
            return cls(
                tuple([one.form for one in findings]),
                np.array([0, m], dtype=np.intp),
                np.arange(m),
                np.array([0, *itertools.accumulate(sizes)], dtype=np.intp),
                np.concatenate([one.figures[0] for one in findings]),
            )
        forms = tuple([one.form for one in findings])
        counts = np.array([len(one.rows) for one in findings])
        rows = np.concatenate([one.rows for one in findings])
        said = np.repeat(np.arange(len(forms)), counts)
        severities = np.repeat([form.severity.rank for form in forms], counts)
        order = np.argsort((rows * len(Severity) + severities) * len(forms) + said)
        widths = np.array([one.figures.shape[1] for one in findings], dtype=np.intp)[said]
        starts = np.zeros(n + 1, dtype=np.intp)
        np.cumsum(np.bincount(rows, minlength=n), out=starts[1:])
        places, wanted = _runs((np.cumsum(widths) - widths)[order], widths[order])
        flat = np.concatenate([one.figures.ravel() for one in findings])
        return cls(forms, starts, said[order], places, flat[wanted])

    @classmethod
    def of(cls, rows: Iterable[Sequence[Caveat]]) -> Self:
        """The caveats of rows, in the order in which they are given."""
        forms: dict[CaveatForm, int] = {}
        starts, said, places, figures = [0], [], [0], []
        for own in rows:
            for caveat in own:
                said.append(forms.setdefault(CaveatForm.of(caveat), len(forms)))
                figures += caveat_figures(caveat)
                places.append(len(figures))
            starts.append(len(said))
        return cls(
            tuple(forms),
            np.array(starts, dtype=np.intp),
            np.array(said, dtype=np.intp),
            np.array(places, dtype=np.intp),
            np.array(figures, dtype=np.float64),
        )

    @classmethod
    def concat(cls, tables: Sequence[CaveatTable]) -> CaveatTable:
        """The rows of several tables, one table after the other."""
        if len(tables) == 1:
            return tables[0]
        forms: dict[CaveatForm, int] = {}
        said = []
        for one in tables:
            own = np.array([forms.setdefault(form, len(forms)) for form in one.forms], dtype=np.intp)
            said.append(own[one.said] if len(own) else one.said)
        return cls(
            tuple(forms),
            _chained([one.starts for one in tables]),
            np.concatenate([_NOTHING, *said]),
            _chained([one.places for one in tables]),
            np.concatenate([np.empty(0), *(one.figures for one in tables)]),
        )

    def __len__(self) -> int:
        """Number of rows n."""
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> tuple[Caveat, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Caveat, ...], ...]: ...

    def __getitem__(self, index: int | slice) -> tuple[Caveat, ...] | tuple[tuple[Caveat, ...], ...]:
        """The caveats of one row, or of several for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        row = range(len(self))[index]
        starts, said, places = self._lists
        start, stop = starts[row], starts[row + 1]
        if start == stop:
            return ()
        first = places[start]
        figures = self.figures[first : places[stop]].tolist()
        return tuple(
            [self.forms[said[j]].caveat(figures[places[j] - first : places[j + 1] - first]) for j in range(start, stop)]
        )

    @cached_property
    def _lists(self) -> tuple[list[int], list[int], list[int]]:
        """As lists, which are quicker to read number by number."""
        return self.starts.tolist(), self.said.tolist(), self.places.tolist()

    def figures_of(self, entries: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """The figures of some caveats, one after the other.

        Args:
            entries: Places of the k caveats among all m; intp, (k,).

        Returns:
            The figures, float64, and where those of each caveat begin and the last ends; intp, (k + 1,).
        """
        places, wanted = _runs(self.places[entries], np.diff(self.places)[entries])
        return self.figures[wanted], places

    def take(self, rows: NDArray[np.intp]) -> CaveatTable:
        """Some of the rows, in the order in which their indices are given."""
        starts, entries = _runs(self.starts[rows], np.diff(self.starts)[rows])
        figures, places = self.figures_of(entries)
        return CaveatTable(self.forms, starts, self.said[entries], places, figures)


def _runs(begins: NDArray[np.intp], sizes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where runs of these sizes stand one after the other, and the indices that each takes from its beginning on."""
    places = np.zeros(len(sizes) + 1, dtype=np.intp)
    np.cumsum(sizes, out=places[1:])
    return places, np.repeat(begins - places[:-1], sizes) + np.arange(places[-1])


def _chained(borders: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Borders of runs that begin at 0, one after the other."""
    found, last = [np.zeros(1, dtype=np.intp)], 0
    for one in borders:
        found.append(one[1:] + last)
        last += int(one[-1])
    return np.concatenate(found)


_NOTHING = np.empty(0, dtype=np.intp)
