"""Reads a YAML file and remembers on which line each value stands, so that an error can name file, line and field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.errors import AudienceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import yaml

_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null"))
_DAY = "tag:yaml.org,2002:timestamp"
"""A date is read as the text that it is written as; whoever asks for one reads it."""

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The content of one YAML file.

    Attributes:
        name: File name for messages, relative to the audiences folder.
        content: The mapping at the top of the file.
        lines: Dotted path of each value to its line, from 1.
    """

    name: str
    content: Mapping[str, Value]
    lines: Mapping[str, int]

    def error(self, field: str, message: str) -> AudienceError:
        """An error about one field of this file; a field that is absent is placed at the line of what holds it."""
        holder = field
        while holder and holder not in self.lines:
            holder = holder.rpartition(".")[0]
        return AudienceError(message, file=self.name, line=self.lines.get(holder, 1), field=field)

    def only(self, field: str, keys: Iterable[str], known: Iterable[str]) -> None:
        """Refuses keys of the mapping at `field` that nobody reads.

        Raises:
            AudienceError: If a key is not among `known`; the message lists what is.
        """
        allowed = tuple(known)
        for key in keys:
            if key not in allowed:
                path = f"{field}.{key}" if field else key
                raise self.error(path, f"unknown key '{key}'; known here: {', '.join(allowed)}")

    def text(self, field: str, value: Value) -> str:
        """`value` if it is a text that says something."""
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, "must be a text that is not empty")
        return value

    def mapping(self, field: str, value: Value) -> dict[str, Value]:
        """`value` if it is a mapping."""
        if not isinstance(value, dict):
            raise self.error(field, "must be a mapping")
        return value

    def items(self, field: str, value: Value) -> list[Value]:
        """`value` if it is a list that is not empty."""
        if not isinstance(value, list) or not value:
            raise self.error(field, "must be a list that is not empty")
        return value

    def texts(self, field: str, value: Value) -> tuple[str, ...]:
        """`value` if it is a list of texts."""
        return tuple(self.text(f"{field}.{i}", item) for i, item in enumerate(self.items(field, value)))


def read_yaml(path: Path, root: Path) -> YamlFile:
    """Reads one file.

    Args:
        path: The file.
        root: Folder that the name in messages is relative to.

    Raises:
        AudienceError: If the file is absent, is not UTF-8 or YAML, repeats a key or does not hold a mapping.
    """
    import yaml  # noqa: PLC0415 - heavy: loaded when used

    name = path.relative_to(root).as_posix()
    # PyYAML's compiled reader is several times as fast; some builds come without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=loader)
    except FileNotFoundError:
        raise AudienceError("the file is missing; add it", file=name) from None
    except (UnicodeDecodeError, OSError):
        raise AudienceError("cannot be read as UTF-8 text", file=name) from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise AudienceError(
            "is not valid YAML; look for indentation, colons and quotes", file=name, line=line
        ) from None
    lines: dict[str, int] = {}
    content = _plain(node, "", name, lines, yaml.SafeLoader(""))
    if not isinstance(content, dict):
        raise AudienceError("must hold a mapping of keys to values", file=name, line=1)
    return YamlFile(name, content, lines)


def _plain(node: yaml.Node | None, path: str, name: str, lines: dict[str, int], loader: yaml.SafeLoader) -> Value:
    """The plain value of a node; notes the line of each value on the way. `loader` says what a scalar is."""
    import yaml  # noqa: PLC0415 - heavy: loaded when used

    if node is None:
        return None
    lines[path] = node.start_mark.line + 1
    if node.tag not in _TAGS and node.tag != _DAY:
        raise AudienceError(
            "holds a tag or a kind of value that has no meaning here", file=name, line=lines[path], field=path
        )
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            where = f"{path}.{key}" if path else key
            if key in found:
                raise AudienceError(
                    f"'{key}' is written twice", file=name, line=key_node.start_mark.line + 1, field=where
                )
            found[key] = _plain(value_node, where, name, lines, loader)
            lines[where] = key_node.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{path}.{i}", name, lines, loader) for i, item in enumerate(node.value)]
    if node.tag == _DAY:
        return str(node.value)
    value: Scalar = loader.construct_object(node)
    return value
