"""Messages that no honest caller sends; the same on every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xaisvc.v1 import audiences_pb2, explanations_pb2, feedback_pb2, models_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from google.protobuf.message import Message

    from tests.load.subjects import Subject

METHODS = tuple(
    f"/{service.full_name}/{method.name}"
    for module in (explanations_pb2, models_pb2, audiences_pb2, feedback_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
"""Every method of the protocol."""

NUMBERS = (float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, -0.0, 1e39, 0.5, 2.0**53)
INTEGERS = (-(2**63), 2**63 - 1, -1, 0, 2**31, 1)
TEXTS = ("", " ", "\x00", "é" * 300, "\u202eabc", "../../etc/passwd", "{{7*7}}", "<script>", "x" * 70_000, "\U0001f600")
WHOLE_32 = (-(2**31), 2**31 - 1, -1, 0, 1, 100_000)
NESTED = 400

_VARINT_MORE = 0x80


ABSENT = ("0" * 26 + "-0", "0" * 26 + "-1")
"""Ids of explanations that there are not."""


def hostile_messages(
    count: int, subject: Subject, rng: np.random.Generator, ids: Sequence[str] = ABSENT
) -> list[tuple[str, bytes]]:
    """Method and bytes of each message: one half is no message, the other is one and asks for nonsense.

    Args:
        count: How many.
        subject: Rows to ask about.
        rng: What is drawn from.
        ids: Explanations of one row by several methods; messages name these and ones that there are not.
    """
    found = []
    for place in range(count):
        method = METHODS[place % len(METHODS)]
        kind = (place // len(METHODS)) % len(_KINDS)
        found.append((method, _KINDS[kind](_valid(method, subject, rng, ids), rng)))
    return found


def _valid(method: str, subject: Subject, rng: np.random.Generator, ids: Sequence[str]) -> Message:
    """A message of the method that asks for something sensible, different each time."""
    name = method.rpartition("/")[2]
    row = int(rng.integers(len(subject.rows)))
    explain = subject.request(row) if rng.random() < 0.5 else subject.packed(row, row + 3)
    first, second = ids[:2] if rng.random() < 0.7 else ABSENT
    makers: dict[str, Callable[[], Message]] = {
        "Explain": lambda: explain,
        "ExplainStream": lambda: explanations_pb2.ExplainStreamRequest(request=explain),
        "RenderView": lambda: explanations_pb2.RenderViewRequest(id=first, audience="customer", format="text"),
        "RenderCohort": lambda: explanations_pb2.RenderCohortRequest(model=subject.name, segment_by=["band"]),
        "GetExplanation": lambda: explanations_pb2.GetExplanationRequest(id=first),
        "CompareExplanations": lambda: explanations_pb2.CompareExplanationsRequest(ids=[first, second]),
        "ListModels": models_pb2.ListModelsRequest,
        "GetModel": lambda: models_pb2.GetModelRequest(name=subject.name),
        "ListAudiences": audiences_pb2.ListAudiencesRequest,
        "Submit": lambda: feedback_pb2.SubmitRequest(explanation_id=first, audience="customer", verdict=1),
        "GetUsage": lambda: feedback_pb2.GetUsageRequest(model=subject.name),
    }
    return makers[name]()


def _random(_message: Message, rng: np.random.Generator) -> bytes:
    return rng.bytes(int(rng.integers(1, 300)))


def _changed(message: Message, rng: np.random.Generator) -> bytes:
    raw = bytearray(message.SerializeToString() or b"\x00")
    for place in rng.integers(0, len(raw), 3):
        raw[place] = int(rng.integers(256))
    return bytes(raw)


def _cut(message: Message, rng: np.random.Generator) -> bytes:
    raw = message.SerializeToString() or b"\x0a\x05"
    return raw[: int(rng.integers(1, len(raw) + 1))]


def _wrong_utf8(message: Message, rng: np.random.Generator) -> bytes:
    """The message with a text field of bytes that are no text."""
    return message.SerializeToString() + _field(int(rng.integers(1, 5)), b"\xff\xfe" + rng.bytes(4))


def _nested(_message: Message, rng: np.random.Generator) -> bytes:
    """A message in a message in a message, deeper than any parser follows."""
    number = int(rng.integers(1, 10))
    raw = b""
    for _ in range(NESTED):
        raw = _field(number, raw)
    return raw


def _unknown_fields(message: Message, rng: np.random.Generator) -> bytes:
    """Fields of numbers that the protocol does not have, which every version must pass over."""
    return message.SerializeToString() + _field(int(rng.integers(100, 10_000)), rng.bytes(20))


def _nonsense(message: Message, rng: np.random.Generator) -> bytes:
    """The message with some of its fields set to what their types allow and nobody means."""
    for _ in range(int(rng.integers(1, 4))):
        _spoil(message, rng)
    return message.SerializeToString()


_KINDS = (_random, _nonsense, _changed, _nonsense, _cut, _nonsense, _wrong_utf8, _nonsense, _nested, _unknown_fields)


def _spoil(message: Message, rng: np.random.Generator, depth: int = 0) -> None:
    """Sets one field, of the message or of a message inside it."""
    fields = [field for field in message.DESCRIPTOR.fields if field.name != "deadline" or depth]
    if not fields:
        return
    field = fields[int(rng.integers(len(fields)))]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _spoil_map(getattr(message, field.name), rng)
    elif field.message_type is not None and field.is_repeated:
        held = getattr(message, field.name)
        target = held[int(rng.integers(len(held)))] if len(held) and rng.random() < 0.7 else held.add()
        _spoil(target, rng, depth + 1)
    elif field.message_type is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        _spoil(target, rng, depth + 1)
    elif field.is_repeated:
        held = getattr(message, field.name)
        if len(held) and rng.random() < 0.5:
            held[int(rng.integers(len(held)))] = _value(field, rng)
        else:
            held.append(_value(field, rng))
    else:
        setattr(message, field.name, _value(field, rng))


def _spoil_map(values: Any, rng: np.random.Generator) -> None:
    """Sets a value under a name of a row, known or not, or takes one away."""
    names = sorted(values)
    if names and rng.random() < 0.3:
        del values[names[int(rng.integers(len(names)))]]
        return
    name = names[int(rng.integers(len(names)))] if names and rng.random() < 0.7 else _pick(TEXTS, rng)
    kind = _pick(("number", "integer", "text", "boolean", ""), rng)
    entry = values[name]
    if not isinstance(entry, explanations_pb2.Value):
        return
    choices: dict[str, Sequence[Any]] = {"number": NUMBERS, "integer": INTEGERS, "text": TEXTS, "boolean": (True,)}
    if kind:
        setattr(entry, kind, _pick(choices[kind], rng))
    else:
        entry.Clear()


def _value(field: Any, rng: np.random.Generator) -> Any:
    kinds: dict[int, Sequence[Any]] = {
        field.CPPTYPE_DOUBLE: NUMBERS,
        field.CPPTYPE_INT64: INTEGERS,
        field.CPPTYPE_INT32: WHOLE_32,
        field.CPPTYPE_STRING: TEXTS,
        field.CPPTYPE_BOOL: (True, False),
        field.CPPTYPE_ENUM: WHOLE_32,
    }
    return _pick(kinds[field.cpp_type], rng)


def _pick(choices: Sequence[Any], rng: np.random.Generator) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _field(number: int, content: bytes) -> bytes:
    """A field of a length and so many bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= _VARINT_MORE:
        found.append(value & 0x7F | _VARINT_MORE)
        value >>= 7
    found.append(value)
    return bytes(found)
