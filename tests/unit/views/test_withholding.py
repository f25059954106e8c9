"""What an audience may not see is not in its views: not in any format, not by arithmetic, not by what changes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.views.cases import NUMBERS, make_description, make_record
from xaisvc.types import Caveat, Gate, Severity
from xaisvc.views import FORMATS, ViewStatus, build_view, load_audiences, render_view
from xaisvc.views.audience import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xaisvc.types import BundleDescription, ExplanationRecord
    from xaisvc.views import Audience

RESTRICTED = ["customer", "fraud_analyst", "relationship_manager"]
AUDIENCES = load_audiences()
NOT = (Gate.NOT_A_REASON,)


def _withheld(audience: Audience, description: BundleDescription) -> list[str]:
    return [f.id for f in description.features if audience.action(f) is not Action.SHOW]


def _rendered(record: ExplanationRecord, description: BundleDescription, audience: Audience) -> dict[str, str]:
    """Every format of a view in English under its own name, in another language under both names."""
    view = build_view(record, description, audience)
    found = {"status": str(view.status), **{form: render_view(view, form) for form in FORMATS}}
    for language in audience.languages:
        other = build_view(record, description, audience, language)
        found[f"status {language}"] = other.status
        found |= {f"{form} {language}": render_view(other, form) for form in FORMATS}
    return found


def _marked() -> tuple[BundleDescription, ExplanationRecord]:
    """A bundle and a record in which every name and value can be told apart by its bytes."""
    description = make_description()
    features = tuple(
        replace(f, labels={"en": f"Zlabel{i:02d}x"}, id=f"zid{i:02d}x", unit=f"zunit{i:02d}x" if f.unit else None)
        for i, f in enumerate(description.features)
    )
    record = make_record(adverse=False)
    names = {old.id: new.id for old, new in zip(description.features, features, strict=True)}
    players = tuple(
        replace(p, player=names[p.player], features=(names[p.player],), value=p.value + i / 1e4)
        for i, p in enumerate(record.attribution.players)
    )
    caveats = (
        Caveat(kind="shared_credit", severity=Severity.CARE, players=tuple(names.values()), message="Zmessagex"),
        Caveat(
            kind="input_out_of_range", severity=Severity.CARE, players=(names["age_years"],), evidence={"Zfigurex": 7.0}
        ),
    )
    record = replace(
        record,
        row={names[name]: value for name, value in record.row.items()} | {names["house_rating"]: 8.31337},
        attribution=replace(record.attribution, players=players),
        caveats=caveats,
    )
    return replace(description, features=features), record


@pytest.mark.parametrize("name", RESTRICTED)
def test_no_name_label_value_or_number_of_a_withheld_fact_is_in_any_format(name: str) -> None:
    description, record = _marked()
    audience = AUDIENCES[name]
    withheld = _withheld(audience, description)
    numbers = [f"{player.value:.6g}" for player in record.attribution.players]
    for form, text in _rendered(record, description, audience).items():
        assert withheld
        for identifier in withheld:
            assert identifier not in text, form
            assert description.feature(identifier).label("en") not in text, form
        ratings = [] if name == "fraud_analyst" else ["8.31", "8,31"]  # the analyst is cleared for confidential facts
        for secret in (*ratings, "Zmessagex", "Zfigurex", f"{record.attribution.base_value}", "0.4712", *numbers):
            assert secret not in text, (form, secret)


@pytest.mark.parametrize(("language", "rating"), [("en", "8.31"), ("nl", "8,31")])
def test_the_scan_finds_what_a_data_scientist_sees(language: str, rating: str) -> None:
    description, record = _marked()
    text = _rendered(record, description, AUDIENCES["data_scientist"])[f"html {language}"]

    for secret in ("zid08x", rating, "Zmessagex", "Zfigurex", "0.4712"):
        assert secret in text


@pytest.mark.parametrize("name", RESTRICTED)
@given(data=st.data())
def test_changing_withheld_facts_changes_no_byte(name: str, data: st.DataObject) -> None:
    """Names, values and attributions of withheld facts vary; the visible part and the decision stay.

    The one thing that may differ is that an adverse letter is held, so the customer's is tried with the decision that
    cannot be held, and every other audience with both.
    """
    description = make_description()
    audience = AUDIENCES[name]
    withheld = _withheld(audience, description)
    adverse = False if name == "customer" else data.draw(st.booleans())
    finite = st.floats(-1e3, 1e3)
    changed = make_record(
        adverse=adverse,
        values={identifier: data.draw(finite) for identifier in withheld},
        row={identifier: data.draw(st.one_of(st.none(), finite)) for identifier in withheld},
        caveats=tuple(
            Caveat(kind=kind, severity=severity, players=tuple(withheld[:count]), gates=gates)
            for kind, severity, count, gates in data.draw(
                st.lists(
                    st.tuples(
                        st.sampled_from(["shared_credit", "input_out_of_range", "attributed_but_unused", "new"]),
                        st.sampled_from([Severity.INFO, Severity.CARE]),
                        st.integers(1, 3),
                        st.sampled_from([(), (Gate.NOT_A_REASON,), (Gate.NO_RANKING,), (Gate.NO_RANKING, *NOT)]),
                    )
                )
            )
        ),
    )
    labels = data.draw(st.text(max_size=8))
    renamed = replace(
        description,
        features=tuple(
            replace(f, labels={"en": labels}, observed_range=(0.0, 1.0)) if f.id in withheld else f
            for f in description.features
        ),
    )

    assert _rendered(make_record(adverse=adverse), description, audience) == _rendered(changed, renamed, audience)


@given(value=st.floats(-2, 2), other=st.floats(-2, 2))
def test_an_adverse_letter_is_either_one_text_or_held(value: float, other: float) -> None:
    description = make_description()
    plain = _rendered(make_record(values={"age_years": 0.0, "house_rating": 0.0}), description, AUDIENCES["customer"])
    record = make_record(values={"age_years": value, "house_rating": other})
    found = _rendered(record, description, AUDIENCES["customer"])

    assert found == plain or found["status"] == ViewStatus.HELD_FOR_REVIEW


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("name", ["customer", "relationship_manager", "fraud_analyst"])
def test_reasons_have_no_gap_where_something_was_withheld(
    name: str, language: str, audiences: Mapping[str, Audience]
) -> None:
    record = make_record(values={"age_years": 0.5, "house_rating": 0.4, "branch_note": 0.3}, adverse=False)
    text = render_view(build_view(record, make_description(), audiences[name], language), "markdown")
    ranks = [int(line.split(".")[0]) for line in text.splitlines() if re.match(r"\d+\. ", line)]
    starts = [i for i, rank in enumerate(ranks) if rank == 1]

    assert starts
    for start, end in zip(starts, [*starts[1:], len(ranks)], strict=True):
        assert list(range(1, end - start + 1)) == ranks[start:end]


def test_every_fact_of_the_fixture_is_numbered() -> None:
    assert set(NUMBERS) == set(make_description().feature_ids)
