"""Charts of a quality report as inline SVG: lines, a matrix and bars with intervals, with nothing from outside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from markupsafe import Markup

from xaisvc.engine.quality.tables import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6A3D9A", "#8C564B")
"""Told apart by readers with any kind of colour vision (Okabe and Ito 2008), with two more for many methods."""
GREY: Final = "#777777"
NIGHT: Final[Mapping[str, str]] = MappingProxyType(
    {"#0072B2": "#4DA3D9", "#6A3D9A": "#B79BE0", "#8C564B": "#C08A7E", GREY: "#9AA3AD"}
)
"""Colours of lines that are too dark for a dark page, and what stands for them there."""
DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 520, 300, 64, 44, 12, 12
_CELL: Final = 56
_TICKS: Final = 5
_DARK: Final = 0.6
INK: Final = "#1B2430"
_LETTER: Final = 8.0
"""About the width of a letter of a name."""


def night_style() -> str:
    """Rules of style that give lines and bars the colours of `NIGHT`; a matrix keeps those that its numbers suit."""
    return "".join(f'[stroke="{day}"]{{stroke:{night}}}[fill="{day}"]{{fill:{night}}}' for day, night in NIGHT.items())


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes:
        name: For the legend.
        points: x, y, and the ends of an interval of y where there is one.
        kind: Of what stands beside methods; drawn grey.
        dots: x and y of what the points are made of, drawn small: one for each seed.
    """

    name: str
    points: tuple[tuple[float, float, float | None, float | None], ...]
    kind: Literal["method", "reference", "null"] = "method"
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self) -> tuple[float, ...]:
        if self.is_log:
            lowest, highest = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            every = max(1, (highest - lowest) // _TICKS)
            factors = (1, 2, 5) if highest - lowest <= 2 else (1,)  # noqa: PLR2004 - few powers of ten need more marks
            marks = (f * 10.0**k for k in range(lowest, highest + 1, every) for f in factors)
            return tuple(mark for mark in marks if self.low <= mark <= self.high)
        raw = (self.high - self.low) / _TICKS or 1.0
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple(step * k for k in range(first, last + 1))


def line_chart(  # noqa: PLR0913 - what a chart says about itself
    lines: Sequence[Line], *, title: str, x: str, y: str, log_x: bool = False, log_y: bool = False
) -> Markup:
    """Draws lines over two axes with a legend below; vertical bars are 95 % intervals.

    Args:
        lines: The lines. On a logarithmic axis values of zero or less are left out.
        title: Read out by assistive technology.
        x: Name and unit of the horizontal axis.
        y: Name and unit of the vertical axis.
        log_x: Whether the horizontal axis is logarithmic.
        log_y: Whether the vertical axis is.
    """
    shown = [(line, [p for p in line.points if (p[0] > 0 or not log_x) and (p[1] > 0 or not log_y)]) for line in lines]
    xs = [p[0] for _, points in shown for p in points]
    ys = [v for _, points in shown for p in points for v in p[1:] if v is not None and (v > 0 or not log_y)]
    dots = [[(one, v) for one, v in line.dots if (one > 0 or not log_x) and (v > 0 or not log_y)] for line in lines]
    ys += [v for some in dots for _, v in some]
    if not xs:
        return Markup('<p class="none">Nothing to draw.</p>')
    horizontal = _Axis(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT, log_x)
    vertical = _Axis(min(ys), max(ys), _HEIGHT - _BOTTOM, _TOP, log_y)
    drawn = [_frame(horizontal, vertical, x, y)]
    keys = []
    for number, (line, points) in enumerate(shown):
        if not points:
            continue
        colour = COLOURS[number % len(COLOURS)] if line.kind == "method" else GREY
        dash = {"null": DASHES[1], "reference": DASHES[2]}.get(
            line.kind, DASHES[(number // len(COLOURS)) % len(DASHES)]
        )
        path = " ".join(f"{horizontal.at(p[0]):.1f},{vertical.at(p[1]):.1f}" for p in points)
        drawn.append(
            Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>').format(
                path, colour, dash
            )
        )
        for one, value in dots[number]:
            place = f"{horizontal.at(one):.1f}", f"{vertical.at(value):.1f}"
            drawn.append(
                Markup('<circle class="seed" cx="{}" cy="{}" r="1.8" fill="#fff" stroke="{}"/>').format(*place, colour)
            )
        for one, value, low, high in points:
            if low is not None and high is not None:
                drawn.append(_bar(horizontal.at(one), vertical.at(low), vertical.at(high), colour))
            drawn.append(
                Markup('<circle cx="{}" cy="{}" r="3" fill="{}"><title>{}: {}, {}</title></circle>').format(
                    f"{horizontal.at(one):.1f}",
                    f"{vertical.at(value):.1f}",
                    colour,
                    line.name,
                    short(one),
                    short(value),
                )
            )
        swatch = Markup('<line x1="0" x2="26" y1="5" y2="5" stroke="{}" stroke-width="3" stroke-dasharray="{}"/>')
        drawing = Markup('<svg width="26" height="10" aria-hidden="true">{}</svg>').format(swatch.format(colour, dash))
        keys.append(Markup("<span>{} {}</span>").format(drawing, line.name))
    return Markup(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        '<figcaption class="keys">{}</figcaption></figure>'
    ).format(_WIDTH, _HEIGHT, title, Markup().join(drawn), Markup(" ").join(keys))


def matrix_chart(names: Sequence[str], values: Sequence[Sequence[float | None]], *, title: str) -> Markup:
    """Draws a matrix of agreement: the darker, the more alike. Numbers stand in the cells.

    Args:
        names: Of lines and columns.
        values: From -1 or 0 to 1; None is left white.
        title: Read out by assistive technology.
    """
    longest = max((len(name) for name in names), default=0) * _LETTER
    side, left = len(names) * _CELL, max(130, round(longest) + 16)
    parts = []
    for i, line in enumerate(values):
        y = i * _CELL
        parts.append(_text(left - 8, y + _CELL / 2 + 4, names[i], "end"))
        parts.append(
            Markup('<text transform="translate({},{}) rotate(35)" class="ink" font-size="12">{}</text>').format(
                left + i * _CELL + _CELL / 2 - 6, side + 14, names[i]
            )
        )
        for j, value in enumerate(line):
            share = 0.0 if value is None else max(0.0, min(1.0, value))
            fill = f"rgb({255 - round(255 * share)},{255 - round(141 * share)},{255 - round(77 * share)})"
            parts.append(
                Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}" stroke="#fff"/>').format(
                    left + j * _CELL, y, _CELL, _CELL, fill
                )
            )
            ink = "#fff" if share > _DARK else INK
            parts.append(_text(left + j * _CELL + _CELL / 2, y + _CELL / 2 + 4, _two(value), "middle", ink))
    return Markup(
        '<figure><svg class="matrix" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg></figure>'
    ).format(left + side + max(60, round(longest)), side + 28 + round(0.6 * longest), title, Markup().join(parts))


def interval_chart(items: Sequence[tuple[str, float, float, float]], *, title: str, x: str) -> Markup:
    """Draws one bar for each name with its interval, from 0.

    Args:
        items: Name, value, low and high.
        title: Read out by assistive technology.
        x: Name and unit of the axis.
    """
    if not items:
        return Markup('<p class="none">Nothing to draw.</p>')
    left, row = 150, 26
    height = row * len(items) + _BOTTOM
    axis = _Axis(
        min(0.0, *(low for _, _, low, _ in items)),
        max(0.0, *(high for *_, high in items)) or 1.0,
        left,
        _WIDTH - 20,
    )
    parts = []
    for i, (name, value, low, high) in enumerate(items):
        y = row * i + 6
        begin, end = sorted((axis.at(0.0), axis.at(value)))
        parts.append(_text(left - 8, y + 12, name, "end"))
        parts.append(
            Markup('<rect x="{}" y="{}" width="{}" height="14" fill="{}"><title>{}: {}</title></rect>').format(
                f"{begin:.1f}", y, f"{max(end - begin, 1.0):.1f}", COLOURS[0], name, short(value)
            )
        )
        parts.append(
            Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="whisker" stroke="#1B2430" stroke-width="2"/>').format(
                f"{axis.at(low):.1f}", f"{axis.at(high):.1f}", y + 7, y + 7
            )
        )
    base = row * len(items) + 8
    parts.extend(_text(axis.at(tick), base + 14, short(tick), "middle") for tick in axis.ticks())
    parts.append(_text((left + _WIDTH) / 2, base + 30, x, "middle"))
    return Markup('<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg></figure>').format(
        _WIDTH, height, title, Markup().join(parts)
    )


def _frame(horizontal: _Axis, vertical: _Axis, x: str, y: str) -> Markup:
    parts = []
    bottom = _HEIGHT - _BOTTOM
    for tick in horizontal.ticks():
        at = horizontal.at(tick)
        parts.append(_rule(at, at, _TOP, bottom))
        parts.append(_text(at, bottom + 16, short(tick), "middle"))
    for tick in vertical.ticks():
        at = vertical.at(tick)
        parts.append(_rule(_LEFT, _WIDTH - _RIGHT, at, at))
        parts.append(_text(_LEFT - 6, at + 4, short(tick), "end"))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 6, x, "middle"))
    parts.append(
        Markup(
            '<text transform="translate(14,{}) rotate(-90)" class="ink" text-anchor="middle" font-size="12">{}</text>'
        ).format((_TOP + bottom) / 2, y)
    )
    return Markup().join(parts)


def _rule(x1: float, x2: float, y1: float, y2: float) -> Markup:
    return Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="rule" stroke="#ddd"/>').format(
        f"{x1:.1f}", f"{x2:.1f}", f"{y1:.1f}", f"{y2:.1f}"
    )


def _bar(x: float, low: float, high: float, colour: str) -> Markup:
    return Markup('<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" stroke="{3}" stroke-width="1"/>').format(
        f"{x:.1f}", f"{low:.1f}", f"{high:.1f}", colour
    )


def _text(x: float, y: float, words: str, anchor: str, ink: str = "") -> Markup:
    """Words on the page, which turn light with it by night, or in an ink of their own on a cell."""
    colour = Markup('fill="{}"').format(ink) if ink else Markup('class="ink" fill="{}"').format(INK)
    return Markup('<text x="{}" y="{}" text-anchor="{}" font-size="12" {}>{}</text>').format(
        f"{x:.1f}", f"{y:.1f}", anchor, colour, words
    )


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
