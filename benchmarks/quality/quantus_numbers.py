"""Numbers of Quantus for a small problem, for the tests of `xaisvc.evaluation`, which do not need Quantus themselves.

    python -m benchmarks.quality.quantus_numbers

with an interpreter that has quantus 0.6.0 writes `quantus.json` beside this file. Everything that Quantus drew is
written too, so that the same sums can be made from the same draws.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OUT: Final = Path(__file__).parent / "quantus.json"
N, P, SUBSET, RUNS, NEIGHBOURS = 6, 5, 2, 12, 4
BASELINE: Final = 0.25
WEIGHTS: Final = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
SEED: Final = 7


def model(rows: Floats) -> Floats:
    """A smooth function with an interaction; float64, (n, p) -> (n,)."""
    return np.asarray(np.tanh(rows @ WEIGHTS / 3.0) + 0.4 * rows[:, 0] * rows[:, 4])


def explain(rows: Floats) -> Floats:
    """Attributions that depend on the row: contributions of the linear part, bent; float64, (n, p)."""
    return np.asarray(rows * WEIGHTS * np.cosh(rows.sum(axis=1, keepdims=True) / 4.0))


def wrapped(predict: Callable[[Floats], Floats]) -> Any:  # noqa: ANN401, C901 - Quantus ships no types and asks for many methods of one line
    """A model for Quantus: one class, so that its number is the output.

    Args:
        predict: Scores rows; (n, p) -> (n,).
    """
    from quantus.helpers.model.model_interface import ModelInterface  # noqa: PLC0415 - only Quantus needs it

    class Wrapped(ModelInterface):  # type: ignore[misc,type-arg]  # Quantus ships no types
        """The model for Quantus: one class, so that its number is the output."""

        def __init__(self) -> None:
            super().__init__(model=None, channel_first=True)

        def predict(self, x: Any, **_: Any) -> Floats:  # noqa: ANN401 - as Quantus calls it
            return predict(np.asarray(x, np.float64).reshape(len(x), -1))[:, None]

        def shape_input(self, x: Any, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as Quantus calls it
            return x

        def get_model(self) -> object:
            return self

        def get_softmax_arg_model(self) -> Any:  # noqa: ANN401 - as Quantus calls it
            return self

        def state_dict(self) -> dict[str, object]:
            return {}

        def load_state_dict(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as Quantus calls it
            pass

        def get_random_layer_generator(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as Quantus calls it
            return iter(())

        @property
        def random_layer_generator_length(self) -> int:
            return 0

        def get_hidden_representations(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as Quantus calls it
            return np.zeros(0)

        def add_mean_shift_to_first_layer(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as Quantus calls it
            return self

    return Wrapped()


def main() -> None:
    """Asks Quantus and writes the file."""
    import quantus  # noqa: PLC0415 - only this script needs it
    from quantus.helpers import utils  # noqa: PLC0415 - as above

    # It wraps models of two frameworks only, although its metrics need no more than `predict`.
    utils.get_wrapped_model = lambda model, **_: model

    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(N, P))
    values = explain(rows)
    x, a, y = rows[:, None, :], values[:, None, :], np.zeros(N, dtype=int)
    drawn: list[Any] = []

    def replaced(arr: Floats, indices: Any, **_: Any) -> Floats:  # noqa: ANN401 - as Quantus calls it
        found = arr.copy()
        chosen = np.asarray(indices)
        np.put_along_axis(found, chosen, BASELINE, axis=1)
        drawn.append(chosen.tolist())
        return found

    def moved(arr: Floats, indices: Any, **_: Any) -> Floats:  # noqa: ANN401, ARG001 - as Quantus calls it
        found = arr + 0.05 * rng.normal(size=arr.shape)
        drawn.append(found.tolist())
        return np.asarray(found)

    def explained(model: Any, inputs: Any, targets: Any, **_: Any) -> Floats:  # noqa: ANN401, ARG001 - as Quantus calls it
        return explain(np.asarray(inputs).reshape(len(inputs), -1))[:, None, :]

    common: dict[str, Any] = {"normalise": False, "abs": False, "return_aggregate": False, "disable_warnings": True}
    call: dict[str, Any] = {
        "model": wrapped(model),
        "x_batch": x,
        "y_batch": y,
        "explain_func": explained,
        "softmax": False,
    }
    result: dict[str, Any] = {
        "quantus": metadata.version("quantus"),
        "numpy": metadata.version("numpy"),
        "command": "python -m benchmarks.quality.quantus_numbers",
        "rows": rows.tolist(),
        "values": values.tolist(),
        "baseline": BASELINE,
    }

    def ask(name: str, metric: Any, **more: Any) -> None:  # noqa: ANN401 - Quantus ships no types
        drawn.clear()
        scores = metric(**{**call, "a_batch": a.copy(), **more})
        numbers = np.asarray(scores, np.float64).ravel().tolist()
        result[name] = {"scores": [one if np.isfinite(one) else None for one in numbers], "drawn": [*drawn]}

    np.random.seed(SEED)  # noqa: NPY002, TID251 - Quantus draws from numpy's global state
    ask("faithfulness_estimate", quantus.FaithfulnessEstimate(features_in_step=1, perturb_func=replaced, **common))
    ask(
        "faithfulness_correlation",
        quantus.FaithfulnessCorrelation(nr_runs=RUNS, subset_size=SUBSET, perturb_func=replaced, **common),
    )
    ask("entropy", quantus.Complexity(**{**common, "abs": True}))
    ask("entropy_by_default", quantus.Complexity(**common))
    # its own area needs a function that numpy no longer has
    ask("pixel_flipping", quantus.PixelFlipping(features_in_step=1, perturb_func=replaced, **common))
    ask("max_sensitivity", quantus.MaxSensitivity(nr_samples=NEIGHBOURS, perturb_func=moved, **common))
    stable = {**common, "nr_samples": NEIGHBOURS, "perturb_func": moved, "return_nan_when_prediction_changes": False}
    ask("relative_input_stability", quantus.RelativeInputStability(**stable))
    ask("relative_output_stability", quantus.RelativeOutputStability(**stable))
    OUT.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print({name: one["scores"][:2] for name, one in result.items() if isinstance(one, dict)})  # noqa: T201 - a script


if __name__ == "__main__":
    main()
