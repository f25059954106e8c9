"""The file that tells others which port a service has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_port(path: Path, port: int) -> None:
    """Writes the port in one step, so that a reader sees all of it or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(f"{port}\n", encoding="utf-8")
    draft.replace(path)
