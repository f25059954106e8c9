"""A typed client for the service, blocking and asynchronous. Answers are the library's values, failures its errors."""

from xaisvc.client.answers import ExplainReply, RowReply
from xaisvc.client.asynchronous import AsyncClient
from xaisvc.client.batches import StreamedBatch
from xaisvc.client.blocking import Client
from xaisvc.client.credentials import Access
from xaisvc.client.usage import AudienceUsage
from xaisvc.engine.cohort_request import CohortSelection
from xaisvc.engine.commands import Comparison, Feedback, MethodComparison

__all__ = [
    "Access",
    "AsyncClient",
    "AudienceUsage",
    "Client",
    "CohortSelection",
    "Comparison",
    "ExplainReply",
    "Feedback",
    "MethodComparison",
    "RowReply",
    "StreamedBatch",
]
