"""The gRPC service: messages in, messages out. Knows the engine's use cases and nothing below them."""

import os

# gRPC's own log goes to standard error past our log, in another form; what matters reaches us as exceptions. Read by
# gRPC when it is first imported, so it must stand here.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
