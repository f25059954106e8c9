"""What could change a decision: the values that say which other inputs the model would have decided otherwise on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from xaisvc.types.support import RowSupport
    from xaisvc.types.table import Table

SELECTION_RULE = "fewest-nearest-disjoint/1"
"""Names the rule by which alternatives are chosen and ordered, so that a record can say which one it was.

Version 1: fewer features first, then the smaller change in spreads of the background, then the order of the schema.
After the first, alternatives that share no feature with those before go before others. One that adds a feature to
another is left out unless its change is smaller.
"""


class SupportFunction(Protocol):
    """How rows lie in the support of the background."""

    def __call__(self, rows: Table) -> RowSupport:
        """Reads n rows; see `RowSupport`."""
        ...


class Outcome(StrEnum):
    """What a search for changes came to.

    `found`: there are alternatives. `none_found`: no change on the list changes the decision (a fixed prediction, if
    the search was complete; Cheon et al., ICLR 2025). `nothing_to_try`: the list has no other value for this row.
    `not_adverse`: the decision is the favourable one, so nothing was searched.
    """

    FOUND = "found"
    NONE_FOUND = "none_found"
    NOTHING_TO_TRY = "nothing_to_try"
    NOT_ADVERSE = "not_adverse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFeature:
    """The other values of one feature in an alternative.

    Attributes:
        feature: Id of the feature.
        current: The row's own value, in the feature's unit (booleans 0 or 1, dates days since 1970-01-01) or as text.
        nearest: End of the region that is closest to the own value; None for a category.
        farthest: The other end, equal to `nearest` where one value is offered; None for a category.
        targets: The categories offered, any of them; empty for other kinds.
        values: Number of declared values in the region.
    """

    feature: str
    current: float | str
    nearest: float | None = None
    farthest: float | None = None
    targets: tuple[str, ...] = ()
    values: int = 1

    @property
    def region(self) -> tuple[float, float] | None:
        """Smallest and largest value offered; None for a category."""
        if self.nearest is None or self.farthest is None:
            return None
        return min(self.nearest, self.farthest), max(self.nearest, self.farthest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A region in which the model decides otherwise: every combination of the values offered, all else as it is.

    Attributes:
        changes: What changes, in the order of the schema.
        size: Smallest change of the region: the sum of its features' changes in spreads of the background.
        prediction: Model's answer at the smallest change, in the unit of the output tensor.
        weakest: Of the answers scored in the region, the one closest to the threshold.
        scored: Combinations of the region that the model itself was asked.
        complete: Whether the answer is known for the whole region: each of its combinations was scored, or the graph
            proves that its answer is that of one that was. Otherwise a grid of it was scored.
    """

    changes: tuple[ChangedFeature, ...]
    size: float
    prediction: float
    weakest: float
    scored: int
    complete: bool

    @property
    def features(self) -> tuple[str, ...]:
        """Ids of the features that change."""
        return tuple(change.feature for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was tried with one feature, or with some together.

    Attributes:
        features: Ids of the features changed, in the order of the schema.
        combinations: Combinations of declared values other than the row's own. For two features: of those values that
            are not enough alone, because beyond them the second change is for nothing.
        scored: Of them, those that the model itself was asked.
        responsiveness: Share of the combinations known that change the decision and are supported. One scored stands
            for all that the graph proves to have the same answer. 0 where nothing was tried.
        unsupported: Share that change the decision, but to a row further out of the background than it is.
        complete: Whether all combinations are known.
    """

    features: tuple[str, ...]
    combinations: int
    scored: int
    responsiveness: float
    unsupported: float
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounterfactuals:
    """What could change the decision on one row. About the model's answer only: nothing here is about causes.

    Attributes:
        adverse: Whether the decision is the adverse one.
        prediction: Model's answer for the row, in the unit of the output tensor.
        candidates: The alternatives found, at most one per set of features, by number of features, size and schema. Of
            two features only where the change is smaller than that of either alone.
        tried: What was searched: one entry per set of features that may be offered; empty unless the decision is
            adverse.
        max_changes: Most features that change together.
        limit: Most alternatives to choose.
        rule: The rule by which `alternatives` are chosen; see `SELECTION_RULE`.
    """

    adverse: bool
    prediction: float
    candidates: tuple[Alternative, ...]
    tried: tuple[Tried, ...]
    max_changes: int
    limit: int
    rule: str = SELECTION_RULE

    @property
    def outcome(self) -> Outcome:
        """What the search came to."""
        if not self.adverse:
            return Outcome.NOT_ADVERSE
        if self.candidates:
            return Outcome.FOUND
        return Outcome.NONE_FOUND if any(one.combinations for one in self.tried) else Outcome.NOTHING_TO_TRY

    @property
    def complete(self) -> bool:
        """Whether every combination on the list is known, so that `none_found` is a fact about the model."""
        return all(one.complete for one in self.tried)

    @property
    def searched(self) -> tuple[str, ...]:
        """Ids of the features for which another value was tried, in the order of the schema."""
        return tuple(one.features[0] for one in self.tried if len(one.features) == 1 and one.combinations)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """At most `limit` of the candidates, chosen by `rule`."""
        left = [one for one in self.candidates if not _is_dominated(one, self.candidates)]
        chosen: list[Alternative] = []
        used: set[str] = set()
        while left and len(chosen) < self.limit:
            best = next((one for one in left if used.isdisjoint(one.features)), left[0])
            left.remove(best)
            chosen.append(best)
            used |= set(best.features)
        return tuple(chosen)

    def shown(self, features: Collection[str], limit: int | None = None) -> RowCounterfactuals:
        """The same search as if only these features could have been offered.

        What a reader may not see is gone before anything is chosen, and no set of features is searched in the light of
        another that is not part of it, so nothing that is left depends on what is gone.

        Args:
            features: Ids of the features that the reader may see.
            limit: Most alternatives; as before if left out.
        """
        allowed = frozenset(features)
        return replace(
            self,
            candidates=tuple(one for one in self.candidates if allowed.issuperset(one.features)),
            tried=tuple(one for one in self.tried if allowed.issuperset(one.features)),
            limit=self.limit if limit is None else limit,
        )


def _is_dominated(one: Alternative, others: Collection[Alternative]) -> bool:
    """Whether another changes only some of its features, and no more."""
    mine = frozenset(one.features)
    return any(mine > frozenset(other.features) and other.size <= one.size for other in others)
