"""A typed client for the service, blocking and asynchronous. Answers are the library's values, failures its errors."""

from xaisvc.client.answers import ExplainReply, RowReply
from xaisvc.client.asynchronous import AsyncClient
from xaisvc.client.blocking import Client

__all__ = ["AsyncClient", "Client", "ExplainReply", "RowReply"]
