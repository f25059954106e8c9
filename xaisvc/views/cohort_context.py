"""What a section about many cases is built from: one cohort, its bundle, its audience, and the words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from xaisvc.types import Kind
from xaisvc.types.cohort import Comparison
from xaisvc.views.cohort_section import PREFIX, cohort_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xaisvc.types import BundleDescription, Output
    from xaisvc.types.cohort import Cell, Cohort, Period, Segment, Share
    from xaisvc.views.audience import Audience
    from xaisvc.views.catalogue import SlotValue
    from xaisvc.views.cohort_section import CohortSpec
    from xaisvc.views.language import Language

BAND = "band"
_LESS_THAN_ONE = 0.005


@dataclass(frozen=True, kw_only=True)
class CohortContext:
    """Everything that the sections of one view of a cohort share.

    Attributes:
        cohort: What may be told.
        description: The bundle that the explanations were made with.
        audience: The reader.
        language: The words.
        names: Id of an audience to its name in the reader's language.
    """

    cohort: Cohort
    description: BundleDescription
    audience: Audience
    language: Language
    names: Mapping[str, str]

    @cached_property
    def output(self) -> Output:
        """The declaration of the explained output."""
        return self.description.output(self.cohort.output)

    @cached_property
    def common(self) -> Mapping[str, SlotValue]:
        """Slots that every sentence may use."""
        description, code = self.description, self.language.code
        return {
            "period": self.period(self.cohort.period),
            "n": self.cohort.n,
            "cases": description.row_label(code) or self.language.filled(f"{PREFIX}.cases"),
            "bundle": self.cohort.bundle,
            "version": self.cohort.bundle_version,
            "owner": description.text("owner", code),
            "purpose": description.text("purpose", code),
            "out_of_scope": description.text("out_of_scope", code),
            "output": self.output.label(code),
        }

    def period(self, period: Period) -> str:
        """Whole days in words, the last one included."""
        if not period.until:
            return self.language.filled(f"{PREFIX}.period.chosen")
        last = (date.fromisoformat(period.until) - timedelta(days=1)).isoformat()
        if not period.since:
            return self.language.filled(f"{PREFIX}.period.until", last=last)
        if period.since == last:
            return self.language.filled(f"{PREFIX}.period.day", last=last)
        return self.language.filled(f"{PREFIX}.period.between", since=period.since, last=last)

    def theme(self, concept: str, features: Sequence[str]) -> str:
        """Name of a concept, of the feature or player that stands alone, or of several together."""
        code = self.language.code
        if not concept:
            return self.language.filled(f"{PREFIX}.several")
        known = next((one.label(code) for one in self.description.concepts if one.id == concept), "")
        return known or self.language.join([self.description.feature(one).label(code) for one in features])

    def subject(self, by: str) -> str:
        """Name of what a cohort is cut by."""
        if by == BAND:
            return self.language.filled(f"{PREFIX}.band")
        return self.description.feature(by).label(self.language.code)

    def cell(self, by: str, cell: Cell) -> str:
        """What the records of a segment have in common, in words."""
        found = self._values(by, cell)
        if not cell.missing:
            return found
        nothing = self.language.word("words.not_given")
        return self.language.filled(f"{PREFIX}.cell.or_not_given", cell=found) if found else nothing

    def _values(self, by: str, cell: Cell) -> str:
        language = self.language
        if by == BAND:
            labels = {band.id: band.label(language.code) for band in self.output.bands}
            return language.either([labels[value] for value in cell.values])
        feature = self.description.feature(by)
        if feature.kind is Kind.BOOLEAN:
            return language.either(
                [language.word("words.yes" if value == "true" else "words.no") for value in cell.values]
            )
        if cell.values:
            return language.either([feature.category_label(value, language.code) for value in cell.values])
        bounds = {
            name: language.quantity(value, feature.unit)
            for name, value in (("low", cell.low), ("high", cell.high))
            if value is not None
        }
        kind = {(): "given", ("low",): "from", ("high",): "below", ("low", "high"): "between"}[tuple(bounds)]
        if kind == "given" and cell.missing:
            return ""
        return language.filled(f"{PREFIX}.cell.{kind}", **bounds)

    @cached_property
    def weaker(self) -> tuple[tuple[str, Segment], ...]:
        """Segments with more explanations that have limits than the rest, beyond chance; what each is cut by."""
        return tuple(
            (cut.by, segment)
            for cut in self.cohort.segments
            for segment in cut.segments
            if segment.weaker is Comparison.HIGHER
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSection:
    """A view's context as one section sees it."""

    view: CohortContext
    spec: CohortSpec

    def sentences(self, key: str, **slots: SlotValue) -> tuple[str, ...]:
        """The sentences under `key`, with their slots filled."""
        found = self.view.language.catalogue.find(*cohort_keys(self.spec, key))
        if found is None:
            # The loader has checked every key that a section declares, so this is a mistake in the section's code.
            msg = f"section '{self.spec.id}' uses the message '{key}' without declaring it"
            raise KeyError(msg)
        values = {**self.view.common, **slots}
        return tuple(message.fill(values, self.view.language) for message in found)

    def say(self, key: str, **slots: SlotValue) -> str:
        """The sentences under `key` as one text."""
        return " ".join(self.sentences(key, **slots))

    def range_of(self, share: Share) -> str:
        """A share in words with the range that chance leaves."""
        return self.say("range", share=fraction(share.percent), low=share.low / 100, high=share.high / 100)


def fraction(percent: int) -> float:
    """A share in whole percent as the slot type `percent` wants it; what rounds to none is less than one percent."""
    return percent / 100 if percent else _LESS_THAN_ONE
