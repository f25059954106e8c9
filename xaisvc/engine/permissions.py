"""Who gets what: pure decisions about bundles, audiences, records, methods and numbers for one caller.

What a caller may not know of answers exactly as what does not exist: the same error in the same words, found by the
same steps. What everybody knows of but the caller may not use (methods, numbers) is refused with what is covered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from xaisvc import errors
from xaisvc.types import LOCAL, RAW_AUDIENCE, Digests, Feature, Output, TensorColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xaisvc.engine.commands import ExplainCommand, ModelInfo
    from xaisvc.types import Caller

_T = TypeVar("_T")

NO_NUMBERS_ERROR = (
    "the model's answer for this row cannot be explained; a caller with the rights of the audience "
    f"'{RAW_AUDIENCE}' sees the cause: tell whoever keeps the model"
)
"""Stands for every text about what the model answered, for callers who may not see numbers."""

NOT_USABLE_ERROR = "the model cannot be used for this now; whoever runs the service finds the cause: tell them"
"""Stands for every text about files and devices, for the same callers."""

TOO_MUCH_WORK = "this takes more work or memory than one request may; send fewer rows at a time, or lower the budget"
"""Stands for texts about what a request would cost, from which the number of background rows could be told."""

_COST_REASONS = frozenset({"TOO_MUCH_WORK", "LIMIT_EXCEEDED"})

_OPEN_ERRORS = (
    errors.InvalidInputError,
    errors.NotFoundError,
    errors.StoreError,
    errors.AbandonedError,
    errors.BusyError,
    errors.TooLateError,
    errors.NotAuthenticatedError,
    errors.NotAllowedError,
)
"""Errors whose texts say nothing but what the caller sent, may have or has to wait for. All others are kept back."""


def no_such_bundle(name: str) -> errors.NotFoundError:
    """What is answered for a bundle that is not served, or not to this caller."""
    return errors.NotFoundError(f"there is no model {name!r}; ask ModelService.ListModels for the known ones")


def no_such_audience(name: str, known: Iterable[str]) -> errors.NotFoundError:
    """What is answered for an audience that is not declared, or not for this caller.

    Args:
        name: The audience asked for.
        known: Those that there are for the caller.
    """
    return errors.NotFoundError(f"there is no audience {name!r}; known audiences: {', '.join(known)}")


def no_such_record() -> errors.NotFoundError:
    """What is answered for a record that does not exist, or not for this caller."""
    return errors.NotFoundError("there is no explanation with this id")


def visible_bundles(bundles: Mapping[str, _T], caller: Caller) -> dict[str, _T]:
    """The bundles that exist for a caller, in the same order."""
    return {name: bundle for name, bundle in bundles.items() if caller.may_use_bundle(name)}


def visible_audiences(audiences: Mapping[str, _T], caller: Caller) -> dict[str, _T]:
    """The audiences that exist for a caller, in the same order."""
    return {name: audience for name, audience in audiences.items() if caller.may_read_as(name)}


def permitted_bundle(bundles: Mapping[str, _T], name: str, caller: Caller) -> _T:
    """The bundle with this name.

    Raises:
        NotFoundError: If there is none for this caller.
    """
    found, allowed = bundles.get(name), caller.may_use_bundle(name)
    if found is None or not allowed:
        raise no_such_bundle(name)
    return found


def permitted_audience(audiences: Mapping[str, _T], name: str, caller: Caller) -> _T:
    """The audience with this id.

    Raises:
        NotFoundError: If there is none for this caller; names those that there are.
    """
    found, allowed = audiences.get(name), caller.may_read_as(name)
    if found is None or not allowed:
        raise no_such_audience(name, visible_audiences(audiences, caller))
    return found


def is_of_tenant(caller: Caller, tenant: str) -> bool:
    """Whether what was made for a tenant is a caller's to see. Where no tokens are in use, everything is."""
    return caller == LOCAL or tenant == caller.tenant


def check_record(caller: Caller, *, bundle: str, tenant: str) -> None:
    """Whether a stored record exists for a caller: its bundle does, and it was made for the same tenant.

    Args:
        caller: Who asks. Where no tokens are in use, records of every tenant exist.
        bundle: The record's bundle.
        tenant: Tenant of the caller it was made for.

    Raises:
        NotFoundError: If it does not.
    """
    ours, allowed = is_of_tenant(caller, tenant), caller.may_use_bundle(bundle)
    if not ours or not allowed:
        raise no_such_record()


def check_numbers(caller: Caller, what: str = "explanations in full") -> None:
    """Whether a caller may see raw attributions, base values and withheld features.

    Args:
        caller: Who asks.
        what: What they asked for, in words.

    Raises:
        NotAllowedError: If not; says what to ask for instead.
    """
    if not caller.sees_numbers:
        raise errors.NotAllowedError(
            f"{what} are for callers with the audience '{RAW_AUDIENCE}'; this token covers views for: "
            f"{', '.join(sorted(caller.audiences or ())) or 'no audience'}"
        )


def check_method(method: str, caller: Caller) -> None:
    """Whether a caller may name this method.

    Raises:
        NotAllowedError: If not; names those that the caller may name.
    """
    if not caller.may_name_method(method):
        covered = ", ".join(("auto", *sorted(caller.methods or ())))
        raise errors.NotAllowedError(f"method: this token does not cover method {method!r}; it covers: {covered}")


def check_command(command: ExplainCommand, caller: Caller) -> None:
    """Whether a caller may have rows explained like this; bundle and audiences are asked for by their names.

    Groups of the caller's own making are for those who may see numbers: from views of one row under several groupings
    the share of a withheld feature could be told.

    Raises:
        NotAllowedError: If the method or the players are not covered; says what is.
    """
    check_method(command.method, caller)
    if not isinstance(command.players, str):
        check_numbers(caller, "players of the caller's own making")


def visible_model(info: ModelInfo, caller: Caller) -> ModelInfo:
    """What a caller may know of a model that exists for them.

    Everybody gets what it takes to send rows and to ask for views: ids, kinds, units, categories, whether a value may
    be missing, labels, outputs, the audiences that they have rights to, and what the model says of itself. Only callers
    who see numbers get the rest: sensitivity and what stands for it, origins, concepts, ways to change, tensors,
    observed ranges, thresholds, bands, notes, studies, warnings, the number of background rows, and the digests (one of
    a file with a single unknown threshold would tell the threshold to whoever tries them all).
    """
    if caller.methods is not None:
        info = replace(
            info,
            methods=tuple(filter(caller.may_name_method, info.methods)),
            exact_methods=tuple(filter(caller.may_name_method, info.exact_methods)),
        )
    if caller.audiences is not None:
        info = replace(
            info,
            description=replace(
                info.description, audiences=tuple(filter(caller.may_read_as, info.description.audiences))
            ),
            audiences=tuple(filter(caller.may_read_as, info.audiences)),
        )
    if caller.sees_numbers:
        return info
    described = info.description
    return replace(
        info,
        description=replace(
            described,
            features=tuple(map(_bare_feature, described.features)),
            outputs=tuple(map(_bare_output, described.outputs)),
            concepts=(),
            notes="",
        ),
        digests=Digests(model="", background="", schema=""),
        background_rows=0,
        studies="",
        warnings=(),
    )


def _bare_feature(feature: Feature) -> Feature:
    """A new feature of what may be known, so that a field that is added one day is kept back until it is named here."""
    return Feature(
        id=feature.id,
        kind=feature.kind,
        source=TensorColumn(tensor=""),
        unit=feature.unit,
        categories=feature.categories,
        allow_missing=feature.allow_missing,
        labels=feature.labels,
        category_labels=feature.category_labels,
    )


def _bare_output(output: Output) -> Output:
    return Output(id=output.id, tensor="", tensor_space=output.tensor_space, space=output.space, labels=output.labels)


def safe_error(error: errors.XaisvcError, caller: Caller) -> errors.XaisvcError:
    """The error as a caller may read it.

    Texts about the model's answers hold numbers (outputs, gaps), those about costs hold the size of the background, and
    those about bundles and devices hold facts of files. Callers who may not see numbers get a general text instead, the
    same for every cause.
    """
    if caller.sees_numbers:
        return error
    if isinstance(error, errors.LimitExceededError):
        costs = [found for found in error.violations if found.reason in _COST_REASONS]
        if not costs:
            return error
        field, reason = costs[0].field, costs[0].reason
        return errors.LimitExceededError(
            f"{field}: {TOO_MUCH_WORK}", (errors.FieldViolation(field, reason, TOO_MUCH_WORK),)
        )
    if isinstance(error, _OPEN_ERRORS):
        return error
    if isinstance(error, errors.ModelOutputError):
        return errors.ModelOutputError(NO_NUMBERS_ERROR, whatever_rows=error.whatever_rows)
    return errors.BundleError(NOT_USABLE_ERROR)
