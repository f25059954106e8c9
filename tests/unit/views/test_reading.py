from __future__ import annotations

import pytest

from tests.unit.views.blocks import view_of
from xaisvc.views.document import Bullets, Notice, Paragraph, Reason, Reasons
from xaisvc.views.reading import measure_reading, written
from xaisvc.views.wording import ReadingLimits, flesch_kincaid


def test_every_sentence_is_measured_and_no_heading() -> None:
    view = view_of(
        Paragraph(text="We said no."),
        Bullets(title="Unmeasurable headings notwithstanding", items=("Ask us.",)),
        Notice(tone="stop", title="Stop.", text="Do not go on."),
        Reasons(title="Why", items=(Reason(label="Savings", direction="", note="Seen as one."),), empty="None."),
    )
    found = measure_reading(view, ReadingLimits())

    assert flesch_kincaid("We said no. Ask us. Stop. Do not go on. Seen as one.") == found.figure
    assert found.longest == 4
    assert "Unmeasurable headings notwithstanding" in tuple(written(view))
    assert "None." not in tuple(written(view))  # nobody reads it where there are reasons


def test_mandated_words_are_listed_and_not_measured() -> None:
    law = "Notwithstanding considerations aforementioned, creditors are prohibited from discriminating."
    found = measure_reading(
        view_of(Paragraph(text="Ask us."), Paragraph(text=law, role="mandated")), ReadingLimits(max_grade=3)
    )

    assert found.mandated == (law,)
    assert found.excess == ()
    assert measure_reading(view_of(Paragraph(text=law)), ReadingLimits(max_grade=3)).excess != ()


def test_a_name_of_the_bank_is_one_word_of_a_sentence() -> None:
    view = view_of(Paragraph(text="Time at the present address and Savings go together."))

    assert measure_reading(view, ReadingLimits()).longest == 9
    assert measure_reading(view, ReadingLimits(), ["Time at the present address", "address"]).longest == 5


@pytest.mark.parametrize(
    ("language", "text", "limits", "excess"),
    [
        (
            "en",
            "You ask. We decided no. We know.",
            ReadingLimits(max_sentence_words=2),
            "a sentence of 3 words; at most 2 are declared: \u201cWe decided no\u201d",
        ),
        # 0.39 * 3 + 11.8 * 5 / 3 - 15.59
        ("en", "We decided no.", ReadingLimits(max_grade=0.1), "Flesch-Kincaid grade 5.2; at most 0.1 is declared"),
        # 206.835 - 0.93 * 3 - 77 * 5 / 3
        ("nl", "Wij zeggen helaas.", ReadingLimits(min_ease=80), "Flesch-Douma ease 75.7; at least 80 is declared"),
    ],
)
def test_what_is_beyond_a_limit_is_said_with_both_figures(
    language: str, text: str, limits: ReadingLimits, excess: str
) -> None:
    assert measure_reading(view_of(Paragraph(text=text), language=language), limits).excess == (excess,)


def test_the_sentence_that_is_too_long_is_quoted_with_the_names_that_the_bank_gave() -> None:
    text = "Time at the present address and Savings. We look at your case again and then decide."
    limits, names = ReadingLimits(max_sentence_words=4), ["Time at the present address"]

    assert measure_reading(view_of(Paragraph(text=text)), limits, names).excess == (
        "a sentence of 9 words; at most 4 are declared: \u201cWe look at your case again and then decide\u201d",
    )
    unmeasured = measure_reading(view_of(Paragraph(text="We look at St. Mary now.")), limits, ["St. Mary"])
    assert unmeasured.excess == ("a sentence of 5 words; at most 4 are declared",)


def test_a_language_without_a_measure_has_no_figure() -> None:
    found = measure_reading(view_of(Paragraph(text="Wir haben entschieden."), language="de"), ReadingLimits())

    assert found.figure is None
    assert found.longest == 3
