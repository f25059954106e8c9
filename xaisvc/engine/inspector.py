"""What is known of a bundle before a row is explained: its studies, its answers on the whole, what a call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xaisvc.engine.choices import Choices, parse_space
from xaisvc.engine.overview import make_overview

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xaisvc.bundles import Bundle
    from xaisvc.engine.calls import Calls
    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.engine.supplements import Supplier
    from xaisvc.types import AnswerFrame, Budget, Caveat, Space, Table
    from xaisvc.types.overview import Overview
    from xaisvc.types.studies import Studies

    PlayersChoice = str | Mapping[str, Sequence[str]]


class Inspector:
    """Tells what is known of one bundle on one device; the half of `Explainer` that explains no rows.

    Args:
        loaded: The bundle on its device.
        calls: Carries calls out.
    """

    def __init__(self, loaded: LoadedBundle, calls: Calls) -> None:
        self._loaded = loaded
        self._calls = calls

    @property
    def bundle(self) -> Bundle:
        """The bundle being explained."""
        return self._loaded.bundle

    @property
    def device(self) -> str:
        """What the model really runs on: `cpu` or `cuda`."""
        return self._loaded.device

    @property
    def supplier(self) -> Supplier:
        """Computes what views show beside records of this bundle."""
        return self._calls.supplier

    def plans_exact(
        self,
        *,
        method: str = "auto",
        output: str | None = None,
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        space: Space | str | None = None,
    ) -> bool:
        """Whether these choices lead to an exact method, which needs no budget; raises as `explain` does."""
        choices = Choices(method=method, players=players, budget=budget, seed=0, space=space)
        return self._calls.prepare(output, choices)[2].method.exact

    def frame(  # noqa: PLR0913 - as `explain`
        self,
        *,
        method: str = "auto",
        output: str | None = None,
        players: PlayersChoice = "features",
        budget: Budget | None = None,
        seed: int = 0,
        space: Space | str | None = None,
    ) -> tuple[AnswerFrame, int]:
        """What all answers to these choices share, before any is computed, and the most model rows that one can cost.

        Raises as `explain` does.
        """
        choices = Choices(method=method, players=players, budget=budget, seed=seed, space=space)
        return self._calls.frame(output, choices)

    def batch_caveats(self, rows: Table) -> tuple[Caveat, ...]:
        """What is the matter with rows together, for example values in another unit; seen in 16 rows or more.

        Args:
            rows: Rows that were validated before.
        """
        return self._calls.batch_caveats(rows)

    def studies(
        self, output: str | None = None, *, players: PlayersChoice = "features", space: Space | str | None = None
    ) -> Studies:
        """What was studied once for an output and some players; studied now if nobody has asked for it before.

        Takes seconds to minutes the first time, and is kept in the cache folder.

        Args:
            output: See `explain`.
            players: See `explain`; players of your own get no second opinion.
            space: See `explain`.

        Raises:
            InvalidRequestError: If an argument does not fit; names it.
            NotFoundError: If there is no such output.
            ModelOutputError: If the model's answers cannot be explained.
        """
        return self._calls.studies(output, players, space)

    def overview(
        self, output: str | None = None, *, players: PlayersChoice = "features", space: Space | str | None = None
    ) -> Overview | None:
        """The model over a sample of its background: importance, dependence, association; computed once and kept.

        `xaisvc.engine.figures.beeswarm_figure` draws it. None for players of your own; see `studies` for the arguments
        and errors.
        """
        target = self.bundle.description.output(output)
        unit = parse_space(space) or target.space
        return make_overview(self._loaded, target, unit, self._loaded.players(players))

    def exact_methods(self) -> tuple[str, ...]:
        """Names of the exact methods that work for the bundle's default output with features as players."""
        return self._loaded.exact_methods(self.bundle.description.outputs[0], self._loaded.players("features"))

    def predict(self, rows: Table, output: str | None = None) -> NDArray[np.float64]:
        """The output tensor for rows, in the tensor's own unit; float64, (n,)."""
        target = self.bundle.description.output(output)
        return self._loaded.scoring(target, target.tensor_space)(rows)
