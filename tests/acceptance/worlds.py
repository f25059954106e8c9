"""Two bundles with two hundred records each, the audiences as their files say them, and pages as readers get them.

Nothing here or in the checks reads what the package made of the files: declarations, sentences and lexicons are read
from their YAML, pages from their bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from tests.acceptance.pages import Parsed
from xaisvc.demo.cases import BUNDLES, CARD_MODEL, MAIN_MODEL, load_cases, load_payments
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.supplements import Supplier
from xaisvc.views import FORMATS, build_view, needed, render_view
from xaisvc.views.render import EXPORTS
from xaisvc.views.sections import SECTION_TYPES
from xaisvc.views.selection import visible_features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xaisvc.types import BundleDescription, ExplanationRecord, Feature
    from xaisvc.types.supplements import Supplements
    from xaisvc.views import Audience

RECORDS = 200
SEED = 20261122
BUNDLE_NAMES = (MAIN_MODEL, CARD_MODEL)
AUDIENCES = (
    "business_manager",
    "customer",
    "data_scientist",
    "fraud_analyst",
    "internal_auditor",
    "relationship_manager",
)
LANGUAGES = ("en", "nl")
SEGMENTS = {MAIN_MODEL: ("band", "purpose", "amount_dm"), CARD_MODEL: ("band", "channel", "country_zone")}
"""What the cases of each bundle are split by, on pages about many of them."""
OPEN = frozenset({"data_scientist"})
"""Audiences that see raw names and every number."""


@dataclass(frozen=True, eq=False)
class World:
    """A bundle with records of it.

    Attributes:
        name: Name of the bundle.
        explainer: What made the records.
        records: The records.
        kept: What checks computed of records, so that it is computed once for all audiences.
    """

    name: str
    explainer: Explainer
    records: tuple[ExplanationRecord, ...]
    kept: dict[object, Any] = field(default_factory=dict)

    @property
    def description(self) -> BundleDescription:
        return self.explainer.bundle.description

    def beside(self, reader: Audience) -> tuple[Supplements, ...]:
        """What is shown to a reader beside each record."""
        key = ("beside", reader.id)
        if key not in self.kept:
            self.kept[key] = self.supply(self.records, reader)
        found: tuple[Supplements, ...] = self.kept[key]
        return found

    def beside_one(self, record: ExplanationRecord, reader: Audience) -> Supplements:
        """What is shown to a reader beside one record, which may be another than those of this world."""
        place = next((i for i, one in enumerate(self.records) if one is record), None)
        return self.supply([record], reader)[0] if place is None else self.beside(reader)[place]

    def supply(self, records: Sequence[ExplanationRecord], reader: Audience) -> tuple[Supplements, ...]:
        """What is shown to a reader beside records, as the service computes it."""
        needs = needed(self.description, reader)
        visible = tuple(feature.id for feature in visible_features(self.description, reader))
        supplier = Supplier(self.explainer._loaded)
        return tuple(supplier.supply(records, needs, visible=visible))


def make_world(name: str) -> World:
    """Explains two hundred rows of a bundle, the same on every machine.

    They are drawn from the rows that come with the bundle: background, reference, closed cases, and those of the
    demonstration. The credit bundle has 158 of them, all of which are taken; the others are real rows with one value of
    another real row, as they come in when something was typed wrong.
    """
    rng = np.random.default_rng(SEED)
    explainer = Explainer(BUNDLES / name, device="cpu", threads=1)
    bundle = explainer.bundle
    assert bundle.reference is not None
    tables = [bundle.background, bundle.reference.rows, *([bundle.cases.rows] if bundle.cases else [])]
    shown = load_cases() if name == MAIN_MODEL else load_payments()
    rows: list[dict[str, Any]] = [dict(case.row) for case in shown]
    rows += [table.row(i) for table in tables for i in range(len(table))]
    while len(rows) < RECORDS:
        first, second = (int(i) for i in rng.integers(0, len(rows), 2))
        one = str(rng.choice(bundle.description.feature_ids))
        rows.append({**rows[first], one: rows[second][one]})
    chosen = [rows[i] for i in sorted(rng.choice(len(rows), RECORDS, replace=False))]
    return World(name=name, explainer=explainer, records=explained(explainer, chosen))


def explained(
    explainer: Explainer, rows: Sequence[Mapping[str, Any]], method: str = "auto"
) -> tuple[ExplanationRecord, ...]:
    """Records of rows, with ids and days that can be told apart."""
    batch = explainer.explain(list(rows), method=method)
    return tuple(
        replace(
            batch[i].record,
            id=f"{i:04d}-case-{len(rows):03d}",
            created_at=f"20{21 + i % 7}-{1 + i % 12:02d}-{1 + i % 28:02d}T09:15:00+00:00",
        )
        for i in range(len(batch))
    )


@dataclass(frozen=True)
class Declared:
    """An audiences folder as its files say it.

    Attributes:
        root: The folder.
        audiences: The same as the package loads it, for making pages.
        files: What was read of it.
    """

    root: Path
    audiences: Mapping[str, Audience]
    files: dict[str, Any] = field(default_factory=dict)

    def read(self, name: str) -> Any:
        """A file's content."""
        if name not in self.files:
            path = self.root / name
            self.files[name] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return self.files[name]

    def audience(self, name: str) -> dict[str, Any]:
        """What `audience.yaml` says."""
        found: dict[str, Any] = self.read(f"{name}/audience.yaml")
        return found

    def action(self, name: str, feature: Feature) -> str:
        """What happens to a feature: `show`, `generalise`, `hide`, `hold` or `closed`."""
        kind = feature.sensitivity.value if feature.sensitivity else "unclassified"
        granted = str(self.read("classes.yaml")["audiences"][name][kind])
        if granted == "show" and kind not in self.audience(name)["clearance"]:
            return "hide"
        if granted == "generalise" and not feature.generalised:
            return "hold" if self.audience(name).get("held") else "hide"
        return granted

    def sentences(self, name: str, language: str) -> dict[str, str]:
        """Key to text of everything that an audience can say, its own sentences over the shared ones."""
        found: dict[str, str] = {}
        for path in (f"messages/{language}.yaml", f"{name}/messages/{language}.yaml"):
            found |= dict(_flat(self.read(path).get("messages", {})))
        return found

    def banned(self, name: str, language: str) -> list[str]:
        """Terms that must not reach the reader."""
        lexicon = self.read(f"lexicon/{language}.yaml")
        return [term for group in self.audience(name)["wording"]["banned"] for term in lexicon[group]]

    def sections(self, name: str, status: str) -> list[tuple[str, str]]:
        """Id and type of each section of a view, in order."""
        key = {"complete": "sections", "held_for_review": "held", "not_available": "closed"}[status]
        return [(str(one.get("id", one["type"])), str(one["type"])) for one in self.audience(name)[key]]

    def options(self, name: str, section: str) -> dict[str, Any]:
        """Options of a section with their defaults."""
        declared = next(one for one in self.audience(name)["sections"] if section in (one.get("id"), one["type"]))
        defaults = {
            key: one.default
            for key, one in getattr(SECTION_TYPES[declared["type"]], "__dataclass_fields__", {}).items()
        }
        return {**defaults, **declared}


def _flat(value: Any, head: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, f"{head}.{key}" if head else str(key))
    elif isinstance(value, list):
        yield head, " ".join(map(str, value))
    else:
        yield head, str(value)


@dataclass(frozen=True)
class Shown:
    """One view of one record, in every format.

    Attributes:
        world: Where the record is from.
        declared: The audiences.
        record: The record.
        beside: What is shown beside it.
        audience: Id of the audience.
        language: The language.
        pages: Format to page.
    """

    world: World
    declared: Declared
    record: ExplanationRecord
    beside: Supplements
    audience: str
    language: str
    pages: Mapping[str, str]

    @cached_property
    def json(self) -> dict[str, Any]:
        """The view as its JSON says it."""
        found: dict[str, Any] = json.loads(self.pages["json"])
        return found

    @cached_property
    def html(self) -> Parsed:
        """The page as texts and elements."""
        return Parsed(self.pages["html"])

    @property
    def description(self) -> BundleDescription:
        return self.world.description

    @property
    def status(self) -> str:
        return str(self.json["status"])

    @property
    def is_complete(self) -> bool:
        return self.status == "complete"

    def blocks(self, section: str, kind: str) -> list[dict[str, Any]]:
        """The blocks of one type in the sections of one type."""
        return [
            block
            for one in self.json["sections"]
            if one["type"] == section
            for block in one["blocks"]
            if block["type"] == kind
        ]

    def texts(self) -> Iterator[str]:
        """Every text of the view, without ids and kinds."""
        yield str(self.json["title"])
        yield str(self.json["subtitle"])
        for one in self.json["sections"]:
            yield str(one["title"])
            yield from _texts(one["blocks"])

    def names(self) -> list[str]:
        """What the bundle calls things, in any language; the longest first."""
        kept = self.world.kept
        if "names" not in kept:
            kept["names"] = sorted(set(bundle_texts(self.description)) - {""}, key=len, reverse=True)
        found: list[str] = kept["names"]
        return found


_KINDS = frozenset({"type", "role", "tone", "side", "id"})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in _KINDS:
                yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def bundle_texts(description: BundleDescription) -> Iterator[str]:
    """Every text of a bundle that a reader can meet."""
    yield from (description.name, description.version, description.owner, description.purpose, description.out_of_scope)
    yield from (text for texts in description.texts.values() for text in texts.values())
    yield from description.row_labels.values()
    for one in (*description.features, *description.concepts, *description.outputs):
        yield from one.labels.values()
    for feature in description.features:
        yield from (feature.id, feature.unit or "", *feature.categories, *feature.generalised.values())
        yield from (text for texts in feature.category_labels.values() for text in texts.values())
        yield from feature.origins.values()
    for output in description.outputs:
        yield from (text for band in output.bands for text in band.labels.values())


def show(  # noqa: PLR0913, PLR0917 - what a page is made of
    world: World,
    declared: Declared,
    audience: str,
    language: str,
    record: ExplanationRecord,
    supplements: Supplements | None = None,
) -> Shown:
    """Makes a view in every format that is text; with what is shown beside the record, unless that is given."""
    reader = declared.audiences[audience]
    beside = world.beside_one(record, reader) if supplements is None else supplements
    view = build_view(record, world.description, reader, language, beside)
    pages = {form: render_view(view, form) for form in (*FORMATS, *EXPORTS) if form in reader.formats}
    return Shown(world, declared, record, beside, audience, language, pages)


def show_all(world: World, declared: Declared, audience: str, language: str, every: int = 1) -> Iterator[Shown]:
    """Every record of a bundle, or every n-th, as one audience reads it in one language."""
    found = list(zip(world.records, world.beside(declared.audiences[audience]), strict=True))
    for record, supplements in found[::every]:
        yield show(world, declared, audience, language, record, supplements)


def show_first(
    world: World, declared: Declared, audience: str, wanted: Callable[[Shown], bool], language: str = "en"
) -> Shown:
    """The first view of an audience that is as wanted."""
    return next(shown for shown in show_all(world, declared, audience, language) if wanted(shown))


def plain(markdown: str) -> str:
    """Markdown without its escapes."""
    return re.sub(r"\\(.)", r"\1", markdown)
