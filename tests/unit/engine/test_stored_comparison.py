"""Stored explanations of one row by several methods: what the library tells of the row, and what cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.commands import Comparison, ExplainCommand
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import build_service
from xaisvc.engine.stored_comparison import compare_stored
from xaisvc.errors import InvalidRequestError, NotAllowedError, NotFoundError
from xaisvc.records import EventKind, MemoryRecordStore, SqliteRecordStore
from xaisvc.types import Caller, Severity, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from xaisvc.engine.service import ExplanationService
    from xaisvc.types import ExplanationRecord

BUNDLE = BUNDLES / "german-credit-boosting"
METHODS = ("tree", "lime", "kernel")
LAB = Caller(id="lab", bundles=None, audiences=frozenset({"data_scientist"}))
NO_SUCH = "there is no explanation with this id"
PORTAL = Caller(id="portal", bundles=None, audiences=frozenset({"customer", "business_manager", "fraud_analyst"}))


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLE, "cpu")


@pytest.fixture(scope="module")
def records(explainer: Explainer) -> dict[str, ExplanationRecord]:
    """One row by three methods."""
    row = explainer.bundle.background.take(slice(3, 4))
    return {method: explainer.explain_table(row, method=method, seed=5)[0].record for method in METHODS}


@pytest.fixture(scope="module")
def service() -> ExplanationService:
    return build_service([BUNDLE], record_store=MemoryRecordStore(), device="cpu")


def attributed(record: ExplanationRecord, **changes: object) -> ExplanationRecord:
    return replace(record, attribution=replace(record.attribution, **changes))  # type: ignore[arg-type]


def compared(*records: ExplanationRecord) -> Comparison:
    found = {f"r{i}": replace(record, id=f"r{i}") for i, record in enumerate(records)}
    return compare_stored(list(found), found.__getitem__)


def stored(
    service: ExplanationService, row: Any, *methods: str, caller: Caller = LAB, subjects: tuple[str, ...] = ()
) -> list[str]:
    """Ids of explanations of a row."""
    ids = []
    for method in methods:
        command = ExplainCommand(bundle=BUNDLE.name, rows=[row], method=method, seed=5, subjects=subjects)
        (outcome,) = service.explain(command, caller=caller)
        assert outcome.record is not None
        ids.append(outcome.record.id)
    return ids


def test_records_tell_what_the_library_tells_of_the_same_rows(explainer: Explainer) -> None:
    rows = explainer.bundle.background.take(slice(0, 20))
    batches = explainer.explain_methods(rows, METHODS, seed=5)

    spoken = 0
    for row in range(len(rows)):
        found = compared(*(batch[row].record for batch in batches.values()))
        assert (found.method, [other.method for other in found.others]) == ("tree", ["lime", "kernel"])
        for other in found.others:
            own = batches[other.method].caveats[row]
            assert other.caveats == tuple(caveat for caveat in own if caveat.kind == "method_disagreement")
            spoken += len(other.caveats)
            for caveat in other.caveats:
                assert caveat.evidence.get("kendall_tau") == other.kendall_tau
    assert spoken > 10


def test_what_the_service_stored_is_compared_and_nothing_else_is_stored(
    explainer: Explainer, service: ExplanationService
) -> None:
    rows = explainer.bundle.background.take(slice(0, 1))
    ids = stored(service, rows.row(0), *METHODS)
    before = list(service._source.events())

    found = service.compare_explanations(ids, LAB)

    assert (found.id, [other.id for other in found.others]) == (ids[0], ids[1:])
    batches = explainer.explain_methods(rows, METHODS, seed=5)
    assert found.others == tuple(
        replace(one, id=own_id)
        for one, own_id in zip(compared(*(batch[0].record for batch in batches.values())).others, ids[1:], strict=True)
    )
    assert list(service._source.events()) == before
    assert {event.kind for event in before} == {EventKind.EXPLANATIONS}


def test_all_are_compared_with_the_first(records: dict[str, ExplanationRecord]) -> None:
    tree, lime, kernel = records.values()

    assert compared(tree, lime, kernel).others[1] == replace(compared(tree, kernel).others[0], id="r2")
    turned = compared(lime, tree)
    assert turned.method == "lime"
    assert turned.others[0].kendall_tau == compared(tree, lime).others[0].kendall_tau


def test_signs_that_errors_leave_open_conflict_with_nothing(records: dict[str, ExplanationRecord]) -> None:
    tree, lime, _ = records.values()

    def turned(error: float) -> ExplanationRecord:
        shares = tree.attribution.players
        return attributed(lime, players=tuple(replace(one, value=-one.value, standard_error=error) for one in shares))

    (certain,), (open_,) = (compared(tree, turned(error)).others for error in (0.0, 100.0))
    assert (certain.caveats[0].severity, certain.sign_agreement) == (Severity.CARE, 0.0)
    assert (open_.caveats, open_.sign_agreement) == ((), 1.0)


def test_players_are_the_same_however_they_came_about(records: dict[str, ExplanationRecord]) -> None:
    tree, lime, _ = records.values()
    named = replace(lime, attribution=replace(lime.attribution, players_kind="custom"))

    assert compared(tree, named) == compared(tree, lime)


def of_players(record: ExplanationRecord, **changes: object) -> ExplanationRecord:
    first, *others = record.attribution.players
    return attributed(record, players=(replace(first, **changes), *others))  # type: ignore[arg-type]


OURS = "german-credit-boosting 1.0.0"
PLAYERS = "shares the credit among other players than ids[0]; explain the row with the same players or player_groups"
CHANGES: dict[str, tuple[Callable[[ExplanationRecord], ExplanationRecord], str, str]] = {
    "bundle": (
        lambda record: replace(record, bundle="other"),
        "OTHER_MODEL",
        f"explains other 1.0.0 and ids[0] explains {OURS}; compare explanations of one model and version",
    ),
    "version": (
        lambda record: replace(record, bundle_version="2"),
        "OTHER_MODEL",
        f"explains german-credit-boosting 2 and ids[0] explains {OURS}; compare explanations of one model and version",
    ),
    "digests": (
        lambda record: replace(record, digests=replace(record.digests, background="bb")),
        "OTHER_MODEL",
        (
            f"was made with other files of {OURS} than ids[0]: model, background or schema were replaced in between; "
            "explain the row again by each method"
        ),
    ),
    "row": (
        lambda record: replace(record, row={**record.row, "amount_dm": -1.0}),
        "OTHER_ROW",
        "explains another row than ids[0]: they differ in amount_dm; compare explanations of one row",
    ),
    "rows": (
        lambda record: replace(record, row=dict.fromkeys(record.row)),
        "OTHER_ROW",
        "explains another row than ids[0]: they differ in {} and 13 more; compare explanations of one row",
    ),
    "output": (
        lambda record: replace(record, output=replace(record.output, id="other")),
        "OTHER_OUTPUT",
        (
            "explains output 'other' in log_odds and ids[0] output 'default_risk' in log_odds; explain the row with "
            "the same output and space"
        ),
    ),
    "space": (
        lambda record: attributed(record, space=Space.PROBABILITY),
        "OTHER_OUTPUT",
        (
            "explains output 'default_risk' in probability and ids[0] output 'default_risk' in log_odds; explain the "
            "row with the same output and space"
        ),
    ),
    "player": (lambda record: of_players(record, player="x"), "OTHER_PLAYERS", PLAYERS),
    "members": (lambda record: of_players(record, features=()), "OTHER_PLAYERS", PLAYERS),
    "method": (
        lambda record: attributed(record, method="tree"),
        "SAME_METHOD",
        "was made by tree, as ids[0] was; compare explanations by different methods",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_does_not_fit_the_first_is_named_with_what_to_do(records: dict[str, ExplanationRecord], what: str) -> None:
    tree, lime, kernel = records.values()
    change, reason, text = CHANGES[what]
    text = text.format(", ".join(list(tree.row)[:3]))

    with pytest.raises(InvalidRequestError) as caught:
        compared(tree, kernel, change(lime))

    (violation,) = caught.value.violations
    assert (violation.field, violation.reason, violation.description) == ("ids[2]", reason, text)
    assert str(caught.value) == f"ids[2]: {text}"


def test_every_id_that_does_not_fit_is_named(records: dict[str, ExplanationRecord]) -> None:
    tree, lime, kernel = records.values()

    with pytest.raises(InvalidRequestError) as caught:
        compared(tree, CHANGES["row"][0](lime), kernel, lime, CHANGES["version"][0](kernel))

    found = [(violation.field, violation.reason) for violation in caught.value.violations]
    assert found == [("ids[1]", "OTHER_ROW"), ("ids[3]", "SAME_METHOD"), ("ids[4]", "OTHER_MODEL")]
    assert "ids[3]: was made by lime, as ids[1] was" in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "fields", "words"),
    [
        ([], ["ids"], "ids: got 0; name the ids of 2 to 5 explanations of one row, each by another method, such as"),
        (["a"], ["ids"], "ids: got 1; name the ids of 2 to 5 explanations"),
        (list("abcdef"), ["ids"], "ids: got 6, but at most 5 are compared at a time; name fewer"),
        (["a", "b", "a"], ["ids[2]"], "ids[2]: is the same as ids[0]; name each explanation once"),
        (["", "b", ""], ["ids[0]", "ids[2]"], "ids[0]: no explanation is named; use the id that Explain answered"),
    ],
)
def test_ids_that_cannot_be_meant_are_refused_before_anything_is_read(
    ids: Sequence[str], fields: list[str], words: str
) -> None:
    def read(record_id: str) -> ExplanationRecord:
        raise AssertionError(record_id)

    with pytest.raises(InvalidRequestError) as caught:
        compare_stored(ids, read)

    assert [violation.field for violation in caught.value.violations] == fields
    assert str(caught.value).startswith(words)


def test_five_are_not_too_many(records: dict[str, ExplanationRecord]) -> None:
    tree = records["tree"]
    others = [replace(tree, attribution=replace(tree.attribution, method=name)) for name in ("a", "b", "c", "d")]

    assert [other.caveats for other in compared(tree, *others).others] == [()] * 4


def test_whoever_may_not_see_attributions_is_refused_as_elsewhere_whatever_they_name(
    explainer: Explainer, service: ExplanationService
) -> None:
    ids = stored(service, explainer.bundle.background.row(0), "tree", "lime", caller=PORTAL)
    with pytest.raises(NotAllowedError) as elsewhere:
        service.get_explanation(ids[0], PORTAL)

    for named in (ids, ids[::-1], [ids[0], "nothing-0"], ["x-0", "y-0"], ids[:1], [], ["", ""], ids * 5):
        with pytest.raises(NotAllowedError) as caught:
            service.compare_explanations(named, PORTAL)
        assert caught.value.args == elsewhere.value.args


def test_what_is_not_there_for_the_caller_is_told_as_elsewhere_with_its_place(
    explainer: Explainer, service: ExplanationService
) -> None:
    row = explainer.bundle.background.row(0)
    (ours,) = stored(service, row, "tree")
    (theirs,) = stored(service, row, "lime", caller=replace(LAB, tenant="other"))
    narrow = replace(LAB, bundles=frozenset({"german-credit-logistic"}))
    absent = f"{'0' * (len(theirs) - 2)}-0"

    for caller, named, place in (
        (LAB, [ours, theirs], 1),
        (LAB, [ours, absent], 1),
        (LAB, [theirs, ours], 0),
        (narrow, [ours, absent], 0),
        (narrow, [absent, ours], 0),
    ):
        with pytest.raises(NotFoundError) as elsewhere:
            service.get_explanation(named[place], caller)
        with pytest.raises(NotFoundError) as caught:
            service.compare_explanations(named, caller)
        assert str(caught.value) == f"ids[{place}]: {elsewhere.value}" == f"ids[{place}]: {NO_SUCH}"


def test_what_was_erased_is_told_as_elsewhere_with_its_place(explainer: Explainer, tmp_path: Path) -> None:
    store = SqliteRecordStore(tmp_path / "records-0.sqlite3")
    try:
        service = build_service([BUNDLE], record_store=store, device="cpu")
        row = explainer.bundle.background.row(0)
        ids = stored(service, row, "tree") + stored(service, row, "lime", subjects=("ann",))
        assert service.compare_explanations(ids, LAB).method == "tree"
        store.erase("ann")
        with pytest.raises(NotFoundError, match=r"^ids\[1\]: the content of this explanation is gone: it was erased"):
            service.compare_explanations(ids, LAB)
    finally:
        store.close()
