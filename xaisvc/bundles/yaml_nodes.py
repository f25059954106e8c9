"""YAML as nodes that know where they stand, so that every error can name file, line and field."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import yaml
from yaml.composer import Composer

from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from enum import StrEnum

    EnumT = TypeVar("EnumT", bound=StrEnum)

MAX_NODES = 200_000
MAX_DEPTH = 16
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z")
_INTEGER = re.compile(r"[+-]?\d+\Z")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PREVIEW_CHARACTERS = 40
_REFUSALS = (yaml.YAMLError, ValueError, OverflowError)
"""What a reader raises; the latter two for escapes that name no character."""


@dataclass(frozen=True, slots=True)
class Node:
    """One YAML node with its place.

    Attributes:
        raw: PyYAML's node.
        file: File name inside the bundle.
        path: Path of the field, for example `features[2].kind`; empty for the whole document.
    """

    raw: yaml.Node
    file: str
    path: str = ""

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return _line(self.raw.start_mark)

    def error(self, message: str) -> BundleError:
        """An error about this node."""
        return BundleError(message, file=self.file, line=self.line, field=self.path)

    def child(self, raw: yaml.Node, key: str) -> Node:
        """The node under a key."""
        return Node(raw, self.file, f"{self.path}.{key}" if self.path else key)

    def mapping(self) -> dict[str, Node]:
        """Keys and values of a mapping.

        Raises:
            BundleError: If this is no mapping, a key is no text or stands twice.
        """
        if not isinstance(self.raw, yaml.MappingNode):
            raise self.error(f"must be a mapping ('key: value' lines), but is {self._what()}")
        found: dict[str, Node] = {}
        for key_node, value in self.raw.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise Node(key_node, self.file, self.path).error("a key must be a single word or text")
            key = str(key_node.value)
            here = self.child(value, key)
            if key in found:
                raise Node(key_node, self.file, here.path).error(
                    f"the key '{_preview(key)}' stands twice (first in line {found[key].line}); remove one"
                )
            found[key] = here
        return found

    def fields(self, allowed: Collection[str], required: Collection[str] = ()) -> dict[str, Node]:
        """Keys and values of a mapping whose keys are known. A key without a value counts as absent.

        Raises:
            BundleError: If a key is unknown or a required one is absent.
        """
        found = self.mapping()
        for key, node in found.items():
            if key not in allowed:
                hint = did_you_mean(key, allowed) or f"known keys: {', '.join(allowed)}"
                raise Node(node.raw, self.file, node.path).error(f"unknown key '{_preview(key)}'; {hint}")
        present = {key: node for key, node in found.items() if not node.is_empty}
        for key in required:
            if key not in present:
                raise self.error(f"the key '{key}' is required; add it")
        return present

    def items(self) -> list[Node]:
        """Items of a list.

        Raises:
            BundleError: If this is no list.
        """
        if not isinstance(self.raw, yaml.SequenceNode):
            raise self.error(f"must be a list ('- item' lines or [a, b]), but is {self._what()}")
        return [Node(raw, self.file, f"{self.path}[{i}]") for i, raw in enumerate(self.raw.value)]

    @property
    def is_mapping(self) -> bool:
        """Whether this is a mapping."""
        return isinstance(self.raw, yaml.MappingNode)

    @property
    def is_empty(self) -> bool:
        """Whether nothing, or a bare `null` or `~`, is written here."""
        return self.is_plain and self.raw.value in {"", "~", "null"}

    @property
    def is_plain(self) -> bool:
        """Whether this is a scalar written without quotes."""
        return isinstance(self.raw, yaml.ScalarNode) and not self.raw.style

    def scalar(self) -> str:
        """The text of a scalar exactly as written: `01` stays `01`, `true` stays `true`.

        Raises:
            BundleError: If this is a list or a mapping.
        """
        if not isinstance(self.raw, yaml.ScalarNode):
            raise self.error(f"must be a single value, but is {self._what()}")
        text = str(self.raw.value)
        if _CONTROL.search(text):
            raise self.error("holds control characters or half a character; remove them")
        return text.rstrip("\n") if self.raw.style in {"|", ">"} else text

    def text(self, *, pattern: str = "", rule: str = "") -> str:
        """A scalar that is not blank.

        Args:
            pattern: Regular expression that the whole text must match.
            rule: The pattern in words.

        Raises:
            BundleError: If it is blank or does not match.
        """
        text = self.scalar()
        if not text.strip():
            raise self.error("must not be empty; write a text")
        if pattern and not re.fullmatch(pattern, text):
            raise self.error(f"'{_preview(text)}' is not allowed here; {rule}")
        return text

    def number(self) -> float:
        """A finite number.

        Raises:
            BundleError: If it is not a number.
        """
        text = self.scalar()
        value = float(text) if self.is_plain and _NUMBER.match(text) else math.nan
        if not math.isfinite(value):
            raise self.error(f"must be a finite number such as 12 or 0.5, but is '{_preview(text)}'")
        return value

    def integer(self) -> int:
        """A whole number.

        Raises:
            BundleError: If it is not a whole number.
        """
        text = self.scalar()
        if not (self.is_plain and _INTEGER.match(text) and len(text) <= _PREVIEW_CHARACTERS):
            raise self.error(f"must be a whole number such as 3, but is '{_preview(text)}'")
        return int(text)

    def text_or_integer(self) -> str | int:
        """A whole number if written as one without quotes, else the text as written."""
        text = self.text()
        return self.integer() if self.is_plain and _INTEGER.match(text) else text

    def boolean(self) -> bool:
        """`true` or `false`.

        Raises:
            BundleError: If it is anything else.
        """
        text = self.scalar()
        if text not in {"true", "false"}:
            raise self.error(f"must be true or false, but is '{_preview(text)}'")
        return text == "true"

    def choice(self, options: type[EnumT]) -> EnumT:
        """One of the values of an enumeration.

        Raises:
            BundleError: If it is none of them.
        """
        text = self.scalar()
        names = [str(option) for option in options]
        if text not in names:
            hint = did_you_mean(text, names)
            raise self.error(f"'{_preview(text)}' is not one of: {', '.join(names)}{'; ' if hint else ''}{hint}")
        return options(text)

    def _what(self) -> str:
        if isinstance(self.raw, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.raw, yaml.SequenceNode):
            return "a list"
        return "empty" if self.is_empty else f"the value '{_preview(str(self.raw.value))}'"


def read_yaml(source: bytes, file: str) -> Node:
    """Reads one YAML document as nodes; nothing is constructed from tags.

    Anchors and aliases are refused, so a small file cannot expand into a large one.

    Raises:
        BundleError: If the source is not UTF-8, not YAML, empty, nested too deeply or too large.
    """
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise BundleError("the file is not UTF-8; save it as UTF-8", file=file, line=line) from None
    try:
        root = _composed(_QUICKEST(text), file)
    except BundleError:
        raise
    except _REFUSALS:  # PyYAML's own reader takes a little more, and says better what is wrong
        root = _slowly(text, file)
    if root is None:
        raise BundleError("the file is empty", file=file)
    return Node(root, file)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """`did you mean 'x'?` for the known word closest to `word`; empty if none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def _slowly(text: str, file: str) -> yaml.Node | None:
    """The root that PyYAML's own reader finds."""
    try:
        return _composed(_Loader(text), file)
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark or error.context_mark)
        raise BundleError(
            "this is not valid YAML; check indentation, colons and quotes in this line and the one before it",
            file=file,
            line=line,
        ) from None
    except BundleError:
        raise
    except _REFUSALS:
        raise BundleError("the file holds characters that YAML does not allow; remove them", file=file) from None


def _composed(loader: _Limits, file: str) -> yaml.Node | None:
    loader.file = file
    root: yaml.Node | None = loader.get_single_node()
    return root


class _Limits(Composer):
    """Composes nodes under limits."""

    file: str = ""
    _count: int = 0
    _depth: int = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[attr-defined]  # every loader has it
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise BundleError(
                "anchors (&) and aliases (*) are not allowed; write the value out", file=self.file, line=line
            )
        self._count += 1
        self._depth += 1
        if self._count > MAX_NODES:
            raise BundleError(
                f"the file holds more than {MAX_NODES:,} values; make it smaller", file=self.file, line=line
            )
        if self._depth > MAX_DEPTH:
            raise BundleError(f"values are nested deeper than {MAX_DEPTH} levels", file=self.file, line=line)
        compose: Callable[[yaml.Node | None, int], yaml.Node | None] = super().compose_node
        node = compose(parent, index)
        self._depth -= 1
        return node


class _Loader(_Limits, yaml.SafeLoader):
    """PyYAML's own reader."""


_QUICKEST: Callable[[str], _Limits] = _Loader
if yaml.__with_libyaml__:

    class _QuickLoader(_Limits, yaml.CSafeLoader):
        """The compiled reader, five times as fast; it hands over events, which are composed here."""

        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            Composer.__init__(self)

    _QUICKEST = _QuickLoader


def _line(mark: object) -> int:
    """Line of a PyYAML mark, from 1; 0 without a mark."""
    line = getattr(mark, "line", None)
    return 0 if line is None else int(line) + 1


def _preview(text: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in text[:_PREVIEW_CHARACTERS])
    return shown + ("..." if len(text) > _PREVIEW_CHARACTERS else "")
