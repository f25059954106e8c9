"""Studies as arrays, so that they can be kept beside the plans of a bundle: numbers as they are, the rest as JSON.

Only the frozen values named in `_KNOWN` can come out, whatever a file says. Equal studies give equal arrays.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from xaisvc.types import association, proxies, reliance, second_opinion, studies, support, units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

T = TypeVar("T")

_TEXT = "text"
_KNOWN: Final[Mapping[str, type]] = MappingProxyType(
    {
        one.__name__: one
        for one in (
            association.Association,
            association.Power,
            association.Redundancy,
            association.Route,
            proxies.Proxies,
            proxies.Proxy,
            reliance.FeatureReliance,
            reliance.Hindrance,
            reliance.Manipulation,
            reliance.Reliance,
            reliance.Sign,
            reliance.Swaps,
            reliance.Use,
            second_opinion.ComparedColumn,
            second_opinion.LinkedPlan,
            second_opinion.OpinionPlan,
            studies.PlayerSpread,
            support.Density,
            support.Hybrids,
            support.Margins,
            support.Student,
            support.Support,
            units.Units,
        )
    }
)


@cache
def study_form() -> str:
    """A name for what studies are made of: another one as soon as a class or a field of them has another name."""
    made_of = {
        name: [field.name for field in fields(kind)] if is_dataclass(kind) else [] for name, kind in _KNOWN.items()
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def encode_study(study: object) -> dict[str, NDArray[np.generic]]:
    """A study, or a tuple of studies, as named arrays.

    Raises:
        TypeError: If it holds something that no study holds.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    content = json.dumps(_written(study, arrays), sort_keys=True).encode()
    return {_TEXT: np.frombuffer(content, dtype=np.uint8).copy(), **arrays}


def decode_study(kind: type[T], arrays: Arrays) -> T:
    """The study in these arrays; its own arrays are copies that may be written to, as compiled code wants them.

    Raises:
        TypeError: If it is of another kind, or of none that is known.
    """
    found = _read(json.loads(arrays[_TEXT].tobytes()), arrays)
    if not isinstance(found, kind):
        msg = f"these arrays hold {type(found).__name__}, not {kind.__name__}"
        raise TypeError(msg)
    return found


def _written(value: object, arrays: dict[str, NDArray[np.generic]]) -> object:
    """A value as JSON: plain ones as they are, all others as a list that begins with what they are."""
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return ["array", name]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Enum):
        return ["enum", type(value).__name__, value.value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return ["tuple", *(_written(one, arrays) for one in value)]
    if isinstance(value, dict | MappingProxyType):
        return ["mapping", *([key, _written(one, arrays)] for key, one in value.items())]
    if is_dataclass(value) and type(value).__name__ in _KNOWN:
        parts = {one.name: _written(getattr(value, one.name), arrays) for one in fields(value)}
        return ["study", type(value).__name__, parts]
    msg = f"{type(value).__name__} is no part of a study"
    raise TypeError(msg)


def _read(content: Any, arrays: Arrays) -> object:  # noqa: ANN401 - what JSON can hold
    if not isinstance(content, list):
        return content
    form, *rest = content
    if form == "array":
        return arrays[rest[0]].copy()
    if form == "tuple":
        return tuple(_read(one, arrays) for one in rest)
    if form == "mapping":
        return {key: _read(one, arrays) for key, one in rest}
    known = _KNOWN[rest[0]]
    if form == "enum":
        return known(rest[1])
    return known(**{name: _read(one, arrays) for name, one in rest[1].items()})
