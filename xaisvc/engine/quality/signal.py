"""Whether a model is better than trivial rules on rows with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xaisvc.engine.quality.workshop import generator
from xaisvc.errors import InvalidRequestError
from xaisvc.evaluation import last_value, losses, one_feature_rule, prior_predictions, skill
from xaisvc.types import Space

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xaisvc.engine.quality.measure import Labelled
    from xaisvc.engine.quality.workshop import Workshop
    from xaisvc.evaluation.signal import Target
    from xaisvc.types import Output, Table

LEAST_ROWS: Final = 50


def signal_step(shop: Workshop, rows: Table, labelled: Labelled) -> dict[str, object]:
    """Skill scores of the model on all rows with labels.

    Args:
        shop: The model.
        rows: All rows; n of them.
        labelled: What happened, as `check_labels` lets it pass.
    """
    output = shop.bundle.description.output(shop.subject.output)
    labels = labelled.labels
    target: Target = "binary" if output.tensor_space is Space.PROBABILITY else "number"
    predictions = _predictions(shop, rows)
    rules: dict[str, NDArray[np.float64]] = {
        "prior": prior_predictions(labels, generator(shop.seed, "prior")),
        "one feature": one_feature_rule(tuple(rows.columns.values()), labels, generator(shop.seed, "rule")),
    }
    if labelled.times is not None:
        rules["last value"] = last_value(labelled.times, labels, target)
    own = losses(predictions, labels, target)
    skills = {}
    for name, predicted in rules.items():
        found = shop.interval(skill(own, losses(predicted, labels, target)))
        if found is not None:
            skills[name] = {"value": found.value, "low": found.low, "high": found.high, "n_rows": found.n_rows}
    lows = {name: one["low"] for name, one in skills.items()}
    strength = "none" if lows.get("prior", -1.0) <= 0 else "weak" if min(lows.values()) <= 0 else "strong"
    beaten_by = [name for name, low in lows.items() if low <= 0]
    return {
        "target": target,
        "n_rows": len(labels),
        "skills": skills,
        "strength": strength,
        "statement": statement(strength, beaten_by),
    }


def check_labels(labels: NDArray[np.float64], n_rows: int, output: Output) -> None:
    """Refuses labels that tell nothing about a model's signal, before anything is measured.

    Args:
        labels: What happened; float64, (n,).
        n_rows: Rows that they belong to.
        output: The output that is measured.

    Raises:
        InvalidRequestError: If labels do not fit the rows or the output, are too few, or are all the same.
    """
    why = ""
    if len(labels) != n_rows:
        why = f"there are {len(labels):,} labels for {n_rows:,} rows; give one for each row"
    elif not np.isfinite(labels).all():
        why = f"{int((~np.isfinite(labels)).sum()):,} labels are no finite numbers; leave their rows out"
    elif output.tensor_space is Space.PROBABILITY and not np.isin(labels, (0.0, 1.0)).all():
        other = labels[~np.isin(labels, (0.0, 1.0))][0]
        why = (
            f"output '{output.id}' is a probability, so labels must be 0 or 1, or name the output's class; "
            f"{other:g} is neither"
        )
    elif len(labels) < LEAST_ROWS:
        why = f"{len(labels):,} rows tell nothing about signal; give {LEAST_ROWS} or more, or leave the labels out"
    elif (labels == labels[0]).all():
        why = (
            f"every label is {labels[0]:g}, so that nothing tells whether the model has any signal; give rows with "
            "other labels too, or leave the labels out"
        )
    if why:
        raise InvalidRequestError.of("labels", why)


def read_labels(column: pd.Series, output: Output) -> NDArray[np.float64]:
    """What happened, as numbers: 0 or 1 for an output that is a probability.

    Args:
        column: Numbers, truth values, or names of classes. Whole numbers are classes where the output is the
            probability of a class with a number.
        output: The output that is measured; its class counts as 1.

    Raises:
        InvalidRequestError: If a label is missing, or neither a number nor the name of the output's class.
    """
    if column.isna().any():
        raise InvalidRequestError.of("labels", f"{int(column.isna().sum())} rows have no label; leave them out")
    if column.dtype.kind in "fiub":
        numbers = column.to_numpy(dtype=np.float64)
        if column.dtype.kind == "b" or output.tensor_space is not Space.PROBABILITY:
            return numbers
        is_class = isinstance(output.target, int) and output.target in numbers
        if is_class and np.array_equal(numbers, np.rint(numbers)):
            return np.asarray(numbers == output.target, dtype=np.float64)
        return numbers
    texts = column.astype(str)
    if output.target is None or str(output.target) not in set(texts):
        raise InvalidRequestError.of(
            "labels", f"must be numbers, or hold the output's class {output.target!r} among their names"
        )
    return np.asarray(texts == str(output.target), dtype=np.float64)


def read_times(column: pd.Series) -> NDArray[np.float64]:
    """When rows are from, as numbers that grow with time.

    Raises:
        InvalidRequestError: If the column holds neither numbers nor dates.
    """
    import pandas as pd  # noqa: PLC0415 - heavy: loaded when used

    if column.dtype.kind in "fiu" and not column.isna().any():
        return column.to_numpy(dtype=np.float64)
    dates = pd.to_datetime(column, errors="coerce", format="ISO8601")
    if dates.isna().any():
        raise InvalidRequestError.of("time", "must be numbers or dates such as 2026-11-22")
    return np.asarray(dates.astype("int64"), dtype=np.float64)


def statement(strength: str, not_beaten: list[str]) -> str:
    """The finding in words."""
    if strength == "none":
        return (
            "NO SIGNAL: on these rows the model is not surely better than predicting the same for everybody. What its "
            "explanations say is about the model's noise; do not act on them."
        )
    if strength == "weak":
        rules = " and ".join(f"'{name}'" for name in not_beaten)
        return f"Weak signal: the model beats the prior, but not surely the trivial rule {rules}."
    return "The model is surely better than every trivial rule that was tried."


def _predictions(shop: Workshop, rows: Table) -> NDArray[np.float64]:
    """The output tensor, in its own unit."""
    from xaisvc.engine.loaded import LoadedBundle  # noqa: PLC0415 - needed here only
    from xaisvc.runtimes import OrtRuntime  # noqa: PLC0415 - heavy: loaded when used

    output = shop.bundle.description.output(shop.subject.output)
    loaded = LoadedBundle(shop.bundle, OrtRuntime(), shop.device, threads=shop.threads)
    return loaded.scoring(output, output.tensor_space)(rows)
