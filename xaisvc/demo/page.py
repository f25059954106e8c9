"""The index page of the demonstration: every case with the facts, the answer and the five views beside each other.

It shows records and links; it computes nothing but positions on the page.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xaisvc.types import Kind

if TYPE_CHECKING:
    from xaisvc.demo.cases import Case, UseCase
    from xaisvc.types import BundleDescription, ExplanationRecord, Feature, RecordedAttribution

LANGUAGE: Final = "en"
COMPARED_FEATURES: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLink:
    """One view as the page shows it.

    Attributes:
        label: Name of the audience.
        purpose: What this reader does with it.
        href: Where the HTML is, relative to the page.
        held: Whether a person must look at the case before the view is handed over.
        before: Where what this reader saw before their own first judgement is; empty if they were not asked for one.
        many: Whether it is about many decisions, for a reader who is told nothing of a single one.
    """

    label: str
    purpose: str
    href: str
    held: bool = False
    before: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One model's answer about one case.

    Attributes:
        description: The model, as its bundle describes it.
        record: The stored record.
        record_href: Where the record's JSON is, relative to the page.
        views: The views, in the order in which they are shown.
    """

    description: BundleDescription
    record: ExplanationRecord
    record_href: str
    views: tuple[ViewLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswers:
    """One case with the answers of the models that were asked; the first is shown with all its views."""

    use: UseCase
    case: Case
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLink:
    """The page of a review in one language: the language's name and code, and where it is, relative to the page."""

    label: str
    language: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPages:
    """What many decisions of a use say together, in every language.

    Attributes:
        use: The use of the model.
        note: What the decisions are.
        links: The pages.
        judged: How many of the decisions have made-up verdicts.
    """

    use: UseCase
    note: str
    links: tuple[ReviewLink, ...]
    judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A band on the scale of predictions: start and width in percent of the scale, and a tone from 0 (low) up."""

    label: str
    start: float
    width: float
    tone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An attribution as a bar: the left edge and width in percent of its cell, and the number in words."""

    left: float
    width: float
    raises: bool
    text: str


def render_index(
    cases: tuple[CaseAnswers, ...], *, version: str, next_steps: str, reviews: tuple[ReviewPages, ...] = ()
) -> str:
    """The page as one HTML document without scripts or outside resources.

    Args:
        cases: The cases in order; at least one.
        version: Version of xaisvc.
        next_steps: Commands to try, one or more lines.
        reviews: What many decisions say together; none if empty.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - heavy: loaded when used

    environment = Environment(
        loader=PackageLoader("xaisvc.demo", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": _percent, "groupby_use": _by_use}
    page = environment.get_template("index.html.j2")
    return page.render(
        cases=cases,
        reviews=reviews,
        version=version,
        next_steps=next_steps,
        facts=_facts,
        segments=_segments,
        band=_band,
        comparison=_comparison,
        decision=_decision,
        method=method_text,
    )


def value_text(feature: Feature, value: float | str | None) -> str:
    """A value in words: the category's label, yes or no, or the number with its unit."""
    if value is None:
        return "not known"
    if isinstance(value, str):
        return feature.category_label(value, LANGUAGE)
    if feature.kind is Kind.BOOLEAN:
        return "Yes" if value else "No"
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return f"{number} {feature.unit}" if feature.unit else number


def method_text(attribution: RecordedAttribution) -> str:
    """The method and whether its numbers are exact; the method called "exact" is told by what it does."""
    if not attribution.exact:
        return f"{attribution.method} (sampled)"
    return f"{attribution.method} ({'enumeration' if attribution.method == 'exact' else 'exact'})"


def _by_use(cases: tuple[CaseAnswers, ...]) -> list[tuple[UseCase, list[CaseAnswers]]]:
    """The cases of each use, in the order in which they come."""
    return [(use, list(groups)) for use, groups in itertools.groupby(cases, key=lambda group: group.use)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + "\N{NO-BREAK SPACE}%"


def _decision(use: UseCase, answer: Answer) -> str:
    return {True: use.adverse, False: use.favourable, None: "No decision"}[answer.record.output.adverse]


def _band(answer: Answer) -> str:
    output = answer.description.output(answer.record.output.id)
    found = next((band for band in output.bands if band.id == answer.record.output.band), None)
    return found.label(LANGUAGE) if found else ""


def _facts(answer: Answer) -> list[tuple[str, list[tuple[str, str]]]]:
    """The facts of a case by concept, in the order of the schema; features without a concept come last."""
    description = answer.description
    groups: dict[str, list[tuple[str, str]]] = {}
    for feature in description.features:
        concept = description.concept(feature.concept) if feature.concept else None
        name = concept.label(LANGUAGE) if concept else "Other facts"
        value = value_text(feature, answer.record.row.get(feature.id))
        groups.setdefault(name, []).append((feature.label(LANGUAGE), value))
    return list(groups.items())


def _segments(answer: Answer) -> list[Segment]:
    """The bands of the output on a scale from 0 to 1."""
    segments, start = [], 0.0
    for tone, band in enumerate(answer.description.output(answer.record.output.id).bands):
        upper = 1.0 if band.upper is None else band.upper
        segments.append(
            Segment(label=band.label(LANGUAGE), start=100 * start, width=100 * (upper - start), tone=min(tone, 3))
        )
        start = upper
    return segments


def _comparison(group: CaseAnswers) -> list[tuple[str, str, list[Bar]]]:
    """The strongest facts over all models: label, value, and one bar per model on one common scale."""
    first = group.answers[0]
    values = [{player.player: player.value for player in answer.record.attribution.players} for answer in group.answers]
    features = [feature for feature in first.description.features if all(feature.id in found for found in values)]
    features.sort(key=lambda feature: -max(abs(found[feature.id]) for found in values))
    shown = features[:COMPARED_FEATURES]
    scale = max((abs(found[feature.id]) for feature in shown for found in values), default=0.0) or 1.0
    return [
        (
            feature.label(LANGUAGE),
            value_text(feature, first.record.row.get(feature.id)),
            [_bar(found[feature.id], scale) for found in values],
        )
        for feature in shown
    ]


def _bar(value: float, scale: float) -> Bar:
    width = 50 * abs(value) / scale
    return Bar(left=50.0 if value > 0 else 50.0 - width, width=width, raises=value > 0, text=f"{value:+.2f}")
