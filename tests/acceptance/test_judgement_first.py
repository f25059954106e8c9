"""A14, A18, A19: what analysts see before their own judgement, and what a real service keeps and gives again."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.acceptance.worlds import BUNDLE_NAMES
from tests.load.service import BUNDLES, running
from xaisvc.client import Client
from xaisvc.demo.cases import CARD_MODEL, load_payments
from xaisvc.engine.commands import Feedback
from xaisvc.types import Band
from xaisvc.views import FORMATS, build_view, render_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.worlds import Declared, World
    from xaisvc.types import ExplanationRecord

ANALYST = "fraud_analyst"


def _other_answer(record: ExplanationRecord, seed: int) -> ExplanationRecord:
    """The same facts with another answer, other reasons, another band and another decision."""
    rng = np.random.default_rng(seed)
    players = tuple(replace(one, value=float(rng.normal())) for one in record.attribution.players)
    attribution = replace(record.attribution, players=players, output=float(rng.normal()))
    output = replace(record.output, prediction=float(rng.uniform()), band="other", adverse=not record.output.adverse)
    return replace(record, attribution=attribution, output=output, portfolio=None)


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("bundle", BUNDLE_NAMES)
def test_no_byte_before_the_first_judgement_follows_from_the_models_answer(
    world_of: Callable[[str], World], declared: Declared, bundle: str, language: str
) -> None:
    world = world_of(bundle)
    reader = declared.audiences[ANALYST]
    description = world.description
    outputs = tuple(
        replace(one, bands=(*one.bands, Band(id="other", labels={"en": "Other"}))) for one in description.outputs
    )
    description = replace(description, outputs=outputs)
    for i, record in enumerate(world.records[:40]):
        plain = replace(record, caveats=())
        views = [
            build_view(one, description, reader, language, judged=False) for one in (plain, _other_answer(plain, i))
        ]

        assert {str(view.status) for view in views} == {"judgement_first"}
        for form in FORMATS:
            if form in reader.formats:
                assert render_view(views[0], form) == render_view(views[1], form)


def test_the_comparison_sees_the_answer_after_the_judgement(
    world_of: Callable[[str], World], declared: Declared
) -> None:
    world = world_of(CARD_MODEL)
    record = replace(world.records[0], caveats=())
    reader = declared.audiences[ANALYST]
    pages = [
        render_view(build_view(one, world.description, reader), "html") for one in (record, _other_answer(record, 1))
    ]

    assert pages[0] != pages[1]


def test_an_analyst_judges_then_reads_and_everything_is_kept(
    tmp_path: Path,
) -> None:
    """Explain, read the facts, judge, read all, say what was made of it; kill the service, start it, read it again."""
    rows = [dict(case.row) for case in load_payments()[:2]]
    page = {}
    with running(tmp_path, models=[BUNDLES]) as service, Client(service.target) as client:
        first, other = (record.id for record in client.explain(CARD_MODEL, rows).records)
        before = client.render_view(first, ANALYST, "json", "en", reader="r1")
        client.submit_feedback(Feedback(explanation_id=first, audience=ANALYST, reader="r1", first_judgement="hold"))
        after = client.render_view(first, ANALYST, "json", "en", reader="r1")
        elsewhere = client.render_view(first, ANALYST, "json", "en", reader="r2")
        unjudged = client.render_view(other, ANALYST, "json", "en", reader="r1")
        client.submit_feedback(
            Feedback(
                explanation_id=first,
                audience=ANALYST,
                reader="r1",
                verdict="deviate",
                reason_code="customer-confirmed",
                comment="The customer called.",
                final_judgement="clear",
                first_judgement="hold",
                outcome="cleared",
            )
        )
        usage = {one.audience: one for one in client.get_usage(CARD_MODEL)}
        for form in ("html", "json", "text", "markdown"):
            page[form] = [client.render_view(first, ANALYST, form, code, reader="r1").content for code in ("en", "nl")]
            again = [client.render_view(first, ANALYST, form, code, reader="r1").content for code in ("en", "nl")]

            assert page[form] == again  # A18: warm as cold
        service.signal(signal.SIGKILL)  # nothing is tidied up
        service.exit_code()

    assert [str(view.status) for view in (before, after, elsewhere, unjudged)] == [
        "judgement_first",
        "complete",
        "judgement_first",
        "judgement_first",
    ]
    assert (usage[ANALYST].deviated, usage[ANALYST].judgements_changed, usage[ANALYST].outcomes) == (1, 1, 1)
    with running(tmp_path, models=[BUNDLES]) as service, Client(service.target) as client:
        for form, pages in page.items():
            assert [
                client.render_view(first, ANALYST, form, code, reader="r1").content for code in ("en", "nl")
            ] == pages
        assert client.get_usage(CARD_MODEL) != ()
