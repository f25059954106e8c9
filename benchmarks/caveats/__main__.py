"""Writes the documentation's section on caveats anew from results.json.

xaisvc bench caveats --suite held-out --out benchmarks/caveats/results.json     # measures
python -m benchmarks.caveats table                                              # writes the page
python -m benchmarks.caveats table --check                                      # exit status 1 if it is stale
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.caveats.results import COMMITTED
from benchmarks.caveats.table import NOTHING, render, replace_section

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "measure-the-caveats.md"


def section(results: Path = COMMITTED) -> str:
    """The section's text from a results file; says so if there is none."""
    return render(json.loads(results.read_text(encoding="utf-8"))) if results.exists() else NOTHING


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.caveats", description="Tables from results.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    table = verbs.add_parser("table", help="write the page's section from the results file")
    table.add_argument("--results", type=Path, default=COMMITTED)
    table.add_argument("--page", type=Path, default=PAGE)
    table.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is stale")
    arguments = parser.parse_args()
    before = arguments.page.read_text(encoding="utf-8")
    after = replace_section(before, section(arguments.results))
    if not arguments.check:
        arguments.page.write_text(after, encoding="utf-8")
    elif after != before:
        sys.stderr.write("the page's tables are not those of the results file: run `... table` and commit both\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
