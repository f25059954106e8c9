"""Pages in a real browser: nothing runs over an edge or over a text, and what should be read is there."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.browser.probe import probed
from tests.unit.demo.answers import make_answer
from tests.unit.views.cases import CORRELATED, make_description, make_record
from tests.unit.views.cohorts import full_cohort
from xaisvc.demo.cases import CREDIT, load_cases
from xaisvc.demo.page import CaseAnswers, render_index
from xaisvc.views import build_cohort_view, build_view, load_audiences, render_view

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.types import ExplanationRecord

pytestmark = pytest.mark.browser

NARROW_WIDTHS = (280, 300)  # a column of the demonstration's page, a small phone
PHONE_WIDTH = 420
DESK_WIDTH = 1100
SWITCHES = (
    "--headless",
    "--no-sandbox",  # tests may run as root in a container, where the sandbox cannot start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
)

# A headless window has a least width, so the page is put into a frame of the width wanted. The frame's document is of
# the same origin as this one, which may therefore measure it, while the page's own policy stays in force.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="f" style="width:{width}px;height:30000px;border:0" srcdoc="{page}"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById("f");
frame.onload = () => {{
  const doc = frame.contentDocument, root = doc.documentElement;
  const inside = (e) => e.closest(".scroll") && !e.matches(".scroll");
  const over = [...doc.body.querySelectorAll("*")].filter((e) => !inside(e))
    .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1 || e.getBoundingClientRect().left < -1)
    .map((e) => e.outerHTML.slice(0, 90));
  const boxes = (e) => {{
    const range = doc.createRange();
    range.selectNodeContents(e);
    return [...range.getClientRects()];
  }};
  const meet = (a, b) =>
    a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 1 && b.bottom > a.top + 1;
  const crossing = [...doc.querySelectorAll(".bars")].flatMap((chart) => {{
    const words = [...chart.querySelectorAll("span:not([hidden]), text")].map((e) => [e.textContent, boxes(e)]);
    const drawn = [...chart.querySelectorAll("rect, line")].map((e) => ["drawing", [e.getBoundingClientRect()]]);
    return words.flatMap(([text, mine], i) => [...words.slice(i + 1), ...drawn]
      .filter(([, theirs]) => mine.some((a) => theirs.some((b) => meet(a, b))))
      .map(([other]) => text + " / " + other));
  }});
  const wider = (e) => e.scrollWidth > e.clientWidth + 1;
  document.getElementById("out").textContent = JSON.stringify({{
    width: root.clientWidth, scroll: root.scrollWidth, over: over, crossing: crossing,
    cut: [...doc.querySelectorAll(".scroll")].filter(wider).map((e) => e.textContent.slice(0, 90)),
    sideways: [...doc.querySelectorAll(".views")].some(wider),
    hints: [...doc.querySelectorAll(".hint")].filter((e) => e.offsetHeight > 0).length,
    ran: frame.contentWindow.ran || 0, text: doc.body.innerText, charts: doc.querySelectorAll("svg rect").length
  }});
}};
</script>
"""

MUST_SAY = {
    "data_scientist": ["Attributions", "credit_amount", "raised the output", "a1a1a1", "They do not show"],
    "business_manager": ["In short", "nothing about the case", "Not meant for", "at least 20 people", "Whom to ask"],
    "relationship_manager": ["Next step", "What counted against", "Overdrawn", "You may say", "Keep inside the bank"],
    "fraud_analyst": ["Do not disclose", "The evidence", "Signals of concern", "Signals of normal behaviour"],
    "customer": ["What we decided", "The main reasons", "48 months", "Your rights", "rec-7f3a"],
}


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


def _measure(chromium: str, folder: Path, page: str, width: int) -> dict[str, object]:
    content = PROBE.format(width=width, page=html.escape(page))
    return probed(chromium, folder, content, [*SWITCHES, "--window-size=1200,3200"], timeout_s=100)


def _page(name: str, record: ExplanationRecord) -> str:
    return render_view(build_view(record, make_description(), load_audiences()[name]), "html")


def _many() -> str:
    known = load_audiences()
    return render_view(
        build_cohort_view(full_cohort(), make_description(), known["business_manager"], known=known), "html"
    )


@pytest.mark.parametrize("width", [PHONE_WIDTH, DESK_WIDTH])
def test_a_page_on_many_cases_fits(chromium: str, tmp_path: Path, width: int) -> None:
    measured = _measure(chromium, tmp_path, _many(), width)

    assert width == measured["width"] == measured["scroll"]
    assert measured["over"] == measured["crossing"] == measured["cut"] == []
    for expected in ("In short", "Accounts and savings", "What changed", "Actions", "Decision and signature"):
        assert expected in str(measured["text"])
    assert measured["charts"]


@pytest.mark.parametrize("width", [*NARROW_WIDTHS, PHONE_WIDTH, DESK_WIDTH])
@pytest.mark.parametrize("name", MUST_SAY)
def test_a_page_fits_and_says_what_it_must(chromium: str, tmp_path: Path, name: str, width: int) -> None:
    record = make_record(caveats=(replace(CORRELATED, players=("duration_months", "credit_amount")),))
    if name == "customer":  # an adverse letter of this bundle may be held
        record = make_record(adverse=False, values={"duration_months": -0.9})
    measured = _measure(chromium, tmp_path, _page(name, record), width)

    assert width == measured["width"]
    assert width == measured["scroll"]
    assert measured["over"] == []
    assert measured["crossing"] == []
    assert measured["cut"] == []
    for expected in MUST_SAY[name]:
        assert expected in str(measured["text"])
    assert bool(measured["charts"]) is (name == "data_scientist")


def test_the_probe_sees_a_page_that_is_too_wide(chromium: str, tmp_path: Path) -> None:
    page = _page("customer", make_record(adverse=False)).replace("</h1>", '</h1><p style="width:900px">wide</p>')
    measured = _measure(chromium, tmp_path, page, PHONE_WIDTH)

    assert measured["over"]


READ_ORDER = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="f" style="width:1100px;height:9000px;border:0" srcdoc="{page}"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById("f");
frame.onload = () => {{
  const reasons = [...frame.contentDocument.querySelectorAll(".reason")].filter((e) => e.querySelector(".amount"));
  const left = (e) => e.getBoundingClientRect().left;
  document.getElementById("out").textContent = JSON.stringify({{
    reasons: reasons.length,
    turned: reasons.filter((e) => left(e.querySelector(".amount")) < left(e.querySelector("strong"))).length
  }});
}};
</script>
"""


@pytest.mark.parametrize("name", ["relationship_manager", "fraud_analyst"])
def test_a_name_that_is_read_from_the_right_does_not_turn_its_value(chromium: str, tmp_path: Path, name: str) -> None:
    """Beside such a name, -369 would stand before it and read 369-."""
    description = make_description()
    features = tuple(
        replace(feature, labels={"en": "\u05d2\u05d9\u05dc" + chr(0x5D0 + i)}, concept=None)
        for i, feature in enumerate(description.features)
    )
    view = build_view(make_record(), replace(description, features=features), load_audiences()[name])
    content = READ_ORDER.format(page=html.escape(render_view(view, "html")))
    measured = probed(chromium, tmp_path, content, [*SWITCHES, "--window-size=1200,3200"], timeout_s=100)

    assert measured["reasons"]
    assert not measured["turned"]


@pytest.mark.parametrize("width", NARROW_WIDTHS)
@pytest.mark.parametrize("name", ["data_scientist", "business_manager"])
def test_no_bar_covers_a_text_however_long_and_no_text_another(
    chromium: str, tmp_path: Path, name: str, width: int
) -> None:
    description = make_description()
    long = {"duration_months": "Monthly instalment as a share of the income of the household", "telephone": "x" * 90}
    features = tuple(
        replace(feature, labels={"en": long.get(feature.id, feature.label("en"))}, concept=None)
        for feature in description.features
    )
    # One fact has nearly all of the influence, so that its bar is as long as the page is wide.
    record = make_record(values={"checking_status": 90.0, "telephone": -80.0})
    concepts = tuple(replace(concept, labels={"en": long["duration_months"]}) for concept in description.concepts)
    description = replace(description, features=features, concepts=concepts)
    known = load_audiences()
    many = build_cohort_view(full_cohort(), description, known["business_manager"], known=known)
    view = many if name == "business_manager" else build_view(record, description, known[name])
    measured = _measure(chromium, tmp_path, render_view(view, "html"), width)

    assert measured["crossing"] == []
    assert measured["over"] == []
    assert measured["charts"]


def test_the_probe_sees_a_bar_over_a_text(chromium: str, tmp_path: Path) -> None:
    page = _many().replace("</style>", ".bars svg { margin-top: -20px }</style>")

    assert "34% (30% to 38%), of which 60% against the client / drawing" in str(
        _measure(chromium, tmp_path, page, PHONE_WIDTH)["crossing"]
    )


def test_the_probe_sees_a_table_that_is_cut(chromium: str, tmp_path: Path) -> None:
    page = _page("data_scientist", make_record()).replace("</style>", "table { width: 900px }</style>")

    assert _measure(chromium, tmp_path, page, PHONE_WIDTH)["cut"]


@pytest.mark.parametrize(("width", "fits"), [(1280, True), (1500, True), (1100, False)])
def test_the_demonstration_shows_five_readers_or_says_how_to_see_them(
    chromium: str, tmp_path: Path, width: int, *, fits: bool
) -> None:
    case = load_cases()[0]
    answer = make_answer(case, views=tuple(MUST_SAY))
    page = render_index((CaseAnswers(use=CREDIT, case=case, answers=(answer,)),), version="1.2.3", next_steps="run")
    measured = _measure(chromium, tmp_path, page, width)

    assert measured["sideways"] is not fits
    assert bool(measured["hints"]) is not fits
    assert "Scroll sideways to see all 5 readers" in page


def test_the_policy_stops_a_script_that_got_into_a_page(chromium: str, tmp_path: Path) -> None:
    script = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    page = _page("customer", make_record(adverse=False)).replace("</h1>", f"</h1>{script}")
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)

    assert _measure(chromium, tmp_path, page, PHONE_WIDTH)["ran"] == 0
    assert _measure(chromium, tmp_path, open_page, PHONE_WIDTH)["ran"] != 0
