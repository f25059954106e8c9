"""`xaisvc audience`: check the audiences of a folder against real cases, and show what one of them declares."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xaisvc.errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xaisvc.engine.explainer import Explainer
    from xaisvc.types import ExplanationRecord
    from xaisvc.types.association import Association
    from xaisvc.types.supplements import Supplements
    from xaisvc.views.audience import Audience, SectionSpec
    from xaisvc.views.lint import LintReport
    from xaisvc.views.lint_cases import GoldenCase

audience_app = typer.Typer(
    help="Check audiences against real cases, and show what one declares.", no_args_is_help=True, rich_markup_mode=None
)

_MOST_FINDINGS = 100
_ROWS = 8
"""Rows of a bundle's background that are shown: enough for both decisions and most bands, few enough to be quick."""
_MEASURES = {"en": "Flesch-Kincaid grade at most", "nl": "Flesch-Douma ease at least"}

Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="The audiences folder; the one that comes with xaisvc.")
]


@audience_app.callback()
def _root() -> None:
    pass


@audience_app.command("lint")
def lint(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[FOLDER|ID]", help="An audiences folder, or one audience; by default all that come along."
        ),
    ] = None,
    *,
    folder: Folder = None,
    bundles: Annotated[
        list[Path] | None,
        typer.Option(
            "--bundle", metavar="DIR", help="A bundle of your own to take cases from, instead of the demonstration's."
        ),
    ] = None,
) -> None:
    """Check declarations, sentences and packs, and show real cases to every audience.

    The cases are explained by real models: the demonstration's applicants and card payments, or rows of the background
    of your own bundles; as they are, held, unreliable, closed, without a decision, not judged yet, and with every
    caveat. Prints what is wrong and exits with 1; with 0 if nothing is.
    """
    from xaisvc.views.lint import lint_audiences  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views.loader import audiences_folder  # noqa: PLC0415 - heavy: loaded when used

    only = None
    if target is not None and Path(target).is_dir():
        if folder is not None:
            raise InvalidRequestError.of("--folder", "the folder is given twice; name it once")
        folder = Path(target)
    elif target is not None:
        only = (target,)
    root = (folder or audiences_folder()).resolve()
    if only is not None and not (root / only[0] / "audience.yaml").is_file():
        raise NotFoundError(f"'{target}' is neither a folder nor an audience; known: {', '.join(_ids(root))}")
    cases, associations = _golden(bundles or ())
    report = lint_audiences(root, cases, today=datetime.now(UTC).date(), only=only, associations=associations)
    for line in _report(report):
        typer.echo(line)
    if report.findings:
        raise typer.Exit(1)


@audience_app.command("show")
def show(
    audience: Annotated[str, typer.Argument(metavar="ID", help="The audience.")],
    *,
    folder: Folder = None,
) -> None:
    """Print what an audience declares: questions, what it may see, its sections, limits and languages."""
    from xaisvc.views import load_audiences  # noqa: PLC0415 - heavy: loaded when used

    known = load_audiences(folder)
    if audience not in known:
        raise NotFoundError(f"there is no audience '{audience}'; known: {', '.join(known)}")
    for line in _declaration(known[audience]):
        typer.echo(line)


@audience_app.command("schema")
def schema(
    audience: Annotated[str, typer.Argument(metavar="ID", help="The audience.")],
    *,
    folder: Folder = None,
    cohort: Annotated[bool, typer.Option("--cohort", help="Of its views of many cases.")] = False,
) -> None:
    """Print the JSON schema of what an audience is given as JSON, as its declaration stands now."""
    from xaisvc.views import load_audiences  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views.schema import view_schema  # noqa: PLC0415 - heavy: loaded when used

    known = load_audiences(folder)
    if audience not in known:
        raise NotFoundError(f"there is no audience '{audience}'; known: {', '.join(known)}")
    typer.echo(json.dumps(view_schema(known[audience], cohort=cohort), indent=2))


def _ids(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/audience.yaml"))


def _golden(bundles: Sequence[Path]) -> tuple[tuple[GoldenCase, ...], dict[str, Association]]:
    """Cases of some bundles, or the demonstration's, explained by their models; and how their features go together."""
    from xaisvc.demo.cases import (  # noqa: PLC0415 - heavy: loaded when used
        BUNDLES,
        CARD_MODEL,
        MAIN_MODEL,
        load_cases,
        load_payments,
    )
    from xaisvc.engine.explainer import Explainer  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views.lint_cases import GoldenCase as Case  # noqa: PLC0415 - heavy: loaded when used

    found: list[GoldenCase] = []
    associations: dict[str, Association] = {}
    own = [(folder, ()) for folder in bundles]
    for folder, given in own or ((BUNDLES / MAIN_MODEL, load_cases()), (BUNDLES / CARD_MODEL, load_payments())):
        explainer = Explainer(folder, device="cpu")
        description = explainer.bundle.description
        rows = {case.id: case.row for case in given} or _background_rows(explainer)
        batch = explainer.explain(list(rows.values()))
        for i, name in enumerate(rows):
            record = batch[i].record
            found.append(Case(name=name, record=record, description=description, supply=_supply(explainer, record)))
        associations[description.name] = explainer.studies().association
    return tuple(found), associations


def _background_rows(explainer: Explainer) -> dict[str, Mapping[str, object]]:
    """A few rows of the background, from the lowest prediction to the highest."""
    table = explainer.bundle.background
    outputs = explainer.explain_table(table).outputs
    order = sorted(range(len(table)), key=lambda place: float(outputs[place]))
    places = dict.fromkeys(order[round(step * (len(order) - 1) / (_ROWS - 1))] for step in range(_ROWS))
    return {f"background row {place + 1}": table.row(place) for place in places}


def _supply(explainer: Explainer, record: ExplanationRecord) -> Callable[[Audience], Supplements]:
    """What is shown to an audience beside a record; computed once for each."""
    from xaisvc.views import needed  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.views.selection import visible_features  # noqa: PLC0415 - heavy: loaded when used

    description, kept = explainer.bundle.description, dict[str, "Supplements"]()

    def supply(audience: Audience) -> Supplements:
        if audience.id not in kept:
            visible = tuple(feature.id for feature in visible_features(description, audience))
            needs = needed(description, audience)
            kept[audience.id] = explainer.supplier.supply([record], needs, visible=visible)[0]
        return kept[audience.id]

    return supply


def _report(report: LintReport) -> Iterator[str]:
    from xaisvc.views.lint import told_once  # noqa: PLC0415 - heavy: loaded when used

    yield f"audiences  {', '.join(report.audiences) or 'none could be loaded'}"
    yield f"packs      {', '.join(report.packs) or 'none'}"
    yield f"cases      {report.cases}, in every language and under every pack"
    if report.readings:
        yield ""
        yield "Reading, over all cases"
    for reading in report.readings:
        measure = _MEASURES.get(reading.language, "")
        figure = "" if reading.hardest is None else f", {measure} {reading.hardest:.1f}"
        name = f"{reading.audience} ({reading.language})"
        yield f"  {name:<28} {reading.views} views, longest sentence {reading.longest} words{figure}"
    if report.mandated:
        yield ""
        yield "Mandated by law, so not measured"
        yield from (f"  {text}" for text in report.mandated)
    yield ""
    yield f"Findings: {len(report.findings)}" if report.findings else "Nothing to put right"
    told = told_once(report.findings)
    yield from (f"  {finding.where}: {finding.what}" for finding in told[:_MOST_FINDINGS])
    if len(told) > _MOST_FINDINGS:
        yield f"  and {len(told) - _MOST_FINDINGS} more"


def _declaration(audience: Audience) -> Iterator[str]:
    rows = [
        ("audience", f"{audience.id}, version {audience.version}"),
        *((("extends", audience.extends),) if audience.extends else ()),
        *((f"label ({language})", text) for language, text in audience.labels.items()),
        *((f"purpose ({language})", text) for language, text in audience.purposes.items()),
        ("questions", ", ".join(audience.questions)),
        ("formats", ", ".join(audience.formats)),
        ("unreliable", audience.on_unreliable.value),
        ("gates", ", ".join(sorted(audience.gates)) or "none"),
        ("caveats", str(audience.caveats)),
        *((f"reading ({language})", _limits(audience, language)) for language in audience.languages),
        ("pack", audience.packs.default.title if audience.packs.default else "none"),
    ]
    for name, value in rows:
        yield f"{name:<14} {value}"
    yield ""
    yield "Sensitivity classes"
    for name, action in audience.actions.items():
        yield f"  {name:<14} {action.value}"
    for title, specs in (("Sections", audience.sections), ("Held", audience.held), ("Closed", audience.closed)):
        if specs:
            yield ""
            yield title
            yield from (f"  {_section(spec)}" for spec in specs)


def _limits(audience: Audience, language: str) -> str:
    limits = audience.reading[language]
    found = {
        "words in a sentence at most": limits.max_sentence_words,
        "Flesch-Kincaid grade at most": limits.max_grade,
        "Flesch-Douma ease at least": limits.min_ease,
    }
    return ", ".join(f"{name} {value:g}" for name, value in found.items() if value) or "no limits"


def _section(spec: SectionSpec) -> str:
    options = ", ".join(
        f"{option.name}: {getattr(spec.builder, option.name)}"
        for option in dataclasses.fields(spec.builder)  # type: ignore[arg-type]  # every section type is a dataclass
    )
    return f"{spec.id:<18} {spec.builder.type}" + (f" ({options})" if options else "")
