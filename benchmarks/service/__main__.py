"""Writes the documentation's section on load and faults anew from results.json; `--check` only says if it is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.service.results import read
from benchmarks.service.table import render, replace_section

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"


def main() -> None:
    """Writes or checks the page."""
    before = PAGE.read_text(encoding="utf-8")
    after = replace_section(before, render(read()))
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(after, encoding="utf-8")
    elif after != before:
        sys.stderr.write("the page's tables are not those of the results file: run `python -m benchmarks.service`\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
