"""Rows keep their digests on every machine, and those that repeat are found."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from xaisvc.types import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

NAN = float("nan")


def table(numbers: Sequence[float], texts: Sequence[str | None]) -> Table:
    column = np.empty(len(texts), dtype=np.object_)
    column[:] = texts
    return Table({"age": np.array(numbers, dtype=np.float64), "job": column})


def slow_digest(number: float, text: str | None) -> bytes:
    """The definition in the docstring, value by value, with nothing of the code under test."""
    head = hashlib.blake2b(b"fage\x1fsjob", digest_size=32).digest()
    bits = struct.pack("<Q", 0x7FF8000000000000) if number != number else struct.pack("<d", number)  # noqa: PLR0124 - NaN
    word = hashlib.blake2b(b"n" if text is None else b"s" + text.encode(), digest_size=16).digest()
    return hashlib.blake2b(head + bits + word, digest_size=32).digest()


VALUES = [(1.5, "clerk"), (-0.0, "né"), (0.0, ""), (NAN, None), (1e300, "n"), (2.0**53, "clerk")]


def test_digests_follow_their_definition() -> None:
    numbers, texts = zip(*VALUES, strict=True)

    assert table(numbers, texts).row_digests() == tuple(slow_digest(*value) for value in VALUES)


def test_a_digest_is_the_same_on_every_machine() -> None:
    # Written down once: a change of the definition changes every sampled answer.
    assert table([1.5], ["clerk"]).row_digests()[0].hex() == (
        "500311d9784a92a907eb47e6a738037deb873f4d71e1bf334835d5da006560b9"
    )


def test_every_nan_is_the_same_missing_value() -> None:
    other = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)

    assert table([NAN], ["a"]).row_digests() == Table({"age": other, "job": np.array(["a"], object)}).row_digests()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0.0, "a"), (-0.0, "a")),
        ((1.0, None), (1.0, "")),
        ((1.0, None), (1.0, "n")),
        ((1.0, "a"), (1.0, "A")),
        ((NAN, "a"), (0.0, "a")),
    ],
)
def test_different_rows_have_different_digests(
    first: tuple[float, str | None], second: tuple[float, str | None]
) -> None:
    rows = table([first[0], second[0]], [first[1], second[1]])

    assert len(set(rows.row_digests())) == 2
    assert rows.distinct() is None


def test_a_part_is_a_view_and_has_the_digests_of_its_rows() -> None:
    numbers, texts = zip(*VALUES, strict=True)
    whole = table(numbers, texts)
    part = whole.take(slice(1, 4))

    assert np.shares_memory(part.columns["age"], whole.columns["age"])
    assert not part.columns["age"].flags.writeable
    assert part.row_digests() == whole.row_digests()[1:4]
    assert whole.take(slice(None, None, -1)).row_digests() == whole.row_digests()[::-1]
    assert whole.take([4, 0]).row_digests() == (whole.row_digests()[4], whole.row_digests()[0])


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_repeat_are_those_with_equal_digests(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.choice([0.0, -0.0, NAN, 1.0, 2.0], 60)
    texts = [(None, "", "a", "b")[i] for i in rng.integers(4, size=60)]
    rows = table(numbers.tolist(), texts)
    digests = rows.row_digests()

    found = rows.distinct()

    assert found is not None
    first, inverse = found
    assert [digests[i] for i in first] == list(dict.fromkeys(digests))  # each once, in the order of first places
    assert [digests[first[i]] for i in inverse] == list(digests)


def test_rows_with_one_key_that_differ_are_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # With a multiplier of zero every row has the same key, as if somebody had made keys collide on purpose.
    monkeypatch.setattr("xaisvc.types.table._MULTIPLIER", np.uint64(0))

    assert table([1.0, 2.0, 3.0], ["a", "b", "c"]).distinct() is None


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_table_of_lines_is_that_of_its_columns(n: int) -> None:
    lines = np.arange(2.0 * n).reshape(2, n)
    expected = Table({"a": lines[0].copy(), "b": lines[1].copy()})

    found = Table.of_lines(("a", "b"), lines)

    assert (len(found), found.feature_ids, found.row_digests()) == (n, ("a", "b"), expected.row_digests())
    assert {name: values.tolist() for name, values in found.columns.items()} == {
        name: values.tolist() for name, values in expected.columns.items()
    }
    assert found.lines is lines
    assert not lines.flags.writeable
    assert not any(values.flags.writeable for values in found.columns.values())
    assert found.take(slice(0, n)) is found
    assert found.take([]).lines is expected.lines is None


def test_a_table_of_lines_has_a_name_for_each() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        Table.of_lines(("a",), np.zeros((2, 1)))


def test_one_row_and_no_row_never_repeat() -> None:
    assert table([1.0], ["a"]).distinct() is None
    assert table([], []).distinct() is None
    assert table([], []).row_digests() == ()
