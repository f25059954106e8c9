from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from xaisvc.errors import StoreError
from xaisvc.records.answers import (
    decode_answer,
    decode_answers,
    decode_frame,
    decode_row,
    encode_answer,
    encode_frame,
    encode_rows,
)
from xaisvc.types import (
    AnswerFrame,
    Caveat,
    Deadline,
    Digests,
    ErrorTarget,
    Gate,
    Players,
    RobustNumber,
    RowAnswer,
    Severity,
    Space,
    Table,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = npst.arrays(np.float64, st.integers(0, 5), elements=FINITE)
CAVEATS = st.lists(
    st.builds(
        Caveat,
        kind=st.text(max_size=5),
        severity=st.sampled_from(Severity),
        players=st.lists(st.text(max_size=3), max_size=2).map(tuple),
        message=st.text(max_size=20),
        evidence=st.dictionaries(st.text(max_size=4), FINITE, max_size=2),
        robust=st.none()
        | st.builds(
            RobustNumber,
            players=st.lists(st.text(max_size=3), max_size=2).map(tuple),
            value=FINITE,
            low=FINITE,
            high=FINITE,
        ),
        gates=st.lists(st.sampled_from(Gate), unique=True).map(tuple),
        model_rows=st.integers(0, 2**40),
    ),
    max_size=3,
).map(tuple)


def an_answer(**changes: object) -> RowAnswer:
    values: dict[str, object] = {
        "prediction": 0.25,
        "rank_share": 0.5,
        "base_value": -1.0,
        "output": -0.5,
        "values": np.array([0.125, 0.375]),
        "standard_errors": np.zeros(2),
        "exact": True,
        "model_evaluations": 3,
        "band": "low",
        "adverse": False,
        "detail": "auto chose 'tree'.",
    }
    return RowAnswer(**{**values, **changes})  # type: ignore[arg-type]


def same(one: RowAnswer, other: RowAnswer) -> bool:
    arrays = ("values", "standard_errors")
    plain = [name for name in RowAnswer.__slots__ if name not in arrays]
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


ANSWERS = st.builds(
    lambda values, exact, singles, rest: an_answer(
        values=values,
        standard_errors=np.zeros(len(values)) if exact else values[::-1].copy(),
        exact=exact,
        **dict(zip(("prediction", "rank_share", "base_value", "output"), singles, strict=True)),
        **rest,
    ),
    NUMBERS,
    st.booleans(),
    st.tuples(FINITE, FINITE, FINITE, FINITE),
    st.fixed_dictionaries(
        {
            "caveats": CAVEATS,
            "diagnostics": st.dictionaries(st.text(max_size=4), FINITE, max_size=2),
            "adverse": st.sampled_from([None, True, False]),
        }
    ),
)


@given(ANSWERS)
def test_an_answer_comes_back_as_it_was(answer: RowAnswer) -> None:
    assert same(decode_answer(encode_answer(answer)), answer)


@given(st.lists(ANSWERS, max_size=6), st.booleans())
def test_answers_come_back_as_columns_as_they_do_one_by_one(answers: list[RowAnswer], alike: bool) -> None:  # noqa: FBT001 - drawn
    p = len(answers[0].values) if answers else 0
    answers = [answer for answer in answers if len(answer.values) == p]
    if alike:
        answers = [answer for answer in answers if answer.exact == answers[0].exact]
    stored = [encode_answer(answer) for answer in answers]

    found = decode_answers(stored)

    assert len(found) == len(answers)
    for i, one in enumerate(map(decode_answer, stored)):
        errors = np.zeros(p) if found.standard_errors is None else found.standard_errors[i]
        again = RowAnswer(
            prediction=found.predictions[i],
            rank_share=found.rank_shares[i],
            base_value=found.base_values[i],
            output=found.outputs[i],
            values=found.values[i],
            standard_errors=errors,
            exact=found.exact[i],
            model_evaluations=found.model_evaluations[i],
            band=found.bands[i],
            adverse=found.adverse[i],
            detail=found.details[i],
            diagnostics=found.diagnostics[i],
            caveats=found.caveats[i],
        )
        assert same(again, one)


def test_answers_with_other_players_are_no_columns() -> None:
    stored = [encode_answer(an_answer(values=np.zeros(p), standard_errors=np.zeros(p))) for p in (2, 3)]

    with pytest.raises(StoreError, match="stored bytes are no answer of this version"):
        decode_answers(stored)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: b"\x01" + raw[1:],
        lambda _: b"",
        lambda raw: raw[:20],
        lambda raw: raw[:-4] + b"nope",
    ],
    ids=["cut", "longer", "another version", "nothing", "half a head", "no JSON"],
)
def test_damage_to_one_of_several_answers_is_found(spoil: object, place: int) -> None:
    stored = [encode_answer(an_answer()) for _ in range(2)]
    stored[place] = spoil(stored[place])  # type: ignore[operator]

    with pytest.raises(StoreError, match="stored bytes are no answer of this version"):
        decode_answers(stored)


def test_equal_answers_are_equal_bytes() -> None:
    assert encode_answer(an_answer()) == encode_answer(an_answer())
    assert encode_answer(an_answer()) != encode_answer(an_answer(adverse=None))


def a_caveat(message: str = "", value: float = 0.5) -> Caveat:
    return Caveat(kind="k", severity=Severity.CARE, players=("a",), message=message, evidence={"share": value})


@pytest.mark.parametrize(
    "bad",
    [
        {"prediction": float("nan")},
        {"values": np.array([np.inf, 0.0])},
        {"caveats": (a_caveat(value=float("nan")),)},
        {"caveats": (a_caveat(value=-float("inf")),)},
        {"diagnostics": {"r2": float("inf")}},
        {
            "caveats": (
                replace(a_caveat(), robust=RobustNumber(players=("a",), value=0.0, low=float("-inf"), high=1.0)),
            )
        },
    ],
)
def test_numbers_that_are_not_finite_are_not_recorded(bad: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="not finite"):
        encode_answer(an_answer(**bad))


@pytest.mark.parametrize("players", [("a",), ("a", "b"), ()], ids=["its own", "others", "none"])
def test_a_robust_number_keeps_its_players(players: tuple[str, ...]) -> None:
    robust = RobustNumber(players=players, value=-0.1, low=-0.3, high=0.1)
    caveats = (replace(a_caveat(), robust=robust, gates=tuple(Gate), model_rows=7), a_caveat())
    answer = an_answer(caveats=caveats, diagnostics={"r2": 0.5, "a": 1.0})

    found = decode_answer(encode_answer(answer))

    assert found.caveats == caveats
    assert found.diagnostics == {"a": 1.0, "r2": 0.5}


def test_what_differs_between_rows_is_numbers_alone() -> None:
    """So the words of a caveat are read once and not for every row."""
    robust = RobustNumber(players=("a",), value=0.1, low=0.0, high=0.2)
    one, other = (
        encode_answer(an_answer(caveats=(replace(a_caveat("words", value), robust=replace(robust, value=value)),)))
        for value in (0.25, 0.75)
    )

    assert len(one) == len(other)
    assert [at for at in range(len(one)) if one[at] != other[at]] != []
    assert one.split(b'["low"')[1] == other.split(b'["low"')[1]


def test_a_figure_costs_eight_bytes_and_its_name() -> None:
    one, two = (
        encode_answer(an_answer(caveats=(Caveat(kind="k", severity=Severity.INFO, evidence=evidence),)))
        for evidence in ({"a": 1 / 3}, {"a": 1 / 3, "b": 2 / 3})
    )

    assert len(two) - len(one) == 8 + len(',"b"')


def test_a_line_break_in_a_text_is_no_new_caveat() -> None:
    answer = an_answer(caveats=(a_caveat("one\ntwo\r\n"),), detail="three\nfour")

    assert same(decode_answer(encode_answer(answer)), answer)


@pytest.mark.parametrize(
    ("was", "put"),
    [
        (b'["share"]', b'["sharp","s"]'),
        (b'["share"]', b"[]"),
        (b'["k",1,', b'["k",9,'),
        (b'["k",1,', b'["k","care",'),
        (b"[0]", b"[7]"),
        (b",true,", b",false,"),
    ],
    ids=["a name too many", "a name too few", "a severity", "the old severity", "a gate", "no robust number"],
)
def test_words_that_do_not_fit_their_numbers_are_refused(was: bytes, put: bytes) -> None:
    robust = RobustNumber(players=("a",), value=0.1, low=0.0, high=0.2)
    raw = encode_answer(an_answer(caveats=(replace(a_caveat(), robust=robust, gates=(Gate.NO_REASONS,)),)))
    assert raw.count(was) == 1
    text = len(raw) - raw.index(b'["low"') + len(put) - len(was)
    spoiled = raw.replace(was, put)
    spoiled = spoiled[:6] + text.to_bytes(4, "little") + spoiled[10:]

    for read in (decode_answer, lambda raw: decode_answers([raw])):
        with pytest.raises(StoreError, match="stored bytes are no answer of this version"):
            read(spoiled)


def test_texts_may_hold_the_names_of_numbers_that_are_not_finite() -> None:
    answer = an_answer(caveats=(a_caveat("NaN and Infinity"),), detail="NaN")

    assert decode_answer(encode_answer(answer)).caveats == answer.caveats


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: b"\x01" + raw[1:], lambda _: b"", lambda raw: raw[:20]],
    ids=["cut", "longer", "another version", "nothing", "half a head"],
)
def test_damaged_answers_are_refused(spoil: object) -> None:
    raw = spoil(encode_answer(an_answer()))  # type: ignore[operator]
    with pytest.raises(StoreError, match="stored bytes are no answer of this version"):
        decode_answer(raw)


@pytest.mark.parametrize("budget", [None, 512, ErrorTarget(0.1), Deadline(2.5)])
def test_a_frame_comes_back_as_it_was(budget: object) -> None:
    frame = AnswerFrame(
        bundle="credit",
        bundle_version="1",
        digests=Digests(model="a", background="b", schema="c"),
        device="cpu",
        answer_version=2,
        software={"numpy": "2.0"},
        output="default",
        prediction_space=Space.PROBABILITY,
        space=Space.LOG_ODDS,
        method="kernel",
        value_function="interventional",
        players=Players(names=("x", "rest"), members=(("x",), ("y", "z")), kind="custom"),
        seed=-3,
        budget=budget,  # type: ignore[arg-type]
        budget_text="512 coalitions",
        portfolio_rows=100,
        portfolio_mean=0.1,
        adverse_share=None,
        portfolio_mean_abs=(0.1, 1e-300),
    )

    assert decode_frame(encode_frame(frame)) == frame
    with pytest.raises(StoreError):
        decode_frame(encode_frame(frame)[:-1])


def test_rows_come_back_with_what_follows_them() -> None:
    rows = Table(
        {
            "age": np.array([41.0, np.nan, -0.0]),
            "purpose": np.array(["car", None, 'a "quoted" ü'], dtype=object),
            "amount": np.array([1e300, 0.1, 5.0]),
        }
    )
    kinds = {"age": False, "purpose": True, "amount": False}

    for i, raw in enumerate(encode_rows(rows)):
        row, rest = decode_row(raw + b"the answer", kinds)

        assert row == rows.row(i)
        assert rest == b"the answer"
    with pytest.raises(StoreError, match="stored bytes are no row of this version"):
        decode_row(encode_rows(rows)[0], {"age": False})
    with pytest.raises(StoreError):
        decode_row(encode_rows(rows)[0][:9], kinds)


@pytest.mark.parametrize("count", [15, 16, 40])
def test_a_row_is_the_same_bytes_alone_and_among_many(count: int) -> None:
    texts = np.array([["car", None, 'a "quoted" ü', "", "null"][i % 5] for i in range(count)], dtype=object)
    rows = Table({"purpose": texts, "age": np.arange(float(count)), "other": texts[::-1].copy()})

    assert encode_rows(rows) == [encode_rows(rows.take([i]))[0] for i in range(count)]


def test_rows_of_texts_alone_and_numbers_alone() -> None:
    texts = Table({"a": np.array(["x"], dtype=object)})
    numbers = Table({"a": np.array([1.0])})

    assert decode_row(encode_rows(texts)[0], {"a": True}) == ({"a": "x"}, b"")
    assert decode_row(encode_rows(numbers)[0], {"a": False}) == ({"a": 1.0}, b"")
