from __future__ import annotations

import hashlib

import numpy as np
import pytest

from xaisvc.engine.seeds import RowSeeds, plan_seed
from xaisvc.types import Table

MODEL = "ab" * 32
ROWS = Table({"a": np.array([1.0, 2.0, 1.0])})


def test_a_seed_is_made_of_seed_model_and_row() -> None:
    expected = [
        hashlib.blake2b((7).to_bytes(8, "little", signed=True) + bytes.fromhex(MODEL) + digest, digest_size=32).digest()
        for digest in ROWS.row_digests()
    ]

    assert list(RowSeeds(7, MODEL, ROWS)) == expected
    assert expected[0] == expected[2] != expected[1]


def test_rows_are_not_read_before_a_method_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "row_digests", lambda _: pytest.fail("read"))

    assert len(RowSeeds(7, MODEL, ROWS)) == 3


def test_the_seed_of_a_plan_depends_on_seed_and_model_alone_and_is_no_row_seed() -> None:
    found = {plan_seed(seed, model) for seed in (-1, 0, 1) for model in (MODEL, "cd" * 32)}

    assert len(found) == 6
    assert plan_seed(0, MODEL) == plan_seed(0, MODEL)
    assert {len(seed) for seed in found} == {32}
    assert plan_seed(7, MODEL) not in set(RowSeeds(7, MODEL, ROWS))
