"""What caveats keep from customers: it is not in their views, whatever the numbers would say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.views.blocks import blocks
from tests.unit.views.cases import make_description, make_open_description, make_record
from tests.unit.views.every_caveat import EVERY_CAVEAT
from xaisvc.types import Caveat, Gate, Severity
from xaisvc.views import FORMATS, ViewStatus, build_view, load_audiences, render_view
from xaisvc.views.document import BarChart, Bullets, Facts, Notice, Reasons
from xaisvc.views.gates import PlayerGates, player_gates
from xaisvc.views.language import Language
from xaisvc.views.selection import select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import ExplanationRecord
    from xaisvc.views import Audience, View

AUDIENCES = load_audiences()
OPEN = make_open_description()
LANGUAGES = ["en", "nl"]
REASONED = {"customer": "principal_reasons", "relationship_manager": "reasons", "fraud_analyst": "signals"}


def _barring(*players: str, kind: str = "value_function_disagreement") -> Caveat:
    return Caveat(kind=kind, severity=Severity.CARE, players=players, gates=(Gate.NOT_A_REASON,))


def _tying(*players: str, severity: Severity = Severity.CARE, gates: tuple[Gate, ...] = (Gate.NO_RANKING,)) -> Caveat:
    return Caveat(kind="shared_credit", severity=severity, players=players, gates=gates)


def _record(*caveats: Caveat, adverse: bool | None = True, **values: float) -> ExplanationRecord:
    return make_record(values=values, caveats=caveats, adverse=adverse, description=OPEN)


def _view(name: str, record: ExplanationRecord, language: str = "en") -> View:
    return build_view(record, OPEN, AUDIENCES[name], language)


def _reasons(name: str, record: ExplanationRecord, language: str = "en") -> list[str]:
    """Every word of the reasons that a view gives."""
    words = []
    for listed in blocks(_view(name, record, language), REASONED[name], Reasons):
        for reason in listed.items:
            words += [reason.label, reason.note, *(fact.label for fact in reason.facts)]
    return words


def _texts(view: View) -> str:
    return "\n".join(render_view(view, form) for form in FORMATS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("adverse", [True, False, None])
@pytest.mark.parametrize("name", REASONED)
@pytest.mark.parametrize("value", [9.0, -9.0])
def test_what_is_no_reason_is_none_however_large_it_is(
    name: str, language: str, value: float, *, adverse: bool | None
) -> None:
    # Its concept has another fact, which must not bring it back in.
    record = _record(_barring("checking_status"), adverse=adverse, checking_status=value, savings_status=2.0)

    assert "Checking account" not in " ".join(_reasons_or_held(name, record, language))
    if name != "customer" or adverse is None or adverse is (value > 0):  # a letter gives one direction
        assert "Checking account" in " ".join(_reasons_or_held(name, replace(record, caveats=()), language))


def _reasons_or_held(name: str, record: ExplanationRecord, language: str = "en") -> list[str]:
    view = _view(name, record, language)
    if view.status is ViewStatus.HELD_FOR_REVIEW:
        return [_texts(view)]
    given = _reasons(name, record, language)
    return [word for word in given if word] or ["none"]


def test_a_letter_whose_true_first_reason_is_kept_back_is_held_and_names_nothing() -> None:
    """Naming the next one instead would be a false notice."""
    view = _view("customer", _record(_barring("checking_status")))

    assert view.status is ViewStatus.HELD_FOR_REVIEW
    for label in ("Checking account", "Savings", "Duration of the loan", "Accounts"):
        assert label not in _texts(view)


def test_a_small_fact_that_is_kept_back_holds_no_letter() -> None:
    view = _view("customer", _record(_barring("telephone")))

    assert view.status is ViewStatus.COMPLETE
    assert "Telephone" not in " ".join(_reasons("customer", _record(_barring("telephone"))))


def test_a_reason_of_the_other_direction_that_is_kept_back_holds_no_letter() -> None:
    record = _record(_barring("customer_since"), customer_since=-3.0)

    assert _view("customer", record).status is ViewStatus.COMPLETE


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("value", [0.0, 5.0, -5.0])
@pytest.mark.parametrize("adverse", [True, False])
def test_customers_are_never_shown_what_the_model_does_not_use(
    form: str, language: str, value: float, *, adverse: bool
) -> None:
    record = _record(_barring("telephone", kind="attributed_but_unused"), adverse=adverse, telephone=value)
    view = _view("customer", record, language)
    text = render_view(view, form)

    assert view.status is ViewStatus.COMPLETE  # what is not used is no principal reason
    assert "Telephone" not in text
    assert "telephone" not in text
    assert "Telephone on file" in render_view(_view("customer", replace(record, caveats=()), language), form)


def test_what_the_model_does_not_use_changes_nothing_else_of_a_letter() -> None:
    caveat = _barring("telephone", kind="attributed_but_unused")
    letters = {_texts(_view("customer", _record(caveat, telephone=value))) for value in (0.0, 0.5, -0.5, 40.0)}

    assert len(letters) == 1


def test_an_unused_fact_is_no_part_of_a_group() -> None:
    """It is tied to one that is used, which is then a reason on its own."""
    record = _record(_tying("duration_months", "telephone"), _barring("telephone", kind="attributed_but_unused"))

    assert "Duration of the loan" in _reasons("customer", record)
    assert "Telephone" not in _texts(_view("customer", record))


def test_other_readers_are_told_what_was_kept_back() -> None:
    record = _record(_barring("duration_months"))
    for name, said in (
        ("relationship_manager", "Not given as reasons, as the checks could not confirm them"),
        ("fraud_analyst", "Not counted as signals, as the checks could not confirm them"),
    ):
        (kept_back,) = blocks(_view(name, record), REASONED[name], Bullets)

        assert (kept_back.title, kept_back.items) == (said, ("The loan asked for: Duration of the loan",))
    keep = blocks(_view("relationship_manager", record), "may_say", Bullets)[1]

    assert keep.items[0] == "Do not name: The loan asked for: Duration of the loan."


def test_a_manager_may_not_say_what_is_no_reason() -> None:
    say, keep = blocks(_view("relationship_manager", _record(_barring("checking_status"))), "may_say", Bullets)

    assert "Checking account" not in " ".join(say.items)
    assert "Checking account" in keep.items[0]


@pytest.mark.parametrize("name", REASONED)
@given(data=st.data())
def test_how_a_group_shares_its_credit_changes_no_byte(name: str, data: st.DataObject) -> None:
    """Values of its members may differ as they like: as long as their sum is the same, so is every word."""
    members = ("duration_months", "credit_amount", "customer_since")
    gates = data.draw(st.sampled_from([(Gate.NO_RANKING,), ()]))
    severity = Severity.CARE if not gates else data.draw(st.sampled_from([Severity.CARE, Severity.INFO]))
    caveat = _tying(*members, severity=severity, gates=gates)
    # Sixteenths, whose sums are exact: rounding is not what is asked about.
    moved = [data.draw(st.integers(-160, 160)) / 16 for _ in range(2)]
    values = dict(zip(members, (2 + moved[0], 0.5 - moved[0] + moved[1], 1 - moved[1]), strict=True))
    even = dict(zip(members, (1.5, 1.0, 1.0), strict=True))
    adverse = data.draw(st.booleans())

    assert _texts(_view(name, _record(caveat, adverse=adverse, **values))) == _texts(
        _view(name, _record(caveat, adverse=adverse, **even))
    )


@pytest.mark.parametrize("name", REASONED)
def test_members_of_a_group_are_one_reason_in_the_order_of_the_schema(name: str) -> None:
    caveat = _tying("customer_since", "duration_months")  # the order of a caveat may follow the values
    record = _record(caveat, customer_since=5.0, duration_months=0.01)
    listed = [reason for one in blocks(_view(name, record), REASONED[name], Reasons) for reason in one.items]
    holding = [reason for reason in listed if "Customer since" in str(reason)]

    assert len(holding) == 1
    assert [fact.label for fact in holding[0].facts][:2] == ["Duration of the loan", "Customer since"]
    assert "Duration of the loan and Customer since: linked in" in holding[0].note
    assert "counted the other way" not in holding[0].note


def test_members_that_count_against_each_other_are_not_told_apart() -> None:
    record = _record(_tying("duration_months", "customer_since"), duration_months=3.0, customer_since=-1.0)
    (reasons,) = blocks(_view("customer", record), "principal_reasons", Reasons)

    assert "Customer since" in [fact.label for fact in reasons.items[0].facts]
    assert "counted the other way" not in " ".join(reason.note for reason in reasons.items if "Customer" in reason.note)


def test_a_group_without_a_sign_is_no_reason() -> None:
    gates = (Gate.NO_RANKING, Gate.NOT_A_REASON)
    record = _record(_tying("duration_months", "customer_since", gates=gates), adverse=False, customer_since=-4.0)

    assert [word for word in _reasons("customer", record) if "Customer since" in word or "Duration" in word] == []


def test_a_group_with_a_sign_is_a_reason_though_a_member_has_none() -> None:
    """What is known is the sum of the group, and it names its members together."""
    caveats = (_tying("duration_months", "customer_since"), _barring("customer_since"))
    record = _record(*caveats, customer_since=0.3)

    assert "Duration of the loan and Customer since: linked" in " ".join(_reasons("customer", record))


def test_a_group_all_of_whose_members_are_no_reason_is_none() -> None:
    record = _record(_tying("savings_status", "telephone"), _barring("savings_status"), _barring("telephone"))

    assert "Savings" not in " ".join(_reasons_or_held("customer", record))


def test_part_of_a_group_is_not_named_where_the_rest_would_hold_the_letter() -> None:
    description = make_description()
    caveat = _tying("duration_months", "age_years")
    for adverse, status in ((True, ViewStatus.HELD_FOR_REVIEW), (False, ViewStatus.COMPLETE)):
        record = make_record(adverse=adverse, caveats=(caveat,), values={"duration_months": 0.9 if adverse else -0.9})
        view = build_view(record, description, AUDIENCES["customer"])
        told = " ".join(str(block) for block in _all_reasons(view))

        assert view.status is status
        assert "Duration" not in told


def test_what_is_kept_back_for_a_withheld_fact_is_not_listed() -> None:
    """The list would tell that something withheld goes with it."""
    record = make_record(caveats=(_tying("duration_months", "age_years"), _barring("checking_status")))
    audience = AUDIENCES["customer"]
    found = select(record, make_description(), audience, Language(audience.catalogue("en")), "feature")

    assert {entry.label for entry in found.barred} == {"Duration of the loan", "Checking account"}
    assert [entry.label for entry in found.kept_back(0.0)] == ["Checking account"]


def _all_reasons(view: View) -> list[Reasons]:
    return [block for section in view.sections for block in section.blocks if isinstance(block, Reasons)]


def test_part_of_a_group_stays_a_reason_where_the_rest_is_hidden() -> None:
    """A manager must not be able to tell that a hidden fact goes with it."""
    description = make_description()
    caveat = _tying("duration_months", "age_years")
    for name in ("relationship_manager", "fraud_analyst"):
        plain = build_view(make_record(), description, AUDIENCES[name])
        tied = build_view(make_record(caveats=(caveat,)), description, AUDIENCES[name])

        assert _all_reasons(plain) == _all_reasons(tied)


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.CARE])
@pytest.mark.parametrize("players", [(), ("credit_amount",), ("age_years",)])
def test_a_record_without_reasons_gives_none_to_customers_or_their_managers(
    severity: Severity, players: tuple[str, ...]
) -> None:
    caveat = Caveat(kind="input_out_of_range", severity=severity, players=players, gates=(Gate.NO_REASONS,))
    record, description = make_record(caveats=(caveat,)), make_description()
    letter = build_view(record, description, AUDIENCES["customer"])
    card = build_view(record, description, AUDIENCES["relationship_manager"])

    assert letter.status is ViewStatus.HELD_FOR_REVIEW
    assert [section.id for section in letter.sections] == ["held", "rights"]
    assert _all_reasons(card) == []
    assert [block.title for block in blocks(card, "reasons", Notice)] == ["No reasons are shown for this client."]
    assert [block.title for block in blocks(card, "may_say", Notice)] == ["Say nothing about the reasons."]
    for label in ("Accounts and savings", "Duration of the loan"):
        assert label not in _texts(letter)
        assert label not in "".join(str(s) for s in card.sections if s.id in {"reasons", "may_say"})
    assert _all_reasons(build_view(record, description, AUDIENCES["fraud_analyst"])) != []
    shown = build_view(record, description, AUDIENCES["data_scientist"])
    assert [block for section in shown.sections for block in section.blocks if isinstance(block, BarChart)] != []


def test_held_letters_do_not_tell_why() -> None:
    letters = {
        _texts(_view("customer", _record(caveat)))
        for caveat in (*EVERY_CAVEAT.values(), _barring("checking_status"))
        if _view("customer", _record(caveat)).status is ViewStatus.HELD_FOR_REVIEW
    }

    assert len(letters) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["customer", "relationship_manager", "fraud_analyst"])
@pytest.mark.parametrize("which", EVERY_CAVEAT)
def test_no_figure_name_or_player_of_a_caveat_is_told(name: str, which: str, language: str) -> None:
    caveat = EVERY_CAVEAT[which]
    text = _texts(_view(name, _record(caveat), language))
    secrets = [caveat.kind, caveat.id, *caveat.players, *caveat.gates, *caveat.evidence]
    secrets += [f"{abs(value):.4g}" for value in caveat.evidence.values() if value % 1]
    if caveat.robust is not None:
        secrets += ["0.3512", "0.0432", "0.3876", "0.38765", "0,35", "0,04", "0,39"]
    secrets += [caveat.message] if caveat.message else []

    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("which", [name for name, caveat in EVERY_CAVEAT.items() if not caveat.gates])
def test_a_letter_is_the_same_with_caveats_that_have_no_gate(which: str, language: str) -> None:
    """Customers are told by what is kept from them, and by words that are always there."""
    if which == "shared_credit, mild":
        return  # told as a note where its players meet in one reason
    for adverse in (True, False):
        plain, record = (_record(*found, adverse=adverse) for found in ((), (EVERY_CAVEAT[which],)))

        assert _texts(_view("customer", plain, language)) == _texts(_view("customer", record, language))


def test_players_that_no_gate_is_about_are_open() -> None:
    record = make_record(caveats=(_tying("a", severity=Severity.INFO, gates=()), _tying("b"), _tying("c", "d")))

    assert player_gates(record) == PlayerGates(unused=frozenset(), barred=frozenset(), ties=(("c", "d"),))


def test_own_information_lists_what_the_model_uses_and_is_no_reason(audiences: Mapping[str, Audience]) -> None:
    view = build_view(_record(_barring("telephone")), OPEN, audiences["customer"])

    assert "Telephone on file" in [row.label for row in blocks(view, "own_information", Facts)[0].rows]
