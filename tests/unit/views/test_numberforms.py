"""Every number is written exactly as Babel writes it."""

from __future__ import annotations

import numpy as np
import pytest
from babel import Locale
from babel.numbers import format_currency, format_decimal

from xaisvc.views.numberforms import currency_forms, decimal_form, plural_of

LOCALES = ("en_GB", "nl_NL", "de_CH", "en_IN", "fr_FR", "ar_EG", "ja_JP")
EDGES = (0.0, -0.0, 0.005, 0.015, 0.125, 2.5, 999.995, 999999.995, 1e14 + 0.5, 1e15, 1e17, 12, 1e-7, 0.305)


def _numbers() -> list[float]:
    draw = np.random.default_rng(11)
    wide = (draw.uniform(-1, 1, 150) * 10.0 ** draw.integers(-8, 14, 150)).tolist()
    amounts = [round(one, i % 5) for i, one in enumerate((draw.uniform(-1, 1, 150) * 1e6).tolist())]
    return [*EDGES, *(-edge for edge in EDGES), *wide, *amounts]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("pattern", ["#,##0.##", "#,##0.######", "#,##0%", "'n'#,##0.00", "#,##,##0", "0.##E0"])
def test_a_number_is_written_as_babel_writes_it(pattern: str, locale: str) -> None:
    form = decimal_form(pattern, locale)

    assert [form.write(one) for one in _numbers()] == [format_decimal(n, pattern, locale) for n in _numbers()]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_an_amount_is_written_as_babel_writes_it(currency: str, locale: str) -> None:
    whole, other = currency_forms(currency, locale) or (None, None)
    assert whole is not None
    assert other is not None
    pattern = Locale.parse(locale).currency_formats["standard"].pattern.replace(".00", "")
    for one in _numbers():
        expected = format_currency(one, currency, pattern, locale=locale, currency_digits=False)
        assert whole.write(one) == expected
        assert other.write(one) == format_currency(one, currency, locale=locale)


def test_a_unit_that_is_no_currency_has_no_form() -> None:
    assert currency_forms("months", "en_GB") is None


@pytest.mark.parametrize("locale", LOCALES)
def test_the_form_of_a_word_is_that_of_babel(locale: str) -> None:
    rule = Locale.parse(locale).plural_form
    numbers = [abs(one) for one in _numbers()]

    assert [plural_of(one, locale) for one in numbers] == [rule(one) for one in numbers]
