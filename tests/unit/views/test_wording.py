from __future__ import annotations

import pytest

from xaisvc.views.wording import (
    find_banned,
    flesch_douma,
    flesch_kincaid,
    longest_sentence,
    sentences,
    syllables,
)


def test_banned_terms_are_found_as_whole_words_in_any_case() -> None:
    assert find_banned("Due to shap values.", ["SHAP", "due to", "LIME"]) == ("SHAP", "due to")
    assert not find_banned("The shape of limestone features", ["SHAP", "LIME", "feature"])
    assert not find_banned("a non-feature", ["feature"])
    assert find_banned("Het gevolg van een hoge kans.", ["het gevolg van", "kans", "kansen"]) == (
        "het gevolg van",
        "kans",
    )


def test_sentences_and_their_longest() -> None:
    text = "One two three. Four five? Six: seven eight nine ten!"

    assert len(sentences(text)) == 4
    assert longest_sentence(text) == 4
    assert longest_sentence("") == 0


@pytest.mark.parametrize(
    ("language", "word", "count"),
    [
        # counted by hand, as the words are said
        ("en", "made", 1),
        ("en", "table", 2),
        ("en", "decision", 3),
        ("en", "information", 4),
        ("en", "agree", 2),
        ("nl", "kijkt", 1),
        ("nl", "over", 2),
        ("nl", "beoordeling", 4),
        ("nl", "situatie", 4),
        ("nl", "idee\u00ebn", 3),
        ("nl", "be\u00efnvloed", 3),
        ("nl", "\u00e9\u00e9n", 1),
    ],
)
def test_syllables_are_counted_as_words_are_said(language: str, word: str, count: int) -> None:
    assert count == syllables(word, language)


def test_the_grade_tells_plain_words_from_jargon() -> None:
    plain = "We looked at your request. We said no. You can ask us to look again."
    hard = "Multidimensional creditworthiness considerations necessitated unfavourable determination notification."

    assert flesch_kincaid(plain) < 3  # two-syllable words at most, six words a sentence
    assert flesch_kincaid(hard) > 20
    assert flesch_kincaid("") == 0.0


def test_the_grade_follows_its_formula() -> None:
    # 8 words, 2 sentences, 9 syllables: only "again" has two
    assert flesch_kincaid("The bank said no. You can ask again.") == pytest.approx(0.39 * 4 + 11.8 * 9 / 8 - 15.59)


def test_the_ease_follows_its_formula() -> None:
    # 5 words, 1 sentence: wij kij-ken naar uw be-sluit
    assert flesch_douma("Wij kijken naar uw besluit.") == pytest.approx(206.835 - 0.93 * 5 - 77 * 7 / 5)


def test_the_ease_tells_plain_dutch_from_jargon() -> None:
    plain = "Wij hebben uw aanvraag bekeken. Het besluit is nee. U mag vragen of wij nog eens kijken."
    hard = "Kredietwaardigheidsbeoordelingen geschieden overeenkomstig acceptatiecriteria en beheersmaatregelen."

    assert flesch_douma(plain) > 70  # a letter of short words
    assert flesch_douma(hard) < 0
    assert flesch_douma("") == 100.0
