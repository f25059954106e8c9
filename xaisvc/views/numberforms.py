"""How a locale writes numbers: Babel's pattern, read once, and the number written with it in a tenth of the time.

Nothing of a number is kept: what is kept follows from a pattern, a locale and a currency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from babel import Locale
    from babel.numbers import NumberPattern

_BELOW = 1e15
"""Numbers this large are rare, and have more digits than a float holds."""

_THREES = (3, 3)
_COUNTED = 1000
"""Whole numbers below this have their plural form in a table."""


@dataclass(frozen=True, slots=True)
class NumberForm:
    """A pattern in one locale.

    Attributes:
        starts: What stands before numbers from zero on, and before negative ones.
        ends: What stands behind them.
        group: What stands between groups of three digits.
        point: What stands before the decimals.
        least: Least decimals.
        most: Most decimals.
        shift: Power of ten that numbers are multiplied with, 2 for percents.
        below: Numbers from this size on are left to `general`: 0 for patterns that are not of this simple kind.
        general: Babel itself.
    """

    starts: tuple[str, str]
    ends: tuple[str, str]
    group: str
    point: str
    least: int
    most: int
    shift: int
    below: float
    general: Callable[[float], str]

    def write(self, value: float) -> str:
        """A number in this pattern, its last decimal rounded half to even in decimal notation, as Babel does it."""
        if not abs(value) < self.below:  # also what is no number
            return self.general(value)
        if value == int(value):
            whole, decimals = f"{abs(int(value)) * 10**self.shift:,}", "0" * self.least
        else:
            whole, decimals = self._rounded(str(abs(value)))
        negative = math.copysign(1.0, value) < 0
        digits = whole if self.group == "," else whole.replace(",", self.group)
        fraction = f"{self.point}{decimals}" if decimals else ""
        return f"{self.starts[negative]}{digits}{fraction}{self.ends[negative]}"

    def _rounded(self, text: str) -> tuple[str, str]:
        """What stands before and behind the point of a number that is not whole, as Python writes it."""
        whole, _, decimals = text.partition(".")
        if not self.shift and len(decimals) <= self.most and decimals.isdecimal():  # neither rounded nor with exponent
            return f"{int(whole):,}", decimals.ljust(self.least, "0")
        number = Decimal(text).scaleb(self.shift)
        whole, _, decimals = f"{number.quantize(Decimal(1).scaleb(-self.most)):,f}".partition(".")
        return whole, decimals[: self.least] + decimals[self.least :].rstrip("0")


@lru_cache(maxsize=256)
def decimal_form(pattern: str, locale: str) -> NumberForm:
    """The form of a pattern such as `#,##0.##` or `#,##0%`."""
    from babel.numbers import parse_pattern  # noqa: PLC0415 - heavy: loaded when used

    return _form(parse_pattern(pattern), locale_of(locale))


@lru_cache(maxsize=1024)
def currency_forms(currency: str, locale: str) -> tuple[NumberForm, NumberForm] | None:
    """How the locale writes whole amounts, without decimals, and other amounts; None if it knows no such currency."""
    from babel.numbers import parse_pattern  # noqa: PLC0415 - heavy: loaded when used

    found = locale_of(locale)
    if currency not in found.currencies:
        return None
    standard = found.currency_formats["standard"]
    whole = parse_pattern(standard.pattern.replace(".00", ""))
    return _form(whole, found, currency), _form(standard, found, currency, own_digits=True)


def _form(pattern: NumberPattern, locale: Locale, currency: str = "", *, own_digits: bool = False) -> NumberForm:
    """Reads a parsed pattern.

    Args:
        pattern: The pattern.
        locale: The locale.
        currency: The currency that the pattern is used for; empty for none.
        own_digits: Whether amounts have as many decimals as the currency has, and not as the pattern has.
    """
    from babel.numbers import (  # noqa: PLC0415 - heavy: loaded when used
        get_currency_precision,
        get_currency_symbol,
        get_decimal_symbol,
        get_group_symbol,
    )

    symbol = get_currency_symbol(currency, locale) if currency else ""
    least, most = (get_currency_precision(currency),) * 2 if own_digits else pattern.frac_prec
    group, point = get_group_symbol(locale), get_decimal_symbol(locale)
    affixes = (*pattern.prefix, *pattern.suffix)
    # Quotes, names of currencies in full, exponents, and other groups than those of three digits are left to Babel.
    simple = (
        not any("'" in text or "\u00a4\u00a4" in text for text in (*affixes, symbol, group, point))
        and tuple(pattern.grouping) == _THREES
        and pattern.int_prec[0] == 1
        and pattern.exp_prec is None
        and "@" not in pattern.pattern
        and bool(pattern.number_pattern)
    )
    before, before_negative, after, after_negative = (text.replace("\u00a4", symbol) for text in affixes)
    return NumberForm(
        starts=(before, before_negative),
        ends=(after, after_negative),
        group=group,
        point=point,
        least=least,
        most=most,
        shift=pattern.scale,
        below=_BELOW if simple else 0.0,
        general=partial(pattern.apply, locale=locale, currency=currency or None, currency_digits=own_digits),
    )


def plural_of(number: float, locale: str) -> str:
    """Which form of a word goes with a number that is not negative, for example `one` or `other`."""
    whole = int(number) if number < _COUNTED else -1
    return _plural_of(whole, locale) if whole == number else locale_of(locale).plural_form(number)


@lru_cache(maxsize=2 * _COUNTED)
def _plural_of(number: int, locale: str) -> str:
    return locale_of(locale).plural_form(number)


@lru_cache(maxsize=32)
def locale_of(name: str) -> Locale:
    """The locale `name`; loading one takes milliseconds, so it is kept."""
    from babel import Locale  # noqa: PLC0415 - heavy: loaded when used

    return Locale.parse(name)
