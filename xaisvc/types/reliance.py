"""What was found about how a model relies on its features. Frozen values; found by `xaisvc.structure`."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - stored values are checked against these annotations
from dataclasses import dataclass, field
from enum import StrEnum


class Use(StrEnum):
    """What can be said about a model's use of a feature.

    Only `PROVEN_UNUSED` says that the model does not use it. `NO_EFFECT_SEEN` says that no swap moved the output; its
    bound says how rarely the feature can be used for that to be likely.
    """

    PROVEN_UNUSED = "proven_unused"
    USED = "used"
    RARELY_USED = "rarely_used"
    NO_EFFECT_SEEN = "no_effect_seen"
    CANNOT_TELL = "cannot_tell"


class Hindrance(StrEnum):
    """Why nothing can be said."""

    FEW_ROWS = "few_rows"
    CONSTANT = "constant"
    NOISE = "noise"
    NOT_FINITE = "not_finite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """What some swaps of one feature did to the output. A swap gives a row another value of the feature.

    Attributes:
        count: Number of swaps with a finite output before and after.
        moved: How many of them moved the output beyond the model's noise.
        mean_effect: Mean absolute change of the output, in its unit; 0 without swaps.
        largest_effect: Largest absolute change beyond the noise, in its unit; 0 if nothing moved.
    """

    count: int = 0
    moved: int = 0
    mean_effect: float = 0.0
    largest_effect: float = 0.0

    @property
    def rate(self) -> float:
        """Share that moved the output; 0 without swaps."""
        return self.moved / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureReliance:
    """How the model relies on one feature, or on several linked ones that are swapped together.

    Attributes:
        features: Ids of the features.
        use: What can be said.
        random: Swaps of a random background row with the value of a random one of those that differ.
        near: Swaps with a donor from the rows most like it, so that the swapped row stays plausible.
        aimed: Swaps where an effect is most likely: extreme values and each category, on rows and made-up rows.
        usage_upper: The usage rate, the chance that a random swap between two background rows moves the output, is
            below this with 95 % confidence (Clopper and Pearson 1934, one-sided); 1 if it was not tested.
        usage_upper_new_rows: The same for rows to come: wider, because a background of n rows holds only n / 2
            independent pairs, however many swaps are made.
        hindrance: Why nothing can be said; None unless `use` is `CANNOT_TELL`.
    """

    features: tuple[str, ...]
    use: Use
    random: Swaps = field(default_factory=Swaps)
    near: Swaps = field(default_factory=Swaps)
    aimed: Swaps = field(default_factory=Swaps)
    usage_upper: float = 1.0
    usage_upper_new_rows: float = 1.0
    hindrance: Hindrance | None = None

    @property
    def usage_rate(self) -> float:
        """Share of the random swaps that moved the output; 0 without swaps."""
        return self.random.rate

    @property
    def tests(self) -> int:
        """Number of swaps of all kinds."""
        return self.random.count + self.near.count + self.aimed.count

    @property
    def largest_effect(self) -> float:
        """Largest absolute change that any swap made, in the unit of the output; 0 if nothing moved."""
        return max(self.random.largest_effect, self.near.largest_effect, self.aimed.largest_effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliance:
    """How the model relies on each feature.

    Attributes:
        features: One entry for each feature, in the order of the table.
        groups: One entry for each group of linked features.
        output_sd: Standard deviation of the output over the background, in its unit.
        noise: Largest difference seen between outputs of the same row in different batches, in the output's unit.
        refuted: Features that were called proven unused and yet moved the output: the proof is wrong. Their `use` says
            what was seen.
        model_rows: Rows that the model scored for the study.
    """

    features: tuple[FeatureReliance, ...]
    groups: tuple[FeatureReliance, ...]
    output_sd: float
    noise: float
    refuted: tuple[str, ...] = ()
    model_rows: int = 0

    def of(self, feature: str) -> FeatureReliance:
        """The entry of one feature.

        Raises:
            KeyError: If there is none.
        """
        for entry in self.features:
            if entry.features == (feature,):
                return entry
        raise KeyError(feature)


class Sign(StrEnum):
    """What makes a model suspect of answering made-up rows with something else than it answers real ones with."""

    PROFILE = "profile"
    FEATURE = "feature"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manipulation:
    """Whether the model relies on other features in made-up rows than in real ones, as one that hides something does.

    Attributes:
        suspected: Whether the profiles differ more than those of honest models do; None if it cannot be told.
        reason: Why it cannot be told, in words; empty otherwise.
        signs: What makes it suspect: the profiles as a whole, single features that matter in only one kind of row, or
            an output that hardly moves in made-up rows.
        distance: Squared distance of the profiles as a share of their squared lengths, corrected for chance: about 0 if
            they are alike, 1 if they have no feature in common.
        distance_lower: Its lower limit with 99 % confidence, at least -1.
        made_up: Kind of made-up rows that the figures are about, the more telling one: `hybrids` as SHAP makes them, or
            `noise` as LIME does.
        real: Feature id to its share of all changes of the output in plausible rows; they add to 1, or are all 0.
        off: Feature id to its share of the changes that the same swaps make in made-up rows.
        hidden: Features that matter in real rows and much less in made-up ones, the most telling first.
        decoys: Features that matter in made-up rows and much less in real ones, the most telling first.
        swaps: Swaps of each feature and kind of row.
        model_rows: Rows that the model scored for the study.
    """

    suspected: bool | None
    reason: str = ""
    signs: tuple[Sign, ...] = ()
    distance: float = 0.0
    distance_lower: float = 0.0
    made_up: str = "hybrids"
    real: Mapping[str, float] = field(default_factory=dict)
    off: Mapping[str, float] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    decoys: tuple[str, ...] = ()
    swaps: int = 0
    model_rows: int = 0
