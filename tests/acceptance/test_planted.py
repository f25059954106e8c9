"""Every check sees the fault that it is there to see: one is planted in a view that has none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.checks import CHECKS
from tests.acceptance.worlds import show_first
from xaisvc.demo.cases import CARD_MODEL, MAIN_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.worlds import Declared, Shown, World

    Fault = Callable[[Shown], Shown]


def _json(shown: Shown, change: Callable[[dict[str, Any]], None]) -> Shown:
    document = json.loads(shown.pages["json"])
    change(document)
    return replace(shown, pages={**shown.pages, "json": json.dumps(document)})


def _page(form: str, old: str, new: str) -> Fault:
    def fault(shown: Shown) -> Shown:
        assert old in shown.pages[form]
        return replace(shown, pages={**shown.pages, form: shown.pages[form].replace(old, new, 1)})

    return fault


def _says(text: str, form: str = "html") -> Fault:
    ends = {"html": ("</main>", f"<p>{text}</p></main>")}
    if form in ends:
        return _page(form, *ends[form])

    def fault(shown: Shown) -> Shown:
        return replace(shown, pages={**shown.pages, form: f"{shown.pages[form]}\n{text}\n"})

    return fault


def _in_json(text: str) -> Fault:
    return lambda shown: _json(shown, lambda document: document["sections"][0].update(title=text))


def _reasons(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [b for s in document["sections"] for b in s["blocks"] if b["type"] == "reasons"]


def _swap_sections(document: dict[str, Any]) -> None:
    document["sections"].reverse()


def _swap_reasons(document: dict[str, Any]) -> None:
    max((b["items"] for b in _reasons(document)), key=len).reverse()


def _drop_reason(document: dict[str, Any]) -> None:
    del max((b["items"] for b in _reasons(document)), key=len)[0]


def _double_reason(document: dict[str, Any]) -> None:
    items = max((b["items"] for b in _reasons(document)), key=len)
    items.append(items[0])


def _many_reasons(document: dict[str, Any]) -> None:
    items = max((b["items"] for b in _reasons(document)), key=len)
    items += [{**items[0], "label": f"more {i}"} for i in range(8)]


def _other_side(document: dict[str, Any]) -> None:
    first, second = _reasons(document)[:2]
    first["items"], second["items"] = second["items"], first["items"]


def _silence(document: dict[str, Any]) -> None:
    for block in _reasons(document):
        block["items"], block["empty"] = [], " "


def _one_side(document: dict[str, Any]) -> None:
    for section in document["sections"]:
        section["blocks"] = [b for b in section["blocks"] if b["type"] != "reasons"] + section["blocks"][1:2]


def _held(shown: Shown) -> Shown:
    """The same page under the other status."""
    return _json(shown, lambda document: document.update(status="held_for_review"))


LONG = "This is a sentence with a great many words that go on and on until nobody knows where it began or will end."
HARD = 40 * "Institutional considerations necessitate multidimensional reconsideration. " + "Indubitably."
PLANTS: list[tuple[str, str, Fault]] = [
    ("A1", "customer", lambda shown: _json(shown, _swap_sections)),
    ("A1", "fraud_analyst", _page("markdown", "\n## ", "\n### ")),
    ("A2", "relationship_manager", lambda shown: _json(shown, _many_reasons)),
    ("A2", "customer", lambda shown: _json(shown, _double_reason)),
    ("A3", "customer", lambda shown: _json(shown, _drop_reason)),
    ("A3", "customer", lambda shown: _json(shown, _swap_reasons)),
    ("A3", "customer", _held),
    ("A3", "relationship_manager", lambda shown: _json(shown, _other_side)),
    ("A4", "customer", _says("Your SHAP values")),
    ("A4", "customer", _page("html", "<main", '<main title="what caused it"')),
    ("A4", "relationship_manager", _says("duration_months", "text")),
    ("A4", "business_manager", _says("This is due to the loan.", "markdown")),
    ("A5", "customer", _in_json(LONG)),
    ("A5", "relationship_manager", _in_json(HARD)),
    ("A6", "customer", _says("In 8,417 cases")),
    ("A6", "fraud_analyst", _says("In 8417 cases", "text")),
    ("A6", "business_manager", _says("0.7391513", "markdown")),
    ("A7", "customer", _says("Time at the present address")),
    ("A7", "fraud_analyst", _page("html", "<main", '<main data-note="residence_since"')),
    ("A7", "relationship_manager", _says("Tijd op het huidige adres", "text")),
    ("A13", "relationship_manager", lambda shown: _json(shown, _silence)),
    ("A13", "fraud_analyst", lambda shown: _json(shown, _silence)),
    ("A15", "customer", _page("html", 'lang="en"', "")),
    ("A15", "business_manager", _page("html", "<h2", "<h4")),
    ("A15", "customer", _says('<img src="https://example.org/a.png" alt="">')),
    ("A15", "data_scientist", _page("html", "<caption", "<p")),
    ("A15", "customer", _says("<script>1</script>")),
]


@pytest.mark.parametrize(
    ("check", "audience", "fault"),
    PLANTS,
    ids=[f"{check}-{audience}-{i}" for i, (check, audience, _) in enumerate(PLANTS)],
)
def test_a_check_sees_a_planted_fault(
    world_of: Callable[[str], World], declared: Declared, check: str, audience: str, fault: Fault
) -> None:
    shown = show_first(world_of(MAIN_MODEL), declared, audience, lambda one: _has_reasons(one, audience))

    assert list(CHECKS[check](shown)) == []
    assert list(CHECKS[check](fault(shown))) != []


def _has_reasons(shown: Shown, audience: str) -> bool:
    """Complete, and where the reader gets reasons, with two of one side and different ones of the other."""
    lists = [b["items"] for b in _reasons(shown.json)]
    if not shown.is_complete or audience in {"business_manager", "data_scientist"}:
        return shown.is_complete
    return any(len(one) > 1 for one in lists) and len({json.dumps(one) for one in lists}) == len(lists)


def test_values_and_shares_of_withheld_facts_are_seen(world_of: Callable[[str], World], declared: Declared) -> None:
    world = world_of(CARD_MODEL)
    name = "relationship_manager"
    shown = show_first(world, declared, name, lambda one: one.is_complete and abs(_share(one)) > 0.01)
    value = f"{_share(shown):.6g}"

    assert list(CHECKS["A7"](shown)) == []
    assert list(CHECKS["A7"](_says(f"weight {value}")(shown)))
    assert list(CHECKS["A7"](_in_json(f"weight {value}")(shown)))


def _share(shown: Shown) -> float:
    return next(one.value for one in shown.record.attribution.players if one.player == "merchant_fraud_28d")


def test_every_check_has_a_fault_that_it_saw() -> None:
    assert {check for check, _, _ in PLANTS} == set(CHECKS)
