"""Stored explanations of one row by several methods: where the others and the first one disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.caveats import method_agreement, method_disagreement
from xaisvc.engine.commands import Comparison, MethodComparison
from xaisvc.errors import FieldViolation, InvalidRequestError, NotFoundError
from xaisvc.types import Attribution, Players

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xaisvc.types import ExplanationRecord

FEWEST = 2
MOST = 5
SHOWN_FEATURES = 3
"""Most features that a refusal names."""


def compare_stored(ids: Sequence[str], read: Callable[[str], ExplanationRecord]) -> Comparison:
    """Compares stored explanations of one row by several methods with the first of them. No model is run.

    Args:
        ids: Ids of two to five explanations, each by another method: the same version of the same model, the same row,
            output, space and players.
        read: The explanation with an id; raises NotFoundError.

    Returns:
        What `explain_methods` would have told of the row, and how far the methods agree.

    Raises:
        NotFoundError: As `read` does, with the place of the id.
        InvalidRequestError: If the explanations cannot be compared; names each that does not fit, and what to do.
    """
    _check_ids(ids)
    records = []
    for place, record_id in enumerate(ids):
        try:
            records.append(read(record_id))
        except NotFoundError as error:
            raise NotFoundError(f"{_place(place)}: {error}") from None
    _check_records(records)
    return _compared(records)


def _check_ids(ids: Sequence[str]) -> None:
    if len(ids) < FEWEST:
        raise InvalidRequestError.of(
            "ids",
            f"got {len(ids)}; name the ids of {FEWEST} to {MOST} explanations of one row, each by another method, "
            "such as tree and lime",
            reason="REQUIRED",
        )
    if len(ids) > MOST:
        raise InvalidRequestError.of("ids", f"got {len(ids)}, but at most {MOST} are compared at a time; name fewer")
    wrong = []
    for place, record_id in enumerate(ids):
        if not record_id:
            text = "no explanation is named; use the id that Explain answered"
            wrong.append(FieldViolation(_place(place), "REQUIRED", text))
        elif record_id in ids[:place]:
            text = f"is the same as {_place(ids.index(record_id))}; name each explanation once"
            wrong.append(FieldViolation(_place(place), "NAMED_TWICE", text))
    _refuse(wrong)


def _check_records(records: Sequence[ExplanationRecord]) -> None:
    wrong = []
    for place, record in enumerate(records[1:], start=1):
        found = _misfit(records[0], record) or _same_method(records[:place], record)
        if found is not None:
            wrong.append(FieldViolation(_place(place), *found))
    _refuse(wrong)


def _misfit(first: ExplanationRecord, other: ExplanationRecord) -> tuple[str, str] | None:
    """Why two explanations are not of the same question, as reason and text; None if they are."""
    one, second = first.attribution, other.attribution
    if (first.bundle, first.bundle_version) != (other.bundle, other.bundle_version):
        return "OTHER_MODEL", (
            f"explains {_model(other)} and {_place(0)} explains {_model(first)}; compare explanations of one model and "
            "version"
        )
    if first.digests != other.digests:
        return "OTHER_MODEL", (
            f"was made with other files of {_model(first)} than {_place(0)}: model, background or schema were "
            "replaced in between; explain the row again by each method"
        )
    differing = [feature for feature, value in first.row.items() if value != other.row[feature]]
    if differing:
        more = len(differing) - SHOWN_FEATURES
        names = ", ".join(differing[:SHOWN_FEATURES]) + (f" and {more} more" if more > 0 else "")
        return (
            "OTHER_ROW",
            f"explains another row than {_place(0)}: they differ in {names}; compare explanations of one row",
        )
    if (first.output.id, one.space) != (other.output.id, second.space):
        return "OTHER_OUTPUT", (
            f"explains output '{other.output.id}' in {second.space} and {_place(0)} output '{first.output.id}' in "
            f"{one.space}; explain the row with the same output and space"
        )
    if _players(first) != _players(other):
        return "OTHER_PLAYERS", (
            f"shares the credit among other players than {_place(0)}; explain the row with the same players or "
            "player_groups"
        )
    return None


def _same_method(before: Sequence[ExplanationRecord], other: ExplanationRecord) -> tuple[str, str] | None:
    methods = [record.attribution.method for record in before]
    method = other.attribution.method
    if method not in methods:
        return None
    place = _place(methods.index(method))
    return "SAME_METHOD", f"was made by {method}, as {place} was; compare explanations by different methods"


def _refuse(wrong: Sequence[FieldViolation]) -> None:
    if wrong:
        raise InvalidRequestError("; ".join(f"{one.field}: {one.description}" for one in wrong), wrong)


def _compared(records: Sequence[ExplanationRecord]) -> Comparison:
    first = records[0]
    players, reference = _players(first), _attribution(first)
    others = []
    for record in records[1:]:
        attribution = _attribution(record)
        agreement = method_agreement(reference, attribution)
        others.append(
            MethodComparison(
                id=record.id,
                method=attribution.method,
                caveats=method_disagreement(reference, attribution, players)[0],
                material_players=int(agreement.material_players[0]),
                kendall_tau=_known(agreement.kendall_tau[0]),
                sign_agreement=_known(agreement.sign_agreement[0]),
                leader_agreement=_known(agreement.leader_agreement[0]),
            )
        )
    return Comparison(id=first.id, method=reference.method, others=tuple(others))


def _attribution(record: ExplanationRecord) -> Attribution:
    """The numbers of a record as those of one row."""
    recorded = record.attribution
    return Attribution(
        values=np.array([[share.value for share in recorded.players]]),
        base_values=np.array([recorded.base_value]),
        outputs=np.array([recorded.output]),
        standard_errors=np.array([[share.standard_error for share in recorded.players]]),
        method=recorded.method,
        exact=recorded.exact,
        model_evaluations=np.array([recorded.model_evaluations]),
        value_function=recorded.value_function,
    )


def _players(record: ExplanationRecord) -> Players:
    """Who shares the credit; however the same groups came about, they are the same players."""
    shares = record.attribution.players
    return Players(names=tuple(share.player for share in shares), members=tuple(share.features for share in shares))


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _model(record: ExplanationRecord) -> str:
    return f"{record.bundle} {record.bundle_version}"


def _place(place: int) -> str:
    """The name of an id by its place in the request."""
    return f"ids[{place}]"
