"""Every value that can travel has a word on the wire, and comes back as itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xaisvc import wire
from xaisvc.types import Adverse, Direction, Gate, Kind, Level, Sensitivity, Severity, Space
from xaisvc.views import ViewStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TABLES = {
    "space": (Space, wire.SPACE_TO_WIRE, wire.SPACE_FROM_WIRE),
    "kind": (Kind, wire.KIND_TO_WIRE, wire.KIND_FROM_WIRE),
    "sensitivity": (Sensitivity, wire.SENSITIVITY_TO_WIRE, wire.SENSITIVITY_FROM_WIRE),
    "adverse": (Adverse, wire.ADVERSE_TO_WIRE, wire.ADVERSE_FROM_WIRE),
    "direction": (Direction, wire.DIRECTION_TO_WIRE, wire.DIRECTION_FROM_WIRE),
    "severity": (Severity, wire.SEVERITY_TO_WIRE, wire.SEVERITY_FROM_WIRE),
    "gate": (Gate, wire.GATE_TO_WIRE, wire.GATE_FROM_WIRE),
    "level": (Level, wire.LEVEL_TO_WIRE, wire.LEVEL_FROM_WIRE),
    "view status": (ViewStatus, wire.VIEW_STATUS_TO_WIRE, wire.VIEW_STATUS_FROM_WIRE),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_value_travels_and_returns(name: str) -> None:
    values: Iterable[str]
    there: Mapping[str, int]
    back: Mapping[int, str]
    values, there, back = TABLES[name]  # type: ignore[assignment]

    assert {value: back[there[value]] for value in values} == {value: value for value in values}
