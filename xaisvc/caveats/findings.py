"""How a rule puts what it found into findings: the words once, and the figures of all rows that they are said of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xaisvc.types import CaveatForm, Finding, caveat_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from xaisvc.caveats.base import CaveatContext
    from xaisvc.types import Caveat, Gate, Severity


class Words(NamedTuple):
    """What is said of some rows, beside whom it is about and the figures.

    Attributes:
        severity: How far it limits the use.
        message: What is the matter.
        gates: What it keeps from customers.
        robust: Players of the robust number; None without one.
    """

    severity: Severity
    message: str
    gates: tuple[Gate, ...] = ()
    robust: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of r rows.

    Attributes:
        evidence: Figures behind the caveat, by name; float64, (r,) each, or one number for all.
        robust: Value, low and high of the robust number; float64, (r, 3). None without one; rows whose words name no
            players for it are not read.
    """

    evidence: Mapping[str, NDArray[np.float64] | float]
    robust: NDArray[np.float64] | None = None


def everywhere(context: CaveatContext, caveat: Caveat) -> tuple[Finding, ...]:
    """The same caveat for every row."""
    n = len(context.rows)
    form, figures = CaveatForm.of(caveat), caveat_figures(caveat)
    return (Finding(form, np.arange(n), np.broadcast_to(np.array(figures), (n, len(figures)))),)


def by_rows(  # noqa: PLR0913 - what is said, of which rows, and how it differs between them
    kind: str,
    speaks: NDArray[np.bool_],
    words: Callable[[int], Words],
    figures: Callable[[NDArray[np.intp]], Figures],
    *,
    players: tuple[str, ...] = (),
    variants: NDArray[np.intp] | None = None,
) -> tuple[Finding, ...]:
    """Findings about the same players in every row.

    Args:
        kind: Name of the caveat.
        speaks: The rows; bool, (n,).
        words: What is said of the rows of a variant.
        figures: The figures of some rows, of all variants.
        players: The players.
        variants: Tells rows apart of which different things are said; intp, (n,), all alike if None.
    """
    if len(speaks) == 1:
        if not speaks[0]:
            return ()
        return (_of_one(kind, players, words(0 if variants is None else int(variants[0])), figures),)
    rows = np.flatnonzero(speaks)
    if not len(rows):
        return ()
    own = np.zeros(len(rows), dtype=np.intp) if variants is None else variants[rows]
    return tuple(_findings(kind, rows, _cut(own, len(rows)), lambda first: (players, words(int(own[first]))), figures))


def by_players(  # noqa: PLR0913, PLR0917 - what is said, of whom, and how it differs between rows
    context: CaveatContext,
    kind: str,
    chosen: NDArray[np.bool_],
    words: Callable[[tuple[str, ...], int], Words],
    figures: Callable[[NDArray[np.intp]], Figures],
    variants: NDArray[np.intp] | None = None,
) -> tuple[Finding, ...]:
    """Findings about players that differ from row to row.

    Args:
        context: The rows.
        kind: Name of the caveat.
        chosen: The players it is about; bool, (n, p). It speaks where there are any.
        words: What is said of some players, in the rows of a variant.
        figures: The figures of some rows, of all variants.
        variants: Tells rows apart of which different things are said of the same players; intp, (n,), all alike if
            None.
    """
    if len(chosen) == 1:
        names = context.names(chosen[0].tolist())
        if not names:
            return ()
        return (_of_one(kind, names, words(names, 0 if variants is None else int(variants[0])), figures),)
    rows = np.flatnonzero(chosen.any(axis=1))
    if not len(rows):
        return ()
    own = chosen[rows]
    kinds = None if variants is None else variants[rows]

    def said(first: int) -> tuple[tuple[str, ...], Words]:
        names = context.names(own[first].tolist())
        return names, words(names, 0 if kinds is None else int(kinds[first]))

    return tuple(_findings(kind, rows, _cut(kinds, len(rows), own), said, figures))


def one_by_one(speaks: NDArray[np.bool_], caveat: Callable[[int], Caveat]) -> tuple[Finding, ...]:
    """Findings whose caveats are made row by row; for what hardly ever speaks, or has figures of its own in each row.

    Args:
        speaks: The rows; bool, (n,).
        caveat: Makes the caveat of such a row from the row's index.
    """
    found: dict[CaveatForm, tuple[list[int], list[list[float]]]] = {}
    for row in np.flatnonzero(speaks).tolist():
        one = caveat(row)
        rows, figures = found.setdefault(CaveatForm.of(one), ([], []))
        rows.append(row)
        figures.append(caveat_figures(one))
    return tuple(
        Finding(form, np.array(rows, dtype=np.intp), np.array(figures, dtype=np.float64))
        for form, (rows, figures) in found.items()
    )


def _of_one(
    kind: str, players: tuple[str, ...], words: Words, figures: Callable[[NDArray[np.intp]], Figures]
) -> Finding:
    """The finding of a row that is alone, for which numpy would cost more than the numbers do; see `_findings`."""
    found = figures(_FIRST)
    names = tuple(sorted(found.evidence))
    packed = [one if isinstance(one, float) else one.item() for one in map(found.evidence.__getitem__, names)]
    if found.robust is not None and words.robust is not None:
        packed += found.robust[0].tolist()
    form = CaveatForm(kind, words.severity, players, words.message, names, words.robust, words.gates)
    return Finding(form, _FIRST, np.array([packed]))


def _findings(
    kind: str,
    rows: NDArray[np.intp],
    groups: tuple[NDArray[np.intp], list[int]],
    said: Callable[[int], tuple[tuple[str, ...], Words]],
    figures: Callable[[NDArray[np.intp]], Figures],
) -> Iterator[Finding]:
    """One finding for each group of rows of which the same is said; see `_cut`."""
    order, borders = groups
    rows = rows[order]
    found = figures(rows)
    names = tuple(sorted(found.evidence))
    packed = np.empty((len(rows), len(names) + (0 if found.robust is None else found.robust.shape[1])))
    for place, name in enumerate(names):
        packed[:, place] = found.evidence[name]
    if found.robust is not None:
        packed[:, len(names) :] = found.robust
    firsts = order[borders[:-1]].tolist()
    for first, start, stop in zip(firsts, borders, borders[1:], strict=False):
        players, words = said(first)
        form = CaveatForm(kind, words.severity, players, words.message, names, words.robust, words.gates)
        yield Finding(form, rows[start:stop], packed[start:stop, : form.n_figures])


def _cut(
    variants: NDArray[np.intp] | None, count: int, chosen: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], list[int]]:
    """Rows in groups with the same variant and the same chosen players.

    Returns:
        The places of the rows, group by group and ascending in each, and where each group begins and the last ends.
    """
    alike = np.zeros(count, dtype=np.intp) if variants is None else variants
    if chosen is not None:
        packed = np.packbits(chosen, axis=1)
        wide = np.zeros((count, -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
        wide[:, : packed.shape[1]] = packed
        for word in wide.view(np.uint64).T:
            kinds, own = np.unique(word, return_inverse=True)
            if len(kinds) > 1:
                alike = np.unique(alike * len(kinds) + own, return_inverse=True)[1]
    order = np.argsort(alike, kind="stable")
    by_group = alike[order]
    return order, [0, *(np.flatnonzero(by_group[1:] != by_group[:-1]) + 1).tolist(), count]


_FIRST = np.zeros(1, dtype=np.intp)
