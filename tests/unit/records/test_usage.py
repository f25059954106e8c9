"""Counting how explanations are used."""

from __future__ import annotations

from tests.unit.records.events import make_event
from xaisvc.records import Event, EventKind, usage


def view(number: int, audience: str, caller: str, day: int, bundle: str = "credit") -> Event:
    at = f"2026-01-{day:02}T09:30:00.000Z"
    head = {"audience": audience}
    return make_event(f"v{number}", kind=EventKind.VIEW, at=at, bundle=bundle, caller=caller, about="e-0", head=head)


def feedback(number: int, audience: str, verdict: str, **facts: str) -> Event:
    head = {"audience": audience, "verdict": verdict, **facts}
    return make_event(f"f{number}", b"free text", kind=EventKind.FEEDBACK, caller="ann", about="e-0", head=head)


def test_opens_readers_and_who_came_back() -> None:
    found = usage(
        [
            view(1, "relationship_manager", "ann", 1),
            view(2, "relationship_manager", "ann", 1),
            view(3, "relationship_manager", "bob", 1),
            view(4, "relationship_manager", "bob", 2),
            view(5, "customer", "ann", 3),
            make_event("e", b"an explanation is no use of it"),
        ]
    )

    assert [(one.audience, one.opens, one.readers, one.repeat_readers) for one in found] == [
        ("customer", 1, 1, 0),
        ("relationship_manager", 4, 2, 1),
    ]


def test_what_became_of_explanations() -> None:
    (found,) = usage(
        [
            feedback(1, "fraud_analyst", "agree", outcome="repaid"),
            feedback(2, "fraud_analyst", "agree", first_judgement="reject", final_judgement="accept"),
            feedback(3, "fraud_analyst", "deviate", reason_code="income", outcome="repaid"),
            feedback(4, "fraud_analyst", "deviate", reason_code="income", first_judgement="accept"),
            feedback(5, "fraud_analyst", "not_used", first_judgement="accept", final_judgement="accept"),
            feedback(6, "fraud_analyst", "", outcome="default"),
        ]
    )

    assert (found.agreements, found.overrides, found.not_used, found.changed_judgements) == (2, 2, 1, 1)
    assert found.reasons == {"income": 2}
    assert found.outcomes == {"default": 1, "repaid": 2}
    assert found.opens == 0


def test_a_bundle_and_a_time_can_be_chosen() -> None:
    events = [view(day, "customer", "ann", day, "credit" if day % 2 else "fraud") for day in range(1, 11)]

    def opens(**chosen: str) -> int:
        return sum(one.opens for one in usage(events, **chosen))

    assert opens() == 10
    assert opens(bundle="credit") == 5
    assert opens(since="2026-01-04", until="2026-01-06") == 2
    assert opens(bundle="fraud", since="2026-01-04", until="2026-01-06") == 1
    assert opens(bundle="none") == 0


def test_no_reader_is_named() -> None:
    (found,) = usage([view(1, "customer", "ann-of-green-gables", 1), feedback(2, "customer", "agree")])

    assert "ann" not in str(found.to_json())
    assert "free text" not in str(found.to_json())


def test_events_without_facts_are_counted_under_no_name() -> None:
    (found,) = usage([make_event("v", kind=EventKind.VIEW), make_event("f", kind=EventKind.FEEDBACK)])

    assert (found.audience, found.opens, found.agreements, found.overrides, found.not_used) == ("", 1, 0, 0, 0)
