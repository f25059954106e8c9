"""What goes into the key of a cached answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xaisvc.cache import CacheKey
from xaisvc.types import Digests, Players, Space

ONE, TWO, THREE = (bytes([i]) * 32 for i in (1, 2, 3))

KEY = CacheKey(
    answer_version=1,
    digests=Digests(model="a" * 64, background="b" * 64, schema="c" * 64),
    output="default_risk",
    space=Space.LOG_ODDS,
    method="kernel",
    parameters=(("budget", 512), ("paired", True)),
    seed=0,
    value_function="interventional",
    players=Players(names=("age", "money"), members=(("age",), ("income", "savings"))),
    row_digest=ONE,
)

DIFFERENT = {
    "answer_version": replace(KEY, answer_version=2),
    "model": replace(KEY, digests=replace(KEY.digests, model="d" * 64)),
    "background": replace(KEY, digests=replace(KEY.digests, background="d" * 64)),
    "schema": replace(KEY, digests=replace(KEY.digests, schema="d" * 64)),
    "digests swapped": replace(KEY, digests=Digests(model="b" * 64, background="a" * 64, schema="c" * 64)),
    "output": replace(KEY, output="loss"),
    "space": replace(KEY, space=Space.PROBABILITY),
    "method": replace(KEY, method="permutation"),
    "parameter value": replace(KEY, parameters=(("budget", 513), ("paired", True))),
    "parameter type": replace(KEY, parameters=(("budget", 512.0), ("paired", True))),
    "parameter true or one": replace(KEY, parameters=(("budget", 512), ("paired", 1))),
    "parameter text or number": replace(KEY, parameters=(("budget", "512"), ("paired", True))),
    "parameter name": replace(KEY, parameters=(("samples", 512), ("paired", True))),
    "parameter left out": replace(KEY, parameters=(("budget", 512),)),
    "parameter none or left out": replace(KEY, parameters=(("budget", 512), ("paired", True), ("depth", None))),
    "seed": replace(KEY, seed=1),
    "value_function": replace(KEY, value_function="conditional"),
    "player names": replace(KEY, players=replace(KEY.players, names=("age", "wealth"))),
    "player members": replace(KEY, players=replace(KEY.players, members=(("age", "income"), ("savings",)))),
    "player order": replace(KEY, players=Players(names=("money", "age"), members=(("income", "savings"), ("age",)))),
    "player kind": replace(KEY, players=replace(KEY.players, kind="concepts")),
    "row_digest": replace(KEY, row_digest=TWO),
}


@pytest.mark.parametrize("changed", DIFFERENT)
def test_whatever_changes_the_answer_changes_the_key(changed: str) -> None:
    assert DIFFERENT[changed].digest() != KEY.digest()


def test_no_two_of_the_changes_share_a_key() -> None:
    digests = {key.digest() for key in DIFFERENT.values()}

    assert len(digests) == len(DIFFERENT)


def test_the_order_of_parameters_means_nothing() -> None:
    assert replace(KEY, parameters=KEY.parameters[::-1]).digest() == KEY.digest()


def test_a_key_is_the_same_in_every_release() -> None:
    # The number this code gave when it was written. Changing it empties every cache, so do it on purpose only.
    assert KEY.digest().hex() == "db221b2173f993fcf937fb6cf5c2ed7c3e8cd7c16fe1d8ef6b71b7121d455505"


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a parameter is given twice"):
        replace(KEY, parameters=(("budget", 1), ("budget", 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_not_finite_has_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(KEY, parameters=(("width", value),)).digest()
