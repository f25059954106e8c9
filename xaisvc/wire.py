"""Words that the protocol and the library share: enums, single values and the reasons of errors.

The server's and the client's conversions go in opposite directions and have only this vocabulary in common, so it
stands here once. Knows nothing of gRPC calls, of the engine or of whole messages.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from xaisvc import errors
from xaisvc.types import Adverse, Direction, Gate, Kind, Level, Sensitivity, Severity, Space
from xaisvc.v1 import explanations_pb2, feedback_pb2, models_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

_K = TypeVar("_K")
_V = TypeVar("_V")

DOMAIN = "xaisvc"
"""Domain of every `google.rpc.ErrorInfo` that the service sends."""

STOPPING_REASON = "STOPPING"
"""Reason with which a service that is shutting down refuses new calls."""

INTERNAL_REASON = "INTERNAL"
"""Reason of an error that the service did not expect; its text holds a correlation id and nothing else."""


def _inverse(table: Mapping[_K, _V]) -> Mapping[_V, _K]:
    """The table read from right to left; every pair must be one to one."""
    inverse = {value: key for key, value in table.items()}
    if len(inverse) != len(table):
        msg = "two entries of a protocol table have the same value"
        raise AssertionError(msg)
    return MappingProxyType(inverse)


SPACE_TO_WIRE: Mapping[Space, models_pb2.Space.ValueType] = MappingProxyType(
    {
        Space.PROBABILITY: models_pb2.SPACE_PROBABILITY,
        Space.LOG_ODDS: models_pb2.SPACE_LOG_ODDS,
        Space.RAW: models_pb2.SPACE_RAW,
    }
)
SPACE_FROM_WIRE = _inverse(SPACE_TO_WIRE)

KIND_TO_WIRE: Mapping[Kind, models_pb2.Kind.ValueType] = MappingProxyType(
    {
        Kind.NUMERIC: models_pb2.KIND_NUMERIC,
        Kind.INTEGER: models_pb2.KIND_INTEGER,
        Kind.BOOLEAN: models_pb2.KIND_BOOLEAN,
        Kind.CATEGORY: models_pb2.KIND_CATEGORY,
        Kind.DATE: models_pb2.KIND_DATE,
    }
)
KIND_FROM_WIRE = _inverse(KIND_TO_WIRE)

SENSITIVITY_TO_WIRE: Mapping[Sensitivity | None, models_pb2.Sensitivity.ValueType] = MappingProxyType(
    {
        None: models_pb2.SENSITIVITY_UNSPECIFIED,
        Sensitivity.PUBLIC: models_pb2.SENSITIVITY_PUBLIC,
        Sensitivity.CUSTOMER_OWN: models_pb2.SENSITIVITY_CUSTOMER_OWN,
        Sensitivity.INTERNAL: models_pb2.SENSITIVITY_INTERNAL,
        Sensitivity.CONFIDENTIAL: models_pb2.SENSITIVITY_CONFIDENTIAL,
        Sensitivity.PROTECTED: models_pb2.SENSITIVITY_PROTECTED,
        Sensitivity.PROXY: models_pb2.SENSITIVITY_PROXY,
        Sensitivity.FRAUD_SIGNAL: models_pb2.SENSITIVITY_FRAUD_SIGNAL,
        Sensitivity.AML: models_pb2.SENSITIVITY_AML,
    }
)
SENSITIVITY_FROM_WIRE = _inverse(SENSITIVITY_TO_WIRE)

ADVERSE_TO_WIRE: Mapping[Adverse | None, models_pb2.Adverse.ValueType] = MappingProxyType(
    {
        None: models_pb2.ADVERSE_UNSPECIFIED,
        Adverse.HIGHER: models_pb2.ADVERSE_HIGHER,
        Adverse.LOWER: models_pb2.ADVERSE_LOWER,
    }
)
ADVERSE_FROM_WIRE = _inverse(ADVERSE_TO_WIRE)

DIRECTION_TO_WIRE: Mapping[Direction, models_pb2.Direction.ValueType] = MappingProxyType(
    {
        Direction.INCREASE: models_pb2.DIRECTION_INCREASE,
        Direction.DECREASE: models_pb2.DIRECTION_DECREASE,
        Direction.ANY: models_pb2.DIRECTION_ANY,
    }
)
DIRECTION_FROM_WIRE = _inverse(DIRECTION_TO_WIRE)

SEVERITY_TO_WIRE: Mapping[Severity, explanations_pb2.Severity.ValueType] = MappingProxyType(
    {
        Severity.INFO: explanations_pb2.SEVERITY_INFO,
        Severity.CARE: explanations_pb2.SEVERITY_CARE,
        Severity.UNRELIABLE: explanations_pb2.SEVERITY_UNRELIABLE,
    }
)
SEVERITY_FROM_WIRE = _inverse(SEVERITY_TO_WIRE)

GATE_TO_WIRE: Mapping[Gate, explanations_pb2.CaveatGate.ValueType] = MappingProxyType(
    {
        Gate.NO_REASONS: explanations_pb2.CAVEAT_GATE_NO_REASONS,
        Gate.NOT_A_REASON: explanations_pb2.CAVEAT_GATE_NOT_A_REASON,
        Gate.NO_RANKING: explanations_pb2.CAVEAT_GATE_NO_RANKING,
    }
)
GATE_FROM_WIRE = _inverse(GATE_TO_WIRE)

LEVEL_TO_WIRE: Mapping[Level, explanations_pb2.Reliability.ValueType] = MappingProxyType(
    {
        Level.NORMAL: explanations_pb2.RELIABILITY_NORMAL,
        Level.CARE: explanations_pb2.RELIABILITY_CARE,
        Level.UNRELIABLE: explanations_pb2.RELIABILITY_UNRELIABLE,
    }
)
LEVEL_FROM_WIRE = _inverse(LEVEL_TO_WIRE)

VIEW_STATUS_TO_WIRE: Mapping[str, explanations_pb2.ViewStatus.ValueType] = MappingProxyType(
    {
        "complete": explanations_pb2.VIEW_STATUS_COMPLETE,
        "held_for_review": explanations_pb2.VIEW_STATUS_HELD_FOR_REVIEW,
        "not_available": explanations_pb2.VIEW_STATUS_NOT_AVAILABLE,
        "judgement_first": explanations_pb2.VIEW_STATUS_JUDGEMENT_FIRST,
    }
)
VIEW_STATUS_FROM_WIRE = _inverse(VIEW_STATUS_TO_WIRE)

VERDICT_TO_WIRE: Mapping[str, feedback_pb2.Verdict.ValueType] = MappingProxyType(
    {
        "": feedback_pb2.VERDICT_UNSPECIFIED,
        "agree": feedback_pb2.VERDICT_AGREE,
        "deviate": feedback_pb2.VERDICT_DEVIATE,
        "not_used": feedback_pb2.VERDICT_NOT_USED,
    }
)
VERDICT_FROM_WIRE = _inverse(VERDICT_TO_WIRE)

REASON_TO_ERROR: Mapping[str, type[errors.XaisvcError]] = MappingProxyType(
    {
        "INVALID_INPUT": errors.InvalidInputError,
        "INVALID_ROWS": errors.InvalidRowsError,
        "INVALID_REQUEST": errors.InvalidRequestError,
        "BUDGET_TOO_SMALL": errors.BudgetTooSmallError,
        "METHOD_NOT_APPLICABLE": errors.MethodNotApplicableError,
        "LIMIT_EXCEEDED": errors.LimitExceededError,
        "NOT_FOUND": errors.NotFoundError,
        "BUNDLE_INVALID": errors.BundleError,
        "UNSAFE_MODEL": errors.UnsafeModelError,
        "BUNDLE_CHANGED": errors.BundleChangedError,
        "AUDIENCE_INVALID": errors.AudienceError,
        "ABANDONED": errors.AbandonedError,
        "MODEL_OUTPUT": errors.ModelOutputError,
        "NOT_ADDITIVE": errors.AdditivityError,
        "RUNTIME_UNAVAILABLE": errors.RuntimeUnavailableError,
        "RECORDS_UNAVAILABLE": errors.StoreError,
        "BUSY": errors.BusyError,
        "TOO_LATE": errors.TooLateError,
        "NOT_AUTHENTICATED": errors.NotAuthenticatedError,
        "NOT_ALLOWED": errors.NotAllowedError,
    }
)
"""Stable reason in `google.rpc.ErrorInfo` to the class that the client raises again."""

ERROR_TO_REASON = _inverse(REASON_TO_ERROR)


def value_to_wire(value: float | str | bool | None) -> explanations_pb2.Value:  # noqa: FBT001 - a value, not a switch
    """One value as a message; a float without fraction stays a float."""
    if value is None:
        return explanations_pb2.Value(missing=explanations_pb2.Missing())
    if isinstance(value, bool):
        return explanations_pb2.Value(boolean=value)
    if isinstance(value, int):
        return explanations_pb2.Value(integer=value)
    if isinstance(value, float):
        return explanations_pb2.Value(number=value)
    return explanations_pb2.Value(text=value)


def value_from_wire(value: explanations_pb2.Value) -> float | str | bool | None:
    """One value of a message.

    Raises:
        ValueError: If the message holds none of the kinds known here.
    """
    kind = value.WhichOneof("kind")
    if kind == "number":
        return value.number
    if kind == "integer":
        return value.integer
    if kind == "text":
        return value.text
    if kind == "boolean":
        return value.boolean
    if kind == "missing":
        return None
    msg = "a value without content"
    raise ValueError(msg)


def is_missing_number(value: object) -> bool:
    """Whether a value is the NaN with which tables mark missing values."""
    return isinstance(value, float) and math.isnan(value)
