"""What a page tells of itself in the browser of this machine."""

from __future__ import annotations

import html
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def probed(chromium: str, folder: Path, content: str, switches: Sequence[str], *, timeout_s: float) -> dict[str, Any]:
    """Loads a page that writes what it finds, as JSON, into an element `<pre id="out">`, and reads that back.

    Args:
        chromium: The browser.
        folder: Where the page and the browser's profile may lie.
        content: The page.
        switches: Of the browser.
        timeout_s: How long it may take.
    """
    page = folder / "probe.html"
    page.write_text(content, encoding="utf-8")
    ran = subprocess.run(  # noqa: S603 - the browser of this machine, on a page of ours
        [chromium, *switches, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    found = re.search(r'<pre id="out">(.+?)</pre>', ran.stdout, re.DOTALL)
    assert found, "the page wrote nothing"
    told: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return told
