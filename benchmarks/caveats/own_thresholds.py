"""Reads a caller's own thresholds from a YAML or JSON file.

The file holds fields of `CaveatThresholds`, and below `opinion` fields of the second opinion's `Thresholds`; what it
leaves out keeps its default:

    off_manifold_care: 0.3
    opinion:
      gap_share: 0.06
"""

from __future__ import annotations

import re
from dataclasses import fields
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING

from xaisvc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import yaml

    from xaisvc.caveats.thresholds import CaveatThresholds

OPTION = "--thresholds"
BELOW = "opinion"
SHORT = re.compile(r"(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def read_thresholds(path: Path) -> CaveatThresholds:
    """The thresholds of a file.

    Raises:
        InvalidRequestError: If the file cannot be read, or a name or number in it is not a threshold.
    """
    from xaisvc.caveats.thresholds import CaveatThresholds  # noqa: PLC0415 - heavy: loaded when used
    from xaisvc.types.second_opinion import Thresholds  # noqa: PLC0415 - heavy: loaded when used

    content = _content(path)
    opinion = content.pop(BELOW, None)
    inner = [field.name for field in fields(Thresholds)]
    outer = [field.name for field in fields(CaveatThresholds) if field.name != BELOW]
    if not (opinion is None or isinstance(opinion, dict)):
        raise _wrong(path, f"'{BELOW}' holds {opinion!r}; write its thresholds below it, one a line")
    for name in content:
        if name in inner:
            raise _wrong(path, f"'{name}' belongs to the second opinion; put it below '{BELOW}:'")
    own = _numbers(path, content, outer, "")
    below = _numbers(path, opinion or {}, inner, f"{BELOW}.")
    if not own and not below:
        raise _wrong(
            path, f"it sets no threshold; there are {', '.join(outer)}, and below '{BELOW}' {', '.join(inner)}"
        )
    return CaveatThresholds(**own, opinion=Thresholds(**below))


def _content(path: Path) -> dict[str, object]:
    import yaml  # noqa: PLC0415 - heavy: loaded when used

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError.of(OPTION, f"cannot read '{path}': {error.strerror}") from None
    except UnicodeDecodeError:
        raise _wrong(path, "it is no text in UTF-8") from None
    try:
        found = yaml.safe_load(text)  # JSON is YAML too
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" near line {mark.line + 1}"
        raise _wrong(path, f"it is neither YAML nor JSON{where}") from None
    if not isinstance(found, dict):
        raise _wrong(path, "it holds no names with numbers; write 'name: number', one a line")
    _refuse_twice(path, node)
    return {str(name): value for name, value in found.items()}


def _refuse_twice(path: Path, node: yaml.Node | None) -> None:
    """Refuses a name that stands twice at one place: the reader of YAML keeps the last one in silence."""
    lines: dict[str, int] = {}
    for key, value in getattr(node, "value", ()):
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise _wrong(path, f"'{name}' stands in line {lines[name]} and in line {line}; keep one of them")
        lines[name] = line
        if name == BELOW and isinstance(value.value, list):
            _refuse_twice(path, value)


def _numbers(path: Path, content: Mapping[str, object], known: list[str], prefix: str) -> dict[str, float]:
    found = {}
    for name, value in content.items():
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            guess = f"; did you mean '{prefix}{near[0]}'?" if near else f"; there are {', '.join(known)}"
            raise _wrong(path, f"there is no threshold '{prefix}{name}'{guess}")
        if isinstance(value, str) and SHORT.fullmatch(value):
            value = float(value)  # noqa: PLW2901 - YAML 1.1 takes 1e-5 and 1.5e3 for texts
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _wrong(path, f"'{prefix}{name}' is {value!r}; write a number")
        if not isfinite(value) or value < 0:
            raise _wrong(path, f"'{prefix}{name}' is {value}; write a number of 0 or more")
        found[str(name)] = float(value)
    return found


def _wrong(path: Path, what: str) -> InvalidRequestError:
    return InvalidRequestError.of(OPTION, f"in '{path}': {what}")
