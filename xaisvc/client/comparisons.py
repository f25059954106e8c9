"""Comparisons of stored explanations, as the service tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.client.answers import caveat, unknown_word
from xaisvc.engine.commands import Comparison, MethodComparison
from xaisvc.errors import InvalidRequestError
from xaisvc.v1 import explanations_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence


def compare_request(ids: Sequence[str]) -> explanations_pb2.CompareExplanationsRequest:
    """A request to compare stored explanations.

    Raises:
        InvalidRequestError: If the ids are no list of texts.
    """
    named = list(ids)
    if isinstance(ids, str) or not all(isinstance(one, str) for one in named):
        raise InvalidRequestError.of("ids", "must be a list of ids of explanations", reason="WRONG_TYPE")
    return explanations_pb2.CompareExplanationsRequest(ids=named)


def comparison(message: explanations_pb2.CompareExplanationsResponse) -> Comparison:
    """The comparison in a message.

    Raises:
        ServiceError: If the message uses words that this client does not know.
    """
    try:
        others = tuple(
            MethodComparison(
                id=other.id,
                method=other.method,
                caveats=tuple(caveat(one) for one in other.caveats),
                material_players=other.material_players,
                kendall_tau=other.kendall_tau if other.HasField("kendall_tau") else None,
                sign_agreement=other.sign_agreement if other.HasField("sign_agreement") else None,
                leader_agreement=other.leader_agreement if other.HasField("leader_agreement") else None,
            )
            for other in message.others
        )
    except KeyError as error:
        raise unknown_word(error) from error
    return Comparison(id=message.id, method=message.method, others=others)
