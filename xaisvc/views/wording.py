"""What may not be said to whom, and how hard a text is to read: one measure for each language, without any download."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SENTENCE_END = re.compile(r"[.!?:]+(?:\s+|$)")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_VOWELS = re.compile(
    r"[aeiouy\u00e1\u00e0\u00e2\u00e4\u00e9\u00e8\u00ea\u00ed\u00ee\u00f3\u00f4\u00f6\u00fa\u00fb\u00fc]+"
)
_TREMA = re.compile(r"(?=[\u00eb\u00ef])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLimits:
    """How hard a text may be.

    Attributes:
        max_sentence_words: Words in the longest sentence; 0 for no limit.
        max_grade: Flesch-Kincaid grade, of English texts; 0 for no limit.
        min_ease: Flesch-Douma reading ease, of Dutch texts; 0 for no limit.
    """

    max_sentence_words: int = 0
    max_grade: float = 0.0
    min_ease: float = 0.0


def find_banned(text: str, terms: Iterable[str]) -> tuple[str, ...]:
    """The banned terms that stand in `text` as whole words, whatever their case."""
    lowered = text.lower()
    # Few terms stand in a text at all: looking for them as they are is far quicker than making a pattern of each.
    near = (t for t in terms if t.lower() in lowered)
    return tuple(t for t in near if re.search(rf"(?<![\w-]){re.escape(t.lower())}(?![\w])", lowered))


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text."""
    return tuple(part for part in (piece.strip() for piece in _SENTENCE_END.split(text)) if part)


def longest_sentence(text: str) -> int:
    """Words in the longest sentence of `text`."""
    return max((len(_WORD.findall(sentence)) for sentence in sentences(text)), default=0)


def flesch_kincaid(text: str) -> float:
    """Grade of an English text: 0.39 * words/sentences + 11.8 * syllables/words - 15.59 (Kincaid et al. 1975).

    About the years of school that the text asks for. A text without words has grade 0.

    Raises:
        RuntimeUnavailableError: If the package that knows where words break is not installed.
    """
    per_sentence, per_word = _lengths(text, "en")
    return 0.39 * per_sentence + 11.8 * per_word - 15.59 if per_word else 0.0


def flesch_douma(text: str) -> float:
    """Reading ease of a Dutch text: 206.835 - 0.93 * words/sentences - 77 * syllables/words (Douma 1960).

    60 to 70 is ordinary, 70 to 80 fairly easy. A text without words has ease 100.

    Raises:
        RuntimeUnavailableError: If the package that knows where words break is not installed.
    """
    per_sentence, per_word = _lengths(text, "nl")
    return 206.835 - 0.93 * per_sentence - 77 * per_word if per_word else 100.0


READING_MEASURES: Mapping[str, tuple[str, Callable[[str], float]]] = MappingProxyType(
    {"en": ("max_grade", flesch_kincaid), "nl": ("min_ease", flesch_douma)}
)
"""Language to the limit of `ReadingLimits` that is meant for it, and what measures it."""


def syllables(word: str, language: str) -> int:
    """Syllables of one word.

    Two counts that both miss some, and the larger of them: places where the word may be broken (a single letter is
    never broken off), and groups of vowels, in English less a silent final e (`be-oor-deel` has one group in front).
    """
    lowered = word.lower()
    return max(1, _broken(lowered, language), _vowel_groups(lowered, language))


def _lengths(text: str, language: str) -> tuple[float, float]:
    """Words per sentence and syllables per word; 0 and 0 for a text without words."""
    words = _WORD.findall(text)
    if not words:
        return 0.0, 0.0
    return len(words) / max(len(sentences(text)), 1), sum(syllables(word, language) for word in words) / len(words)


def _vowel_groups(word: str, language: str) -> int:
    groups = sum(
        len(_VOWELS.findall(piece.replace("\u00eb", "e").replace("\u00ef", "i"))) for piece in _TREMA.split(word)
    )
    if language == "en" and word.endswith("e") and not word.endswith(("le", "ee")) and groups > 1:
        groups -= 1
    return groups


@lru_cache(maxsize=8192)
def _broken(word: str, language: str) -> int:
    """Parts that a word may be broken into."""
    return sum(len(_breaker(language)(part)) + 1 for part in re.split(r"['\u2019-]", word) if part)


@lru_cache(maxsize=4)
def _breaker(language: str) -> Callable[[str], list[int]]:
    import pyphen  # noqa: PLC0415 - heavy: loaded when used

    return cast("Callable[[str], list[int]]", pyphen.Pyphen(lang={"en": "en_US", "nl": "nl_NL"}[language]).positions)
