"""Explanations whose answers lay in memory: their messages are those of their records."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.server.conftest import a_record
from xaisvc.engine.answered import Repeated
from xaisvc.server import convert
from xaisvc.server.convert_templates import Templates
from xaisvc.types import LOCAL, Caller, Caveat, RobustNumber, Severity

if TYPE_CHECKING:
    from xaisvc.types import ExplanationRecord

VIEWS_ONLY = Caller(id="crm", audiences=frozenset({"customer"}))
SHARED = Caveat(
    kind="shared_credit",
    severity=Severity.CARE,
    players=("age", "income"),
    message="they go together",
    evidence={"association": 0.9},
    robust=RobustNumber(players=("age", "income"), value=0.2, low=0.1, high=0.3),
)


class Asked:
    """Records that count how often they are made."""

    def __init__(self) -> None:
        self.made = 0

    def again(self, record: ExplanationRecord, name: bytes = b"n", answer: bytes = b"a") -> Repeated:
        def make() -> ExplanationRecord:
            self.made += 1
            return record

        stored: Future[None] = Future()
        stored.set_result(None)
        return Repeated(record.id, record.created_at, name, answer, make, stored, lambda: None)


def test_a_message_from_a_template_is_that_of_the_record() -> None:
    templates, asked = Templates(), Asked()
    first = a_record("r1", caveats=(SHARED,))
    second = replace(first, id="r2", created_at="2027-01-02T03:04:05.678Z")

    for record in (first, second):
        response = templates.response(asked.again(record), LOCAL)
        assert [convert.explanation(record)] == [result.explanation for result in response.results]
        assert response.results[0].index == 0
    assert asked.made == 1


def test_another_row_or_another_answer_has_a_message_of_its_own() -> None:
    templates, asked = Templates(), Asked()
    young, old = a_record(row={"age": 20.0}), a_record(row={"age": 70.0})
    cases = [(young, b"young", b"a"), (old, b"old", b"a"), (a_record(answer_version=2), b"young", b"b")]

    for record, name, answer in cases * 2:
        response = templates.response(asked.again(record, name, answer), LOCAL)
        assert convert.explanation(record) == response.results[0].explanation
    assert asked.made == len(cases)


def test_who_sees_no_numbers_gets_none_from_a_template() -> None:
    templates, asked = Templates(), Asked()
    record = a_record()
    templates.response(asked.again(record), LOCAL)

    response = templates.response(asked.again(record), VIEWS_ONLY)

    assert convert.bare_explanation(record) == response.results[0].explanation
    assert not response.results[0].explanation.HasField("attribution")


def test_what_was_not_wanted_for_longest_goes_first() -> None:
    templates, asked = Templates(most=2), Asked()
    record = a_record()
    for name in (b"1", b"2", b"1", b"3", b"1"):
        templates.response(asked.again(record, name), LOCAL)

    assert asked.made == 3
    templates.response(asked.again(record, b"2"), LOCAL)
    assert asked.made == 4
