"""Reads the sections of a declaration: each names a type and sets some of its options."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from xaisvc.views.audience import FactsOnly, SectionSpec
from xaisvc.views.cohort_section import CohortSpec
from xaisvc.views.sections import SECTION_TYPES
from xaisvc.views.sections.cohort import COHORT_SECTION_TYPES
from xaisvc.views.sections.common import FixedText

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    from xaisvc.views.yamlfile import Value, YamlFile

    Option: TypeAlias = int | float | bool | str | tuple[str, ...]

_Section = TypeVar("_Section")


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
    found = _read(file, field, value, SECTION_TYPES, fixed=fixed)
    return tuple(SectionSpec(id=identifier, builder=builder) for identifier, builder in found.items())


def read_cohort_sections(file: YamlFile) -> tuple[CohortSpec, ...]:
    """The sections listed at `cohort_sections`; errors as in `read_sections`."""
    field = "cohort_sections"
    found = _read(file, field, file.content[field], COHORT_SECTION_TYPES)
    return tuple(CohortSpec(id=identifier, builder=builder) for identifier, builder in found.items())


def _read(
    file: YamlFile, field: str, value: Value, types: Mapping[str, type[_Section]], *, fixed: bool = False
) -> dict[str, _Section]:
    """Id to section, in the order of the list."""
    found: dict[str, _Section] = {}
    for i, item in enumerate(file.items(field, value)):
        where = f"{field}.{i}"
        declared = file.mapping(where, item)
        name = file.text(f"{where}.type", declared.get("type"))
        if name not in types:
            raise file.error(f"{where}.type", f"unknown section type '{name}'; known: {', '.join(sorted(types))}")
        if fixed and name != FixedText.type:
            raise file.error(f"{where}.type", f"must be '{FixedText.type}': this text is the same for every case")
        kind = types[name]
        options = {option.name: option for option in fields(kind)}  # type: ignore[arg-type]  # all are dataclasses
        file.only(where, declared, ("type", "id", *options))
        identifier = file.text(f"{where}.id", declared.get("id", name))
        if identifier in found:
            raise file.error(f"{where}.id", f"'{identifier}' is used twice; give this section an id of its own")
        chosen = {
            key: _option(file, f"{where}.{key}", declared[key], option)
            for key, option in options.items()
            if key in declared
        }
        try:
            found[identifier] = kind(**chosen)
        except ValueError as problem:
            raise file.error(where, str(problem)) from None
    return found


def read_before(file: YamlFile) -> tuple[tuple[SectionSpec, ...], bool]:
    """What is read before a first judgement, and whether one is asked for.

    Raises:
        AudienceError: If one is asked for and nothing is said of what is read before, or a section shows what follows
            from the model's answer.
    """
    asked = file.content.get("first_judgement", "optional")
    if asked not in {"required", "optional"}:
        raise file.error("first_judgement", "must be one of: required, optional")
    if "before" not in file.content:
        if asked == "required":
            raise file.error("before", "must list what is read until the first judgement, because one is asked for")
        return (), False
    found = read_sections(file, "before", file.content["before"])
    for i, spec in enumerate(found):
        if not isinstance(spec.builder, FactsOnly):
            open_types = ", ".join(sorted(name for name, kind in SECTION_TYPES.items() if hasattr(kind, "facts_only")))
            raise file.error(
                f"before.{i}.type",
                f"'{spec.builder.type}' shows what follows from the model's answer, which nobody reads before their "
                f"own judgement; types that do not: {open_types}",
            )
    return found, asked == "required"


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
