"""One of several processes of a service: gets its settings from the supervisor, says when it serves, ends with it.

Both talk over one socket that the child is handed: a line with the settings goes in, a line comes back once calls are
answered. When the supervisor is gone, however it ended, the socket is closed, and the child drains and ends too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

from xaisvc.config import load_settings, settings_values
from xaisvc.errors import XaisvcError
from xaisvc.server.folder_lock import join_folder
from xaisvc.server.place import Place

if TYPE_CHECKING:
    from xaisvc.config import Settings

SERVING = b"serving\n"
EXIT_REFUSED = 2
"""Exit status of a start that no second try would mend: settings, bundles or files are wrong."""
MOST_SETTINGS_BYTES = 1 << 20


def letter(settings: Settings, place: Place) -> bytes:
    """What the supervisor sends. Settings hold secrets, so they travel in no argument and no variable."""
    values = {"index": place.index, "count": place.count, "settings": settings_values(settings)}
    return json.dumps(values).encode() + b"\n"


def main(arguments: list[str]) -> int:
    """Serves as one of several.

    Args:
        arguments: Number of the socket's file descriptor.

    Returns:
        The exit status.
    """
    # Ctrl-C in a terminal reaches all processes, and the supervisor says what is to be done about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = socket.socket(fileno=int(arguments[0]))
    found = json.loads(_read_line(line))
    settings = load_settings(flags=found["settings"], environment={})
    place = Place(index=found["index"], count=found["count"])
    join_folder(settings.data_dir)
    threading.Thread(target=_end_with, args=(line,), name="supervisor", daemon=True).start()
    from xaisvc.server.app import run  # noqa: PLC0415 - heavy: loaded once the supervisor is known

    try:
        return run(settings, place, on_serving=lambda: line.sendall(SERVING))
    except XaisvcError as error:
        sys.stderr.write(f"xaisvc: {error}\n")
        return EXIT_REFUSED


def _read_line(line: socket.socket) -> bytes:
    raw = b""
    while not raw.endswith(b"\n") and len(raw) < MOST_SETTINGS_BYTES:
        piece = line.recv(65536)
        if not piece:
            raise SystemExit(EXIT_REFUSED)
        raw += piece
    return raw


def _end_with(line: socket.socket) -> None:
    """Waits until the supervisor is gone, and then stops this process as a signal would."""
    try:
        while line.recv(1024):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
