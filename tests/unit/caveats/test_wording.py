"""Words that all caveats share."""

from __future__ import annotations

import pytest

from xaisvc.caveats.wording import listed


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "f0"),
        (2, "f0, f1"),
        (10, "f0, f1, f2, f3, f4, f5, f6, f7, f8, f9"),
        (11, "f0, f1, f2, f3, f4, f5, f6, f7, f8 and 2 more"),
        (300, "f0, f1, f2, f3, f4, f5, f6, f7, f8 and 291 more"),
    ],
)
def test_a_sentence_names_ten_at_most(count: int, words: str) -> None:
    assert listed([f"f{i}" for i in range(count)]) == words
