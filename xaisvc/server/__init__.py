"""The gRPC service: messages in, messages out. Knows the engine's use cases and nothing below them."""
