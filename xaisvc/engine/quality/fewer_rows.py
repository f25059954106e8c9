"""What the reference says on the rows of methods that explained fewer of them than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xaisvc.engine.quality.tables import KEY_MEASURES, short

if TYPE_CHECKING:
    from xaisvc.engine.quality.result import MethodQuality, QualityReport


def on_fewer_rows(report: QualityReport) -> tuple[str, ...]:
    """One sentence for each number of rows that methods stopped at, with the reference's own measures on those rows.

    A score moves with the rows that it is taken over, so that a method on the first 16 rows cannot be read beside one
    on 1,000. Methods explain the first rows of the same order, and the report keeps what each measure rests on.

    Args:
        report: The report.

    Returns:
        The fewest rows first; none where every method explained as many rows as the reference.
    """
    reference = next((one for one in report.methods if one.kind == "reference" and one.scores), None)
    if reference is None:
        return ()
    stopped: dict[int, list[MethodQuality]] = {}
    for one in report.methods:
        if one.kind in {"ours", "peer"} and one.outcome == "measured" and one.n_rows < reference.n_rows:
            stopped.setdefault(one.n_rows, []).append(one)
    sentences = []
    for n_rows, methods in sorted(stopped.items()):
        there = [
            f"{title} {short(reference.scores[key].row_scores().take(np.arange(n_rows)).value())}"
            for key, title in KEY_MEASURES
            if key in reference.scores
            and len(reference.scores[key].numerators) > n_rows
            and any(key in one.measures for one in methods)
        ]
        if there:
            names = ", ".join(one.name for one in methods)
            sentences.append(
                f"{names}: the first {n_rows:,} rows only; read the numbers beside the reference on these rows: "
                f"{', '.join(there)}."
            )
    return tuple(sentences)
