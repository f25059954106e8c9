"""What a bundle declares about its model: features, outputs, concepts. Frozen; no file formats here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal, TypeAlias

from xaisvc.errors import NotFoundError

MAX_AGE_DAYS = 365
"""Days after which a background counts as stale unless its bundle says otherwise."""


class Kind(StrEnum):
    """Kind of a feature's values."""

    NUMERIC = "numeric"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    DATE = "date"


class Sensitivity(StrEnum):
    """Who may see a feature. A feature without a class is visible to data scientists only."""

    PUBLIC = "public"
    CUSTOMER_OWN = "customer_own"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    PROTECTED = "protected"
    PROXY = "proxy"
    FRAUD_SIGNAL = "fraud_signal"
    AML = "aml"


class Space(StrEnum):
    """Unit of an explained number: a probability in [0, 1], the natural log of the odds, or the tensor's number."""

    PROBABILITY = "probability"
    LOG_ODDS = "log_odds"
    RAW = "raw"


class SelectionRule(StrEnum):
    """Who a case is compared with, so that its principal reasons can be chosen.

    The two methods of US Regulation B, official interpretation 9(b)(2)-5: `population` is everybody who applied,
    `approved_near_threshold` is those approved at or slightly above the line.
    """

    POPULATION = "population"
    APPROVED_NEAR_THRESHOLD = "approved_near_threshold"


class Adverse(StrEnum):
    """Which direction of an output is bad for the person concerned."""

    HIGHER = "higher"
    LOWER = "lower"


class Direction(StrEnum):
    """Which way a person can move a mutable feature."""

    INCREASE = "increase"
    DECREASE = "decrease"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorColumn:
    """Where a feature enters the graph: input tensor and column (0 for a tensor that holds one feature)."""

    tensor: str
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What may be offered to the person concerned as another value of a feature.

    Attributes:
        direction: Allowed direction; of a boolean, `increase` is to true and `decrease` to false.
        minimum: Smallest value that can be offered, in the feature's unit; None for the background's smallest.
        maximum: Largest value that can be offered, in the feature's unit; None for the background's largest.
        step: Values offered are whole multiples of it, in the feature's unit; None for 1 (integers, days).
        to: Categories that can be offered, as text; empty for other kinds.
    """

    direction: Direction = Direction.ANY
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One raw input of the model, as the bank knows it.

    Attributes:
        id: Name used by callers and in every attribution.
        kind: Kind of its values.
        source: Where it enters the graph.
        unit: Unit shown to readers, for example `months`; None for none.
        categories: Allowed values of a category feature, as text; empty for other kinds.
        allow_missing: Whether a row may leave the value out.
        labels: Language to name for readers.
        category_labels: Language to (category value to name for readers).
        concept: Id of the concept it belongs to; None to stand alone.
        sensitivity: Who may see it; None hides it from everybody but data scientists.
        generalised: Language to the general words that the bank approved for readers who may not know more of it; empty
            if there are none.
        origins: Language to where the bank has the values from, in words for readers; empty if not said.
        stale_after_days: Days after which a value should be asked for again; None if its age does not matter.
        change: What else may be offered; None if it is never offered to be changed.
        observed_range: Smallest and largest value in the background, in the feature's unit; None for categories.
    """

    id: str
    kind: Kind
    source: TensorColumn
    unit: str | None = None
    categories: tuple[str, ...] = ()
    allow_missing: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    category_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    concept: str | None = None
    sensitivity: Sensitivity | None = None
    generalised: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    stale_after_days: int | None = None
    change: Change | None = None
    observed_range: tuple[float, float] | None = None

    def label(self, language: str) -> str:
        """Name for readers in `language`, falling back to English, then to the id."""
        return self.labels.get(language) or self.labels.get("en") or self.id

    def general_label(self, language: str) -> str:
        """The general words in `language`, falling back to English, then to those of any language; empty for none."""
        found = self.generalised
        return found.get(language) or found.get("en") or next(iter(found.values()), "")

    def origin(self, language: str) -> str:
        """Where the values come from in `language`, falling back to English; empty if not said."""
        return self.origins.get(language) or self.origins.get("en") or ""

    def category_label(self, value: str, language: str) -> str:
        """Name for readers of one category value, falling back to English, then to the value."""
        for lang in (language, "en"):
            name = self.category_labels.get(lang, {}).get(value)
            if name:
                return name
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """A named set of features explained as one player."""

    id: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, language: str) -> str:
        """Name for readers in `language`, falling back to English, then to the id."""
        return self.labels.get(language) or self.labels.get("en") or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A range of predictions with a name. Bands are listed from low to high; the last has no upper bound.

    Attributes:
        id: Stable name.
        upper: Predictions below this belong to the band, in the unit of the output tensor; None for no bound.
        labels: Language to name for readers.
    """

    id: str
    upper: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, language: str) -> str:
        """Name for readers in `language`, falling back to English, then to the id."""
        return self.labels.get(language) or self.labels.get("en") or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One number of the model that can be explained.

    Attributes:
        id: Name used by callers.
        tensor: Name of the ONNX output tensor.
        target: Class label (ZipMap) or column of the tensor; None for a regressor with one number per row.
        tensor_space: Unit of the tensor's own numbers, `probability` or `raw`.
        space: Unit that is explained unless the caller asks for another.
        adverse: Direction that is bad for the person concerned; None if there is none.
        threshold: Prediction from which the bank decides adversely, in the unit of the tensor; None if there is none.
        bands: Named ranges of predictions, from low to high.
        labels: Language to name for readers.
    """

    id: str
    tensor: str
    target: str | int | None = None
    tensor_space: Space = Space.PROBABILITY
    space: Space = Space.PROBABILITY
    adverse: Adverse | None = None
    threshold: float | None = None
    bands: tuple[Band, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, language: str) -> str:
        """Name for readers in `language`, falling back to English, then to the id."""
        return self.labels.get(language) or self.labels.get("en") or self.id

    def band(self, prediction: float) -> Band | None:
        """The band that holds a prediction (in the unit of the tensor); None if the output has no bands."""
        for band in self.bands:
            if band.upper is None or prediction < band.upper:
                return band
        return self.bands[-1] if self.bands else None

    def is_adverse(self, prediction: float) -> bool | None:
        """Whether a prediction (in the unit of the tensor) leads to the adverse decision; None without a threshold."""
        if self.threshold is None or self.adverse is None:
            return None
        return prediction >= self.threshold if self.adverse is Adverse.HIGHER else prediction <= self.threshold


Prose: TypeAlias = Literal["owner", "purpose", "out_of_scope"]
"""What a bundle says of itself in whole sentences."""
PROSE: tuple[Prose, ...] = ("owner", "purpose", "out_of_scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDescription:
    """Everything `bundle.yaml` and `labels/` say, without the model and the data.

    Attributes:
        name: Name used by callers.
        version: The owner's version of the model.
        owner: Who answers for the model.
        purpose: What the model may be used for.
        out_of_scope: What it must not be used for.
        features: Raw inputs in the order of the schema.
        outputs: Numbers that can be explained; the first is the default.
        concepts: Named groups of features.
        languages: Languages that labels exist for.
        notes: Anything readers of the bundle should know, for example data source and licence.
        background_as_of: Day that the background rows are from; None if not known.
        background_max_age_days: Days after which they are stale.
        background_drawn_from: Who the background rows are a sample of; None if not said.
        texts: Language to (`owner`, `purpose` or `out_of_scope` to what it says in it), for languages beside the first.
        row_labels: Language to what its rows are, as readers call several of them, for example `payments`.
        audiences: Ids of the audiences that its decisions concern: no other gets a view of any case. Empty for all.
    """

    name: str
    version: str
    owner: str
    purpose: str
    out_of_scope: str
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    concepts: tuple[Concept, ...] = ()
    languages: tuple[str, ...] = ("en",)
    notes: str = ""
    background_as_of: date | None = None
    background_max_age_days: int = MAX_AGE_DAYS
    background_drawn_from: SelectionRule | None = None
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    row_labels: Mapping[str, str] = field(default_factory=dict)
    audiences: tuple[str, ...] = ()

    def text(self, name: Prose, language: str) -> str:
        """What the bundle says of itself in `language`, falling back to its first language."""
        told: str = getattr(self, name)
        return self.texts.get(language, {}).get(name) or told

    def row_label(self, language: str) -> str:
        """What its rows are called in `language`, falling back to English; empty if it does not say."""
        return self.row_labels.get(language) or self.row_labels.get("en") or ""

    def concerns(self, audience: str) -> bool:
        """Whether an audience gets views of this bundle's cases at all."""
        return not self.audiences or audience in self.audiences

    @property
    def feature_ids(self) -> tuple[str, ...]:
        """Ids of the features in the order of the schema."""
        return tuple(feature.id for feature in self.features)

    @property
    def sources(self) -> dict[str, TensorColumn]:
        """Feature id to the input tensor and column where it enters the graph."""
        return {feature.id: feature.source for feature in self.features}

    @property
    def finite(self) -> frozenset[str]:
        """Ids of the features that have a number in every row, finite and within float32's range."""
        return frozenset(one.id for one in self.features if one.kind is not Kind.CATEGORY and not one.allow_missing)

    def feature(self, feature_id: str) -> Feature:
        """The feature with this id.

        Raises:
            NotFoundError: If there is none; the message lists the known ids.
        """
        for feature in self.features:
            if feature.id == feature_id:
                return feature
        known = ", ".join(self.feature_ids)
        msg = f"bundle '{self.name}' has no feature {feature_id!r}; it has: {known}"
        raise NotFoundError(msg)

    def output(self, output_id: str | None) -> Output:
        """The output with this id, or the default output for None.

        Raises:
            NotFoundError: If there is none; the message lists the known ids.
        """
        if output_id is None:
            return self.outputs[0]
        for output in self.outputs:
            if output.id == output_id:
                return output
        known = ", ".join(output.id for output in self.outputs)
        msg = f"bundle '{self.name}' has no output {output_id!r}; it has: {known}"
        raise NotFoundError(msg)

    def concept(self, concept_id: str) -> Concept | None:
        """The concept with this id, or None."""
        return next((concept for concept in self.concepts if concept.id == concept_id), None)
