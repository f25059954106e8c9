from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaisvc.cache import CacheKey, tenant_salt
from xaisvc.types import Digests, Players, Space

SECRET = bytes(range(32))
SALT = tenant_salt(SECRET, "retail")
ONE, TWO = (bytes([i]) * 32 for i in (1, 2))

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
}


@pytest.mark.parametrize("changed", DIFFERENT)
def test_whatever_changes_the_answer_changes_the_key(changed: str) -> None:
    assert DIFFERENT[changed].row_keys([ONE], SALT) != KEY.row_keys([ONE], SALT)


def test_no_two_of_the_changes_share_a_key() -> None:
    keys = {key.row_keys([ONE], SALT) for key in DIFFERENT.values()}

    assert len(keys) == len(DIFFERENT)


def test_another_row_has_another_key() -> None:
    one, two, again = KEY.row_keys([ONE, TWO, ONE], SALT)

    assert one == again
    assert one != two


def test_the_order_of_parameters_means_nothing() -> None:
    assert replace(KEY, parameters=KEY.parameters[::-1]).row_keys([ONE], SALT) == KEY.row_keys([ONE], SALT)


def test_a_key_is_the_same_in_every_process_and_release() -> None:
    (key,) = KEY.row_keys([ONE], SALT)

    assert key.hex() == "a2365ea5b666bd1ad65945a81baf32111a76fff24da1e429dbe83da41098a4c2"


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20))
def test_rows_of_one_request_have_the_keys_that_each_has_alone(row_digests: list[bytes]) -> None:
    expected = tuple(hashlib.sha256(SALT + KEY.canonical() + digest).digest() for digest in row_digests)

    assert KEY.row_keys(row_digests, SALT) == expected


def test_the_canonical_bytes_are_a_head_and_a_line_of_json() -> None:
    head, fields, rest = KEY.canonical().split(b"\n")

    assert head == b"xaisvc cache key 2"
    assert json.loads(fields)["parameters"] == {"budget": 512, "paired": True}
    assert rest == b""


@pytest.mark.parametrize("length", [0, 31, 33])
def test_salts_and_row_digests_have_a_fixed_length(length: int) -> None:
    with pytest.raises(ValueError, match=f"has {length} bytes; both have 32"):
        KEY.row_keys([bytes(length)], SALT)
    with pytest.raises(ValueError, match=f"has {length} bytes; both have 32"):
        KEY.row_keys([ONE], bytes(length))


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice"):
        replace(KEY, parameters=(("budget", 1), ("budget", 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_no_number_has_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(KEY, parameters=(("width", value),)).row_keys([ONE], SALT)


def test_tenants_never_share_a_key() -> None:
    tenants = ["", "retail", "retail ", "Retail", "retail\x00", "rétail", "\ud800"]
    keys = {KEY.row_keys([ONE], tenant_salt(SECRET, tenant)) for tenant in tenants}

    assert len(keys) == len(tenants)


def test_another_secret_makes_other_salts() -> None:
    assert tenant_salt(SECRET, "retail") != tenant_salt(SECRET[::-1], "retail")


@given(st.text())
def test_every_name_of_a_tenant_has_a_salt(tenant: str) -> None:
    assert len(tenant_salt(SECRET, tenant)) == 32
