"""The JSON schema (draft 2020-12) of what an audience is given as JSON, derived from the types that views are made of.

Nothing is written down twice: a new block or field is in the schema because it is in `document`, and a declaration with
other sections has another schema.
"""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from xaisvc.errors import InvalidRequestError
from xaisvc.views import document
from xaisvc.views.document import Cloud, Grid, Section, View, ViewStatus
from xaisvc.views.render_json import BLOCK_TYPES, LEFT_OUT, VIEW_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xaisvc.views.audience import Audience, SectionSpec
    from xaisvc.views.cohort_section import CohortSpec

    _Spec: TypeAlias = SectionSpec | CohortSpec
    Schema: TypeAlias = dict[str, "str | int | bool | list[Schema | str | None] | Schema"]

_NOT_IN_JSON = frozenset({"layout", "formats", "tones"})
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def view_schema(audience: Audience, *, cohort: bool = False) -> Schema:
    """The schema of every view of one audience, in any of its languages.

    Args:
        audience: The audience.
        cohort: Whether of views of many cases; otherwise of one: complete, held, closed, or before a first judgement.

    Raises:
        InvalidRequestError: If the audience has no views of many cases.
        TypeError: If a block has a field of a kind that JSON has no word for; a mistake in `document`.
    """
    if cohort and not audience.cohort_sections:
        raise InvalidRequestError.of("cohort", f"audience '{audience.id}' has no views of many cases", "NO_COHORTS")
    definitions: Schema = {}
    contents = dict(_contents(audience, cohort=cohort))
    head = _members(View, definitions, {"sections"})
    cast("Schema", head["properties"]).update(
        {
            "schema": {"const": VIEW_SCHEMA},
            "audience": {"const": audience.id},
            "audience_version": {"const": audience.version},
            "language": {"enum": list(audience.languages)},
            "status": {"enum": [status.value for status in contents]},
            "sections": {"type": "array"},
        }
    )
    head["required"] = [*cast("list[str]", head["required"]), "schema", "sections"]
    return {
        "$schema": DIALECT,
        "title": f"View of {'many cases' if cohort else 'a case'} for '{audience.id}', version {audience.version}",
        **head,
        "allOf": [
            _case("status", status.value, {"properties": {"sections": _sections(specs, definitions)}})
            for status, specs in contents.items()
        ],
        "$defs": definitions,
    }


def _case(name: str, value: str, then: Schema) -> Schema:
    """What holds where a member has a value; a validator then says what is wrong, not that nothing fits."""
    return {"if": {"properties": {name: {"const": value}}}, "then": then}


def _contents(audience: Audience, *, cohort: bool) -> Iterator[tuple[ViewStatus, Sequence[_Spec]]]:
    """What a view of each status consists of; a status that an audience has no sections for does not occur."""
    if cohort:
        yield ViewStatus.COMPLETE, audience.cohort_sections
        return
    yield ViewStatus.COMPLETE, audience.sections
    apart = {
        ViewStatus.HELD_FOR_REVIEW: audience.held,
        ViewStatus.NOT_AVAILABLE: audience.closed,
        ViewStatus.JUDGEMENT_FIRST: audience.before,
    }
    yield from ((status, specs) for status, specs in apart.items() if specs)


def _sections(specs: Sequence[_Spec], definitions: Schema) -> Schema:
    """Exactly the declared sections, in their order."""
    found = cast("list[Schema | str | None]", [_section(spec, definitions) for spec in specs])
    return {"type": "array", "prefixItems": found, "items": False, "minItems": len(specs)}


def _section(spec: _Spec, definitions: Schema) -> Schema:
    found = _members(Section, definitions, {"blocks"})
    cast("Schema", found["properties"]).update(
        {
            "id": {"const": spec.id},
            "type": {"const": spec.builder.type},
            "blocks": {"type": "array", "items": _block(definitions)},
        }
    )
    found["required"] = [*cast("list[str]", found["required"]), "blocks"]
    return found


def _block(definitions: Schema) -> Schema:
    """A reference to any block, told apart by its `type`."""
    if "Block" not in definitions:
        definitions["Block"] = {
            "type": "object",
            "properties": {"type": {"enum": list(BLOCK_TYPES.values())}},
            "required": ["type"],
            "allOf": [_case("type", name, _reference(kind, definitions, name)) for kind, name in BLOCK_TYPES.items()],
        }
    return {"$ref": "#/$defs/Block"}


def _members(kind: type, definitions: Schema, apart: set[str]) -> Schema:
    """The fields of a dataclass as the members of an object. Those that are left out when they are empty may lack."""
    hints = get_type_hints(kind, vars(document))
    left_out = apart | (_NOT_IN_JSON if kind is View else set())
    fields = [field for field in dataclasses.fields(kind) if field.name not in left_out]
    return {
        "type": "object",
        "properties": {field.name: _value(hints[field.name], definitions) for field in fields},
        "required": [field.name for field in fields if field.name not in LEFT_OUT.get(kind, ())],
        "additionalProperties": False,
    }


def _reference(kind: type, definitions: Schema, name: str = "") -> Schema:
    """A reference to a dataclass, which is defined once; blocks say their `type` first."""
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # so that a type that holds itself ends here
        found = _members(kind, definitions, set())
        if name:
            found["properties"] = {"type": {"const": name}, **cast("Schema", found["properties"])}
            found["required"] = ["type", *cast("list[Schema | str | None]", found["required"])]
        if kind is Grid:  # marks are written as numbers, which takes a fifth of the room
            cast("Schema", found["properties"])["marked"] = _value(tuple[tuple[Literal[0, 1], ...], ...], definitions)
        definitions[kind.__name__] = found
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _value(hint: object, definitions: Schema) -> Schema:  # noqa: PLR0911 - one way out for each kind of type
    """What a value of one type is in JSON; a number that is not finite is null."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_value(one, definitions) for one in arguments]}
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
            return {"type": "array", "items": _value(arguments[0], definitions)}
        items = cast("list[Schema | str | None]", [_value(one, definitions) for one in arguments])
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if isinstance(hint, type):
        if issubclass(hint, Enum):
            return {"enum": [one.value for one in hint]}
        if hint is Cloud:
            return _value(get_type_hints(Cloud)["points"], definitions)  # nothing but its points
        if dataclasses.is_dataclass(hint):
            return _reference(hint, definitions)
        if hint in _PLAIN:
            return dict(_PLAIN[hint])
    raise TypeError(f"a view cannot hold {hint!r}: JSON has no word for it")


_PLAIN: dict[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},
    str: {"type": "string"},
    type(None): {"type": "null"},
}
