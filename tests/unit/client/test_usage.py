"""Usage as the client asks for it and gives it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from xaisvc.client import AudienceUsage
from xaisvc.client.usage import audience_usage, usage_request
from xaisvc.errors import InvalidRequestError
from xaisvc.v1 import feedback_pb2


def test_without_a_period_all_is_asked_for() -> None:
    request = usage_request("credit", None, None)

    assert request == feedback_pb2.GetUsageRequest(model="credit")


def test_times_are_asked_for_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    request = usage_request("credit", datetime(2026, 1, 31, 1, tzinfo=east), datetime(2026, 3, 1, tzinfo=UTC))

    assert request.since.ToJsonString() == "2026-01-30T23:00:00Z"
    assert request.until.ToJsonString() == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize("field", ["since", "until"])
def test_a_time_without_a_time_zone_is_refused(field: str) -> None:
    naive = datetime(2026, 1, 31)  # noqa: DTZ001  what is refused
    times = {"since": None, "until": None, field: naive}
    with pytest.raises(InvalidRequestError, match=f"{field}: says no time zone"):
        usage_request("credit", times["since"], times["until"])


def test_every_number_is_handed_on() -> None:
    numbers = {
        field.name: i
        for i, field in enumerate(feedback_pb2.AudienceUsage.DESCRIPTOR.fields)
        if field.name != "audience"
    }

    found = audience_usage(feedback_pb2.AudienceUsage(audience="customer", **numbers))

    assert found == AudienceUsage(audience="customer", **numbers)
