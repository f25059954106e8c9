"""Messages of explanations that were given before: written once, and after that only told who asked and when."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from xaisvc.server import convert
from xaisvc.v1 import explanations_pb2

if TYPE_CHECKING:
    from xaisvc.engine.answered import Repeated
    from xaisvc.types import Caller

MOST_TEMPLATES = 2048
"""Two to four kilobytes each."""


class Templates:
    """Writes the messages of rows whose answers lay in memory. For the thread of an event loop alone.

    To write the message of a row with 16 features takes 0.2 ms, to read it from its bytes 0.01 ms.

    Args:
        most: Messages that are kept; the one that was not wanted for longest goes first.
    """

    def __init__(self, most: int = MOST_TEMPLATES) -> None:
        self._most = most
        self._known: OrderedDict[tuple[bytes, bytes], bytes] = OrderedDict()

    def response(self, row: Repeated, caller: Caller) -> explanations_pb2.ExplainResponse:
        """The answer to a request for this row alone: what `convert.explain_response` makes of its record."""
        found = explanations_pb2.ExplainResponse()
        result = found.results.add(index=0)
        if not caller.sees_numbers:
            result.explanation.CopyFrom(convert.bare_explanation(row.record()))
            return found
        key = (row.name, row.answer)
        known = self._known.get(key)
        if known is None:
            written = convert.explanation(row.record())
            written.ClearField("id")
            written.ClearField("created_at")
            known = self._known[key] = written.SerializeToString()
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        result.explanation.MergeFromString(known)
        result.explanation.id = row.id
        result.explanation.created_at.CopyFrom(convert.timestamp(row.created_at))
        return found
