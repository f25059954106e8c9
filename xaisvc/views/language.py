"""Numbers, units, dates and lists in the reader's language. Only this and `numberforms` know Babel."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, cast

from xaisvc.types import Kind
from xaisvc.views.document import clean
from xaisvc.views.numberforms import currency_forms, decimal_form, locale_of, plural_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from babel import Locale

    from xaisvc.types import Feature
    from xaisvc.views.catalogue import Catalogue, SlotValue

_OWN_WORDING = frozenset({"list", "date"})
_EPOCH = date(1970, 1, 1)
_SMALL = 0.01
_LARGE_DAYS = 2_900_000  # the year 9999, the last that a date can be written for


class Language:
    """Words values for one catalogue. Holds no state but its locale."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.code = catalogue.language

    @cached_property
    def locale(self) -> Locale:
        """Babel's data of the locale; loaded when first used."""
        return locale_of(self.catalogue.locale)

    def word(self, key: str) -> str:
        """A fixed word or sentence without slots, for example `words.yes`."""
        return self.catalogue.messages[key][0].literal

    def slot(self, kind: str, value: SlotValue) -> str:
        """A value as its slot type asks for; see `catalogue.SLOT_TYPES`."""
        if isinstance(value, str) and kind not in _OWN_WORDING:
            return clean(value)
        if kind == "list":
            return self.join([value] if isinstance(value, str) else cast("Sequence[str]", value))
        if kind == "date":
            return self.day(str(value))
        number = float(cast("float", value))
        if kind == "integer":
            return self.number(round(number))
        if kind == "percent":
            return self.percent(number)
        return exact(number) if kind == "exact" else self.number(number)

    def number(self, value: float) -> str:
        """A number with the locale's separators: whole numbers without decimals, others with at most two."""
        if not math.isfinite(value):
            return str(value)
        pattern = "#,##0.##" if abs(value) >= _SMALL or value == 0 else "#,##0.######"
        return decimal_form(pattern, self.catalogue.locale).write(value)

    def percent(self, share: float) -> str:
        """A share in [0, 1] as whole percent; a share that rounds to none or all of it is worded as such."""
        if 0 < share < _SMALL:
            return self.filled("words.less_than", share=_SMALL)
        if 1 - _SMALL < share < 1:
            return self.filled("words.more_than", share=1 - _SMALL)
        return decimal_form("#,##0%", self.catalogue.locale).write(share)

    def day(self, moment: str) -> str:
        """An ISO 8601 time as a date in words, in UTC; a text that is no time stays as it is."""
        try:
            found = datetime.fromisoformat(moment)
        except ValueError:
            return clean(moment)
        return self._date((found.astimezone(UTC) if found.tzinfo else found).date())

    def join(self, items: Sequence[str]) -> str:
        """`a, b and c`; `a; b, with a comma; c and d` where commas and words would not tell the items apart."""
        from babel.lists import format_list  # noqa: PLC0415 - heavy: loaded when used

        cleaned = [clean(item) for item in items]
        if len(cleaned) > 1 and any("," in item or self._conjunction in item for item in cleaned):
            return "; ".join(cleaned)
        return str(format_list(cleaned, locale=self.locale))

    @cached_property
    def _conjunction(self) -> str:
        """The word between the last two items of a list, with its spaces."""
        from babel.lists import format_list  # noqa: PLC0415 - heavy: loaded when used

        return str(format_list(("", ""), locale=self.locale))

    def either(self, items: Sequence[str]) -> str:
        """`a, b or c`; semicolons where a comma would not tell the items apart."""
        from babel.lists import format_list  # noqa: PLC0415 - heavy: loaded when used

        cleaned = [clean(item) for item in items]
        if any("," in item for item in cleaned):
            cleaned = ["; ".join(cleaned[:-1]), *cleaned[-1:]] if len(cleaned) > 1 else cleaned
        return str(format_list(cleaned, style="or", locale=self.locale))

    def ends(self, feature: Feature, low: float, high: float) -> tuple[str, str]:
        """Both ends of a range; a unit that is no currency stands at the second one only, as in `6` and `15 months`."""
        unit = feature.unit
        if feature.kind is not Kind.DATE and unit and unit not in self.locale.currencies:
            return self.number(low), self.quantity(high, unit)
        return self.value(feature, low), self.value(feature, high)

    def filled(self, key: str, **slots: SlotValue) -> str:
        """The first sentence under `key`, with its slots filled."""
        return self.catalogue.messages[key][0].fill(slots, self)

    def value(self, feature: Feature, value: float | str | None) -> str:
        """A feature's value as the person concerned would write it."""
        if value is None:
            return self.word("words.not_given")
        if isinstance(value, str):
            return clean(feature.category_label(value, self.code))
        if feature.kind is Kind.BOOLEAN:
            return self.word("words.yes" if value else "words.no")
        if feature.kind is Kind.DATE:
            inside = math.isfinite(value) and abs(value) < _LARGE_DAYS
            return self._date(_EPOCH + timedelta(days=value)) if inside else self.number(value)
        return self.quantity(value, feature.unit)

    def quantity(self, value: float, unit: str | None) -> str:
        """A number with its unit: a known unit in the right plural, a currency as the locale writes it."""
        if not unit:
            return self.number(value)
        forms = currency_forms(unit, self.catalogue.locale)
        if forms is not None:
            whole, other = forms
            return (whole if float(value).is_integer() else other).write(value)
        plural = f"units.{unit}.{plural_of(abs(value), self.catalogue.locale)}"
        for key in (plural, f"units.{unit}.other"):
            if key in self.catalogue.messages:
                return self.filled(key, n=value)
        return f"{self.number(value)}{'' if unit == '%' else ' '}{clean(unit)}"

    def _date(self, day: date) -> str:
        from babel.dates import format_date  # noqa: PLC0415 - heavy: loaded when used

        return str(format_date(day, format="long", locale=self.locale))


def exact(value: float) -> str:
    """A number for data scientists: twelve significant digits at most, a point as separator, in every language."""
    return format(value, ".12g")
