"""What may not be said to whom, and how hard a text is to read. English; another language adds its own measure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SENTENCE_END = re.compile(r"[.!?:]+(?:\s+|$)")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_VOWELS = re.compile(r"[aeiouy]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLimits:
    """How hard a text may be.

    Attributes:
        max_sentence_words: Words in the longest sentence; 0 for no limit.
        max_grade: Flesch-Kincaid grade; 0 for no limit.
    """

    max_sentence_words: int = 0
    max_grade: float = 0.0


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


def reading_grade(text: str) -> float:
    """Flesch-Kincaid grade, 0.39 * words/sentences + 11.8 * syllables/words - 15.59 (Kincaid et al. 1975).

    Syllables are counted as groups of vowels, less a silent final e: a proxy that needs no word list.
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    syllables = sum(_syllables(word) for word in words)
    return 0.39 * len(words) / max(len(sentences(text)), 1) + 11.8 * syllables / len(words) - 15.59


def _syllables(word: str) -> int:
    lowered = word.lower()
    groups = len(_VOWELS.findall(lowered))
    if lowered.endswith("e") and not lowered.endswith(("le", "ee")) and groups > 1:
        groups -= 1
    return max(groups, 1)
