"""Turns explanations into the columns that a cohort is made from, without what an audience may not see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xaisvc.cohorts import Columns, Question
from xaisvc.engine.frames import INTERVENTIONAL, LOCAL_SURROGATE, batch_answers
from xaisvc.records.answers import answer_columns
from xaisvc.types import Adverse, Digests, Kind, RowAnswer, Sensitivity, Severity
from xaisvc.views.audience import Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xaisvc.cohorts.columns import Column
    from xaisvc.engine.batch import ExplanationBatch
    from xaisvc.types import (
        AnswerColumns,
        AnswerFrame,
        BundleDescription,
        CaveatTable,
        ExplanationRecord,
        Feature,
    )
    from xaisvc.views import Audience

_WATCHED = frozenset({Sensitivity.PROTECTED, Sensitivity.PROXY})
_LEVEL_OF = {Severity.INFO: 0, Severity.CARE: 1, Severity.UNRELIABLE: 2}
_UNUSED_KIND = "attributed_but_unused"
_DIGEST_BYTES = 8

Row = tuple[float | str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an explanation answers. Explanations of one cohort answer the same; two cohorts may differ in the model.

    Attributes:
        bundle: Name of the bundle.
        bundle_version: Its owner's version.
        digests: What was pinned.
        output: Id of the explained output.
        space: Unit of the explained number.
        value_function: `interventional`, or `local_surrogate` for LIME.
        names: Names of the players.
        members: Their features.
    """

    bundle: str
    bundle_version: str
    digests: Digests
    output: str
    space: str
    value_function: str
    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]

    @classmethod
    def of_frame(cls, frame: AnswerFrame) -> Asked:
        """What the answers of a frame answer."""
        return cls(
            bundle=frame.bundle,
            bundle_version=frame.bundle_version,
            digests=frame.digests,
            output=frame.output,
            space=frame.space,
            value_function=frame.value_function,
            names=frame.players.names,
            members=frame.players.members,
        )

    @classmethod
    def of_record(cls, record: ExplanationRecord) -> Asked:
        """What a record answers."""
        numbers = record.attribution
        return cls(
            bundle=record.bundle,
            bundle_version=record.bundle_version,
            digests=record.digests,
            output=record.output.id,
            space=numbers.space,
            value_function=numbers.value_function,
            names=tuple(share.player for share in numbers.players),
            members=tuple(share.features for share in numbers.players),
        )

    @classmethod
    def of_batch(cls, batch: ExplanationBatch) -> Asked:
        """What the explanations of a batch answer."""
        source = batch.provenance
        return cls(
            bundle=source.description.name,
            bundle_version=source.description.version,
            digests=source.digests,
            output=source.output.id,
            space=batch.space,
            value_function=LOCAL_SURROGATE if batch.method.startswith("lime") else INTERVENTIONAL,
            names=source.players.names,
            members=source.players.members,
        )

    def is_like(self, other: Asked) -> bool:
        """Whether two cohorts can be compared: the same question, whatever version of the model answered it."""
        return (self.bundle, self.output, self.space, self.value_function, self.names, self.members) == (
            other.bundle,
            other.output,
            other.space,
            other.value_function,
            other.names,
            other.members,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the explanations of one question are read for an audience.

    Attributes:
        question: What may be shown of it.
        players: Places of the players that may be shown, among all.
        names: Names of all players.
        shown: The features that may be shown.
    """

    question: Question
    players: tuple[int, ...]
    names: tuple[str, ...]
    shown: tuple[Feature, ...]

    @classmethod
    def of(cls, asked: Asked, description: BundleDescription, audience: Audience) -> Reading:
        """Leaves out what the audience may not see; a player with one such feature is left out as a whole."""
        shown = tuple(one for one in description.features if audience.action(one) is Action.SHOW)
        ids = {one.id for one in shown}
        output = description.output(asked.output)
        players = tuple(place for place, members in enumerate(asked.members) if ids.issuperset(members))
        question = Question(
            bundle=asked.bundle,
            bundle_version=asked.bundle_version,
            output=asked.output,
            players=tuple(asked.members[place] for place in players),
            names=tuple(asked.names[place] for place in players),
            bands=tuple(band.id for band in output.bands),
            features=shown,
            watched=frozenset(one.id for one in shown if one.sensitivity in _WATCHED),
            adverse_sign=-1 if output.adverse is Adverse.LOWER else 1,
        )
        return cls(question=question, players=players, names=asked.names, shown=shown)

    def columns(self, answers: AnswerColumns, features: Mapping[str, Column], persons: NDArray[np.uint64]) -> Columns:
        """The columns of some explanations.

        Args:
            answers: What was found.
            features: Values of the features that may be shown, as a table has them.
            persons: What stands for the person behind each row; uint64, (n,).
        """
        place_of = {band: place for place, band in enumerate(self.question.bands)}
        places = [place_of.get(band, -1) for band in answers.bands]
        values = answers.values[:, list(self.players)]
        levels, caveats, told = self._caveats(answers.caveats, values)
        is_known = all(one is not None for one in answers.adverse)
        return Columns(
            persons=persons,
            predictions=answers.predictions,
            adverse=np.array(answers.adverse, dtype=np.bool_) if is_known else None,
            levels=levels,
            bands=np.array(places, dtype=np.intp) if place_of and -1 not in places else None,
            values=values,
            features=dict(features),
            caveats=caveats,
            told=told,
        )

    def _caveats(
        self, table: CaveatTable, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.int8], dict[str, NDArray[np.bool_]], dict[str, tuple[str, ...]]]:
        """Levels and kinds of the rows, and the features that caveats name; what is proven unused gets no influence."""
        n = len(table)
        rows = np.repeat(np.arange(n), np.diff(table.starts))
        orders = np.array([_LEVEL_OF[form.severity] for form in table.forms], dtype=np.int8)
        levels = np.zeros(n, dtype=np.int8)
        if len(rows):
            np.maximum.at(levels, rows, orders[table.said])
        caveats: dict[str, NDArray[np.bool_]] = {}
        told: dict[str, dict[str, None]] = {}
        members = dict(zip(self.question.names, self.question.players, strict=True))
        column = {name: place for place, name in enumerate(self.question.names)}
        for place, form in enumerate(table.forms):
            own = rows[table.said == place]
            if not len(own):
                continue
            caveats.setdefault(form.kind, np.zeros(n, dtype=np.bool_))[own] = True
            named = [name for player in form.players for name in members.get(player, ())]
            told.setdefault(form.kind, {}).update(dict.fromkeys(named))
            if form.kind == _UNUSED_KIND:
                for player in form.players:
                    if player in column:
                        values[own, column[player]] = 0
        order = {one.id: place for place, one in enumerate(self.shown)}
        return levels, caveats, {kind: tuple(sorted(names, key=lambda one: order[one])) for kind, names in told.items()}


def read_batch(batch: ExplanationBatch, reading: Reading) -> Columns:
    """The columns of a batch."""
    persons = persons_of(batch.rows.row_digests())
    features = {one.id: batch.rows.columns[one.id] for one in reading.shown}
    return reading.columns(batch_answers(batch), features, persons)


def read_records(records: Sequence[ExplanationRecord], reading: Reading) -> Columns:
    """The columns of records of one question."""
    answers = answer_columns([_answer_of(record) for record in records])
    persons = persons_of([repr(sorted(record.row.items())).encode() for record in records])
    return reading.columns(answers, shown_columns([record.row for record in records], reading.shown), persons)


def shown_columns(rows: Sequence[Mapping[str, float | str | None]], shown: Sequence[Feature]) -> dict[str, Column]:
    """The values of some features, as a table has them."""
    found: dict[str, Column] = {}
    for one in shown:
        values = [row[one.id] for row in rows]
        if one.kind is Kind.CATEGORY:
            found[one.id] = np.array(values, dtype=np.object_)
        else:
            found[one.id] = np.array(values, dtype=np.float64)  # None becomes NaN
    return found


def persons_of(rows: Sequence[bytes]) -> NDArray[np.uint64]:
    """What stands for the person behind each row: 64 bits of a digest, equal for equal rows; uint64, (n,)."""
    hashed = b"".join([hashlib.blake2b(row, digest_size=_DIGEST_BYTES).digest() for row in rows])
    return np.frombuffer(hashed, dtype="<u8").astype(np.uint64)


def _answer_of(record: ExplanationRecord) -> RowAnswer:
    numbers, output = record.attribution, record.output
    return RowAnswer(
        prediction=output.prediction,
        rank_share=0.0,
        base_value=numbers.base_value,
        output=numbers.output,
        values=np.array([share.value for share in numbers.players]),
        standard_errors=np.array([share.standard_error for share in numbers.players]),
        exact=numbers.exact,
        model_evaluations=numbers.model_evaluations,
        band=output.band,
        adverse=output.adverse,
        detail=numbers.detail,
        diagnostics=numbers.diagnostics,
        caveats=record.caveats,
    )
