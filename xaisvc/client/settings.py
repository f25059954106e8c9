"""What both clients are set to."""

from __future__ import annotations

DEFAULT_TARGET = "127.0.0.1:8765"
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
POLL_S = 0.05
"""Pause between two questions whether the service is ready."""


def channel_options(max_message_bytes: int) -> tuple[tuple[str, int], ...]:
    """Options of gRPC for the connection."""
    return (
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.enable_http_proxy", 0),  # rows never leave through a proxy that happens to be in the environment
    )
