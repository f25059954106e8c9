"""Explains in every way once, so that an image holds the machine code of the kernels. Run while it is built."""  # noqa: INP001 - a script

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import product

os.environ["XAISVC_CACHE_DIR"] = ""  # plans of the demonstration's models are of no use to anybody

from xaisvc import Explainer
from xaisvc.attribution import METHODS
from xaisvc.demo.cases import BUNDLES, load_cases
from xaisvc.errors import InvalidInputError


def main() -> None:
    """Compiles, and says which methods that were."""
    rows = [case.row for case in load_cases()]
    compiled = set()
    for folder in sorted(BUNDLES.iterdir()):
        explainer = Explainer(folder, device="cpu")
        for method in METHODS:
            for some, space, players in product(
                (rows[:1], rows), ("log_odds", "probability"), ("features", "concepts")
            ):
                with suppress(InvalidInputError):  # it does not apply to this model
                    explained = explainer.explain(some, method=method, space=space, players=players)
                    _ = explained.caveats[0]  # they have kernels of their own
                    compiled.add(method)
        with suppress(InvalidInputError):
            explainer.interactions(rows)
    missing = METHODS.keys() - compiled
    if missing:
        sys.exit(f"never ran, so their kernels are not compiled: {', '.join(sorted(missing))}")
    print("compiled the kernels of", ", ".join(sorted(compiled)))  # noqa: T201 - a line in the log of the build


if __name__ == "__main__":
    main()
