from __future__ import annotations

from xaisvc.views.wording import find_banned, longest_sentence, reading_grade, sentences


def test_banned_terms_are_found_as_whole_words_in_any_case() -> None:
    assert find_banned("Due to shap values.", ["SHAP", "due to", "LIME"]) == ("SHAP", "due to")
    assert not find_banned("The shape of limestone features", ["SHAP", "LIME", "feature"])
    assert not find_banned("a non-feature", ["feature"])


def test_sentences_and_their_longest() -> None:
    text = "One two three. Four five? Six: seven eight nine ten!"

    assert len(sentences(text)) == 4
    assert longest_sentence(text) == 4
    assert longest_sentence("") == 0


def test_the_grade_tells_plain_words_from_jargon() -> None:
    plain = "We looked at your request. We said no. You can ask us to look again."
    hard = "Multidimensional creditworthiness considerations necessitated unfavourable determination notification."

    assert reading_grade(plain) < 3  # two-syllable words at most, six words a sentence
    assert reading_grade(hard) > 20
    assert reading_grade("") == 0.0
