"""The charts of a view as values: what is drawn and what it says, before any format."""

from __future__ import annotations

from dataclasses import dataclass, field

from xaisvc.views.cleaning import Cleaned, clean


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Bar:
    """One bar. Its texts are cleaned as all texts are.

    Attributes:
        label: What it stands for.
        value: Its length, in the unit of the chart; negative to the left.
        text: The value in words, with its direction.
        mark: Value of a comparison mark on the same scale; None for no mark.
    """

    label: str
    value: float
    text: str
    mark: float | None = None

    def __init__(self, *, label: str, value: float, text: str, mark: float | None = None) -> None:
        # Written out: a page for data scientists has fifty bars, and this takes half the time.
        _set_label(self, clean(label))
        _set_value(self, value)
        _set_text(self, clean(text))
        _set_mark(self, mark)


_set_label, _set_value, _set_text, _set_mark = (
    Bar.__dict__[name].__set__ for name in ("label", "value", "text", "mark")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart(Cleaned):
    """Bars on one scale, which is set by these bars and nothing else.

    Attributes:
        title: What is shown.
        description: The same in words, for readers who do not see the chart.
        bars: The bars from top to bottom.
        below: Word for the left of zero; empty if no bar goes there.
        above: Word for the right of zero.
        mark: What the comparison mark is; empty for no marks.
    """

    title: str
    description: str
    bars: tuple[Bar, ...]
    below: str = ""
    above: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall(Cleaned):
    """How a number comes about, step by step.

    Attributes:
        title: What is shown.
        description: The same in words, for readers who do not see the chart.
        start: Where it starts; its value is a place on the scale.
        steps: What is added, from top to bottom; their values are lengths.
        end: Where it ends, a place on the scale.
        below: Word for the left.
        above: Word for the right.
        line: A place on the scale that is marked across all steps; None for none.
        line_label: What is marked.
    """

    title: str
    description: str
    start: Bar
    steps: tuple[Bar, ...]
    end: Bar
    below: str
    above: str
    line: float | None = None
    line_label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Points of a chart, ascending by the first number. Two clouds are the same only if they are one object.

    Attributes:
        points: In a beeswarm a place on the scale and a level in [0, 1], or None without one; in a scatter plot x and
            y.
        heights: The smallest and the largest y; empty without points.
    """

    points: tuple[tuple[float, float | None], ...]
    heights: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = [y for _, y in self.points if y is not None]
        object.__setattr__(self, "heights", (min(found), max(found)) if found else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm(Cleaned):
    """One line of a beeswarm.

    Attributes:
        label: What its points are about.
        text: What is to be read from them, in words.
        cloud: The points.
        own: Place of the case that the view is about; None if it has none.
    """

    label: str
    text: str
    cloud: Cloud
    own: float | None = None

    def at(self, own: float | None) -> Swarm:
        """The same line with the place of a case."""
        return Swarm(label=self.label, text=self.text, cloud=self.cloud, own=own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beeswarm(Cleaned):
    """Lines of points on one scale.

    Attributes:
        title: What is shown.
        description: The same in words, for readers who do not see the chart.
        swarms: The lines from top to bottom.
        below: Word for the left of zero.
        above: Word for the right of zero.
        levels: Words for points of a low, middle and high level, and for those without one.
        own: Word for the case that the view is about.
    """

    title: str
    description: str
    swarms: tuple[Swarm, ...]
    below: str
    above: str
    levels: tuple[str, str, str, str]
    own: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Cleaned):
    """Where some values lie on a scale: one line of a plot.

    Attributes:
        label: What they have in common.
        text: Their number and mean, in words.
        low: Smallest.
        middle: Mean.
        high: Largest.
        own: Place of the case that the view is about; None if it is not among them.
    """

    label: str
    text: str
    low: float
    middle: float
    high: float
    own: float | None = None

    def at(self, own: float | None) -> Span:
        """The same span with the place of a case."""
        return Span(label=self.label, text=self.text, low=self.low, middle=self.middle, high=self.high, own=own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot(Cleaned):
    """Points in a plane, or lines of spans for what has no order.

    Attributes:
        label: Name of the horizontal axis; of the spans if there are any.
        text: What is to be read from it, in words.
        ends: Texts for the left and right end of the horizontal axis, and the bottom and top of the other one.
        cloud: The points; None where there are spans.
        spans: The spans.
        own: The case that the view is about, x and y; None if it has no place.
    """

    label: str
    text: str
    ends: tuple[str, str, str, str] = ("", "", "", "")
    cloud: Cloud | None = None
    spans: tuple[Span, ...] = ()
    own: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plots(Cleaned):
    """Small plots beside each other, each on a horizontal scale of its own and all on one vertical scale.

    Attributes:
        title: What is shown.
        description: The same in words, for readers who do not see the plots.
        plots: The plots.
        others: Word for the points.
        own: Word for the case that the view is about.
    """

    title: str
    description: str
    plots: tuple[Plot, ...]
    others: str
    own: str


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells of a heat map and the tree beside it. Two grids are the same only if they are one object.

    Attributes:
        cells: Strengths in [0, 1], line by line.
        marked: Cells that carry a mark.
        branches: For each join of the tree from the leaves up: where its two sides hang, in lines from the top; the
            heights in [0, 1] at which each side begins; and the height of the join.
    """

    cells: tuple[tuple[float, ...], ...]
    marked: tuple[tuple[bool, ...], ...]
    branches: tuple[tuple[float, float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap(Cleaned):
    """How strongly things go together, as a square of cells with a dendrogram.

    Attributes:
        title: What is shown.
        description: The same in words, for readers who do not see it.
        labels: What the lines and columns stand for.
        grid: The cells.
        ends: Words for strength 0 and 1.
        mark: What the mark in a cell is.
        tree: What the tree is.
    """

    title: str
    description: str
    labels: tuple[str, ...]
    grid: Grid
    ends: tuple[str, str]
    mark: str
    tree: str
