from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.evaluation import BackgroundReplacement, Removal, step_counts, subset_masks, top_masks
from xaisvc.evaluation import removal as module
from xaisvc.types import Table

if TYPE_CHECKING:
    import pytest
    from numpy.typing import NDArray


def table(numbers: NDArray[np.float64], words: list[str | None]) -> Table:
    return Table({"a": numbers[:, 0].copy(), "word": np.array(words, dtype=object), "b": numbers[:, 1].copy()})


ROWS = table(np.array([[1.0, 2.0], [3.0, 4.0]]), ["x", None])
BACKGROUND = table(np.array([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]]), ["p", "q", "r"])


def model(rows: Table) -> NDArray[np.float64]:
    length = np.array([7.0 if word is None else float(ord(word)) for word in rows.columns["word"]])
    return np.asarray(rows.columns["a"] + 1000 * rows.columns["b"] + 1e6 * length, dtype=np.float64)


def answer(a: float, word: str | None, b: float) -> float:
    return a + 1000 * b + 1e6 * (7 if word is None else ord(word))


def removal(drawn: list[list[int]]) -> Removal:
    # player 0 owns both numbers, player 1 the word
    return Removal(
        model=model,
        rows=ROWS,
        background=BACKGROUND,
        members=((0, 2), (1,)),
        replacement=BackgroundReplacement(np.array(drawn)),
    )


def test_kept_players_keep_the_rows_values_and_the_others_take_a_donors() -> None:
    keep = np.array([[True, False], [False, True], [False, False], [True, True]])
    found = removal([[0, 2], [1, 1]]).outputs(keep)

    assert found.shape == (2, 4, 2)
    assert found[0, :, 1].tolist() == [
        answer(1, "r", 2),
        answer(50, "x", 60),
        answer(50, "r", 60),
        answer(1, "x", 2),
    ]
    assert found[1, :, 0].tolist() == [
        answer(3, "q", 4),
        answer(30, None, 40),
        answer(30, "q", 40),
        answer(3, None, 4),
    ]


def test_masks_may_differ_from_row_to_row() -> None:
    keep = np.array([[[True, False]], [[False, True]]])
    found = removal([[0], [1]]).outputs(keep)

    assert found[:, 0, 0].tolist() == [answer(1, "p", 2), answer(30, None, 40)]


def test_parts_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = subset_masks(2, 8, np.random.default_rng(0))
    whole = removal([[0, 2], [1, 1]]).outputs(keep)
    monkeypatch.setattr(module, "MODEL_ROWS_AT_ONCE", 1)

    assert np.array_equal(removal([[0, 2], [1, 1]]).outputs(keep), whole)


def test_each_background_row_stands_in_equally_often() -> None:
    dealt = BackgroundReplacement.of(30, 20, 4, np.random.default_rng(3)).drawn

    assert dealt.shape == (30, 4)
    assert np.bincount(dealt.reshape(-1), minlength=20).tolist() == [6] * 20


def test_top_masks_take_the_first_by_score_and_the_earlier_of_equals() -> None:
    found = top_masks(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]]), np.array([1, 2]))

    assert found[0].tolist() == [[False, True, False], [False, True, True]]
    assert found[1].tolist() == [[True, False, False], [True, True, False]]


def test_steps_are_spread_evenly_where_there_are_too_many() -> None:
    assert step_counts(4, 12).tolist() == [1, 2, 3]
    assert step_counts(31, 4).tolist() == [1, 11, 20, 30]
    assert step_counts(1, 4).tolist() == []


def test_subsets_come_with_their_complements_and_leave_somebody() -> None:
    found = subset_masks(5, 40, np.random.default_rng(1))

    assert np.array_equal(found[:20], ~found[20:])
    assert set(found.sum(axis=1).tolist()) <= {1, 2, 3, 4}
