"""A call is cut up so that it stays within its memory, or refused with what to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xaisvc.engine.chunks import MOST_CHUNK_ROWS, MOST_MODEL_ROWS, Size, plan_chunks
from xaisvc.errors import LimitExceededError

GIB = 1024**3
ONE = Size(rows=1, answers=1, features=30, players=30)


def test_with_memory_to_spare_chunks_are_as_large_as_is_useful() -> None:
    found = plan_chunks(ONE, 2 * GIB)

    assert (found.chunk_rows, found.model_rows) == (MOST_CHUNK_ROWS, MOST_MODEL_ROWS)


def test_less_memory_gives_smaller_chunks_down_to_one_row() -> None:
    sizes = [plan_chunks(ONE, limit) for limit in (GIB, 64 * 1024**2, 1024**2, 64 * 1024)]

    assert [size.chunk_rows for size in sizes] == sorted((size.chunk_rows for size in sizes), reverse=True)
    assert [size.model_rows for size in sizes] == sorted((size.model_rows for size in sizes), reverse=True)
    assert all(size.chunk_rows >= 1 and size.model_rows >= 1 for size in sizes)


@pytest.mark.parametrize("limit", [GIB, 256 * 1024**2, 16 * 1024**2])
def test_what_is_held_at_once_stays_within_the_limit(limit: int) -> None:
    size = replace(ONE, rows=10_000, answers=10_000)
    found = plan_chunks(size, limit)
    numbers = 8 * found.chunk_rows * (30 + 2 * 30)  # the rows of a chunk with their values and standard errors
    model = 8 * found.model_rows * 30

    assert size.kept_bytes + numbers + model < limit


def test_a_million_rows_with_thirty_features_fit_the_default() -> None:
    million = Size(rows=10**6, answers=10**6, features=30, players=30, sampled=True)

    assert plan_chunks(million, 2 * GIB).chunk_rows == MOST_CHUNK_ROWS


def test_answers_that_do_not_fit_are_refused_with_what_would() -> None:
    size = Size(rows=5_000_000, answers=5_000_000, features=20, players=20)
    words = (
        r"rows: 5,000,000 rows with 20 features and 20 players need 2\.4 GiB for rows and answers, and the memory "
        r"limit of 1\.0 GiB leaves 768\.0 MiB for them; send at most 1,\d\d\d,\d\d\d rows at a time, take the answers "
        r"batch by batch from explain_batches, or raise memory_limit_bytes"
    )
    with pytest.raises(LimitExceededError, match=words) as caught:
        plan_chunks(size, GIB)

    assert [(v.field, v.reason) for v in caught.value.violations] == [("rows", "LIMIT_EXCEEDED")]


def test_the_number_of_rows_that_is_named_fits() -> None:
    size = Size(rows=5_000_000, answers=5_000_000, features=20, players=20)
    with pytest.raises(LimitExceededError) as caught:
        plan_chunks(size, GIB)
    named = int(str(caught.value).split("at most ")[1].split(" rows")[0].replace(",", ""))

    assert plan_chunks(replace(size, rows=named, answers=named), GIB).chunk_rows > 1
    with pytest.raises(LimitExceededError):
        plan_chunks(replace(size, rows=named + 1, answers=named + 1), GIB)


def test_batch_by_batch_only_the_rows_themselves_count() -> None:
    plan_chunks(Size(rows=4_000_000, answers=16_384, features=20, players=20), GIB)


def test_a_budget_that_does_not_fit_names_what_would() -> None:
    size = Size(rows=1, answers=1, features=100, players=100, coalitions=500_000, sampled=True)

    with pytest.raises(LimitExceededError, match=r"budget: 500,000 coalitions of 100 players do not fit .* 1\.0 GiB"):
        plan_chunks(size, GIB)
    assert plan_chunks(size, 2 * GIB).chunk_rows > 1


def test_a_limit_too_small_for_one_row_names_the_least() -> None:
    with pytest.raises(LimitExceededError, match="rows: one row does not fit the memory limit of 8,192 bytes; raise"):
        plan_chunks(ONE, 8192)


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_a_limit_that_holds_no_answer_names_one_that_does(rows: int) -> None:
    size = replace(ONE, rows=rows, answers=rows)
    with pytest.raises(LimitExceededError, match="rows: one row does not fit the memory limit of 1 bytes; ") as caught:
        plan_chunks(size, 1)
    named = int(str(caught.value).split("memory_limit_bytes to ")[1].split(" KiB")[0]) * 1024

    plan_chunks(replace(size, rows=1, answers=1), named)
