"""Reads the sections of a declaration: each names a type and sets some of its options."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, TypeAlias, cast

from xaisvc.views.audience import SectionSpec
from xaisvc.views.sections import SECTION_TYPES
from xaisvc.views.sections.common import FixedText

if TYPE_CHECKING:
    from dataclasses import Field

    from xaisvc.views.yamlfile import Value, YamlFile

    Option: TypeAlias = int | float | bool | str | tuple[str, ...]


def read_sections(file: YamlFile, field: str, value: Value, *, fixed: bool = False) -> tuple[SectionSpec, ...]:
    """The sections listed at `field`.

    Args:
        file: The declaration.
        field: Path of the list.
        value: The list.
        fixed: Whether only fixed words are allowed, because the text must not depend on the case.

    Raises:
        AudienceError: If a type or option is unknown, an option has the wrong type, or an id is used twice.
    """
    found: list[SectionSpec] = []
    for i, item in enumerate(file.items(field, value)):
        where = f"{field}.{i}"
        declared = file.mapping(where, item)
        name = file.text(f"{where}.type", declared.get("type"))
        if name not in SECTION_TYPES:
            raise file.error(
                f"{where}.type", f"unknown section type '{name}'; known: {', '.join(sorted(SECTION_TYPES))}"
            )
        if fixed and name != FixedText.type:
            raise file.error(f"{where}.type", f"must be '{FixedText.type}': this text is the same for every case")
        kind = SECTION_TYPES[name]
        options = {option.name: option for option in fields(kind)}  # type: ignore[arg-type]  # all are dataclasses
        file.only(where, declared, ("type", "id", *options))
        identifier = file.text(f"{where}.id", declared.get("id", name))
        if any(section.id == identifier for section in found):
            raise file.error(f"{where}.id", f"'{identifier}' is used twice; give this section an id of its own")
        chosen = {
            key: _option(file, f"{where}.{key}", declared[key], option)
            for key, option in options.items()
            if key in declared
        }
        try:
            builder = kind(**chosen)
        except ValueError as problem:
            raise file.error(where, str(problem)) from None
        found.append(SectionSpec(id=identifier, builder=builder))
    return tuple(found)


def _option(file: YamlFile, where: str, value: Value, option: Field[object]) -> Option:
    """One option, of the type of its default and among its choices."""
    choices = cast("tuple[str, ...]", option.metadata.get("choices", ()))
    if choices:
        if value not in choices:
            raise file.error(where, f"must be one of: {', '.join(choices)}")
        return str(value)
    default = option.default
    assert default is not MISSING, "every option of a section type has a default"  # noqa: S101 - a rule of this code
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise file.error(where, "must be true or false")
        return value
    if isinstance(default, tuple):
        return file.texts(where, value)
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or cast("float", value) < 0:
        raise file.error(where, f"must be a {'whole ' if whole else ''}number, 0 or more")
    if option.name == "floor" and cast("float", value) > 1:
        raise file.error(where, "is a share, so it must be between 0 and 1")
    return value
