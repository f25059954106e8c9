"""Numerals in texts, and those that a view may have: written again from the record, digit by digit."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.acceptance.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.acceptance.worlds import Shown

_NUMERAL = re.compile(r"(?<![A-Za-z\d])(?<![A-Za-z]-)\d+(?:[.,\u00a0]\d+)*(?:[eE][+-]?\d+)?")
_EPOCH = date(1970, 1, 1)
_SMALL_COUNT = 40


def numerals(text: str, names: Sequence[str], *, lists: bool) -> Iterator[str]:
    """The numerals of a text, without those in the bank's own names and those that lists put before their items."""
    if lists:
        text = re.sub(r"(?m)^ *\d+\. ", " ", text)
        text = " ".join(text.split())  # names may be broken over lines
    for name in names:
        text = text.replace(name, " ")
    text = re.sub(r"\b[0-9a-f]{16,}\b", " ", text)  # digests; in lines of their own, or broken over two
    yield from _NUMERAL.findall(text)


def known_numerals(shown: Shown) -> set[str]:
    """How every number that the view is made from can be written in the reader's language."""
    key, kept = (id(shown.record), id(shown.beside), shown.language), shown.world.kept
    if key not in kept:  # with the record, so that no other object gets its identity
        kept[key] = (shown.record, shown.beside, _of_record(shown))
    found = set(kept[key][-1])
    for value in _derived(shown):
        found |= _written(value, shown.language)
    for section in shown.declared.audience(shown.audience)["sections"]:
        found |= {str(value) for value in section.values() if isinstance(value, int)}
    return found


def _of_record(shown: Shown) -> set[str]:
    record = shown.record
    found = {token for text in _strings(record) for token in _NUMERAL.findall(text)}
    values = set(_walk((record, *_bundle_numbers(shown), shown.beside)))
    return found.union(*(_written(value, shown.language) for value in values))


def _bundle_numbers(shown: Shown) -> Iterator[Any]:
    for feature in shown.description.features:
        yield feature.observed_range
        yield feature.change
    for output in shown.description.outputs:
        yield (output.threshold, [band.upper for band in output.bands])


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value, however deep: ids, days, digests, and what is said of the method."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            yield from _strings(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _strings(one)


def _walk(value: Any) -> Iterator[float | date]:  # noqa: C901 - one branch for each kind of value
    """Every number in a value, however deep, and every count of things in it."""
    if isinstance(value, bool) or value is None or isinstance(value, Enum):
        return
    if isinstance(value, int | float | np.number):
        yield float(value)
    elif isinstance(value, str):
        try:
            yield datetime.fromisoformat(value).date()
        except ValueError:
            for token in _NUMERAL.findall(value):
                yield float(token.replace(",", ".")) if token.count(".") + token.count(",") < 2 else 0.0
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            yield from _walk(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _walk(key)
            yield from _walk(one)
    elif isinstance(value, Iterable):
        items = list(value)
        yield float(len(items))
        for one in items:
            yield from _walk(one)


def _derived(shown: Shown) -> Iterator[float]:
    """What views compute: shares of the influence, sums by concept, and counts."""
    yield from range(_SMALL_COUNT)
    players = shown.record.attribution.players
    yield from (0.99, 1.0, 0.01, 0.0, 100.0, 1000.0)  # bounds of shares, and what "of so many" counts in
    for standing in (shown.beside.standing or {}).values():
        for count in (standing.below, standing.rows - standing.below - standing.equal):
            share = 100 * count / max(standing.rows, 1)
            yield from (float(int(share)), float(round(share)))
    for band in shown.beside.bands.bands if shown.beside.bands else ():
        shares = (band.share or 0.0, *(band.interval or ()))
        yield from (float(round(share * size)) for share in shares for size in (100, 1000))
    yield from (np.log(bar / (1 - bar)) for output in shown.description.outputs if (bar := output.threshold))
    found = shown.record.attribution
    total = found.base_value + sum(player.value for player in players)
    yield from (total, total - found.output, found.output - total)
    values = {name: (abs(p.value), p.portfolio_mean_abs or 0.0) for p in players for name in p.features}
    ranked = rank(shown.record, shown.description, shown.declared, shown.audience, shown.language)
    for which in (0, 1):
        sums = [sum(values[name][which] for name in one.features) for one in ranked if one.shown and not one.unused]
        rounded = [round(value / (sum(sums) or 1.0), 2) for value in sums]
        yield from (*rounded, sum(rounded))


@cache
def _written(value: float | date, language: str) -> frozenset[str]:
    if isinstance(value, date):
        return frozenset({str(value.day), f"{value.day:02d}", f"{value.month:02d}", str(value.year)})
    if not np.isfinite(value):
        return frozenset()
    size = abs(value)
    forms = {f"{size:.{digits}g}" for digits in (2, 3, 4, 6, 12)}
    forms |= {f"{size:.{digits}f}" for digits in range(5)} | {f"{size:.2f}".rstrip("0").rstrip(".")}
    forms |= {f"{size * 100:.{digits}f}" for digits in (0, 1)}
    if 0 < size < 0.01:
        forms |= {"1", f"{size:.6f}".rstrip("0")}
    if 0.99 < size < 1:
        forms.add("99")
    grouped = {f"{size:,.{digits}f}" for digits in range(3)} | {f"{size:,.2f}".rstrip("0").rstrip(".")}
    swap = str.maketrans(",.", ".,")
    found = forms | (grouped if language == "en" else {one.translate(swap) for one in grouped})
    if size < 100_000:
        found |= _written(_EPOCH + timedelta(days=int(value)), language)
    return frozenset(found)
