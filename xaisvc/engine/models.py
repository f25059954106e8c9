"""The models that a service explains: looked up by name, replaced while requests run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xaisvc.bundles import RowReader
from xaisvc.engine.permissions import no_such_bundle, permitted_bundle
from xaisvc.errors import BundleError
from xaisvc.records import encode_description
from xaisvc.records.answers import encode_frame

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.engine.explainer import Explainer
    from xaisvc.types import AnswerFrame, BundleDescription, Caller

MOST_FRAMES = 256
"""Frames kept per model: one for each combination of output, method, players, budget and seed in use."""

_MANY_ROWS = 64
"""Below this, what a call costs whatever its rows is most of its time."""


class Pace:
    """What answers of one kind cost, as they were last computed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._row_s = float("inf")

    @property
    def row_s(self) -> float:
        """Seconds of processor time (on a GPU: of time) for each row of the last batch of many; infinite before one."""
        return self._row_s

    def computed(self, rows: int, seconds: float) -> None:
        """Takes note of a batch."""
        if rows >= _MANY_ROWS:
            self._row_s = seconds / rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Framed:
    """What a request comes to before any row is looked at. Kept for the next request like it, and known by identity.

    Attributes:
        frame: What all its answers share.
        encoded: The frame as records keep it.
        model_rows: Most model rows that one row can cost.
        pace: What a row costs.
    """

    frame: AnswerFrame
    encoded: bytes
    model_rows: int
    pace: Pace = field(default_factory=Pace)


class ServedModel:
    """One version of one model, as it is served.

    Args:
        explainer: Explains its rows.
    """

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.description: BundleDescription = explainer.bundle.description
        self.encoded_description = encode_description(self.description)
        self.rows = RowReader(self.description)
        self._lock = threading.Lock()
        self._frames: OrderedDict[Hashable, Framed] = OrderedDict()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.description.name

    def known(self, command: ExplainCommand) -> Framed | None:
        """What a request comes to, if one like it was asked before."""
        key = choices_key(command)
        with self._lock:
            found = self._frames.get(key)
            if found is not None:
                self._frames.move_to_end(key)
        return found

    def framed(self, command: ExplainCommand) -> Framed:
        """What a request comes to; kept for the next like it.

        Raises:
            InvalidRequestError: If a parameter does not fit.
            NotFoundError: If there is no such output.
        """
        known = self.known(command)
        if known is not None:
            return known
        frame, model_rows = self.explainer.frame(
            method=command.method,
            output=command.output,
            players=command.players,
            budget=command.budget,
            seed=command.seed,
            space=command.space,
        )
        made = Framed(frame=frame, encoded=encode_frame(frame), model_rows=model_rows)
        with self._lock:
            self._frames[choices_key(command)] = made
            while len(self._frames) > MOST_FRAMES:
                self._frames.popitem(last=False)
        return made

    def warm_up(self) -> None:
        """Explains one background row, so that the first caller waits neither for compilation nor for studies."""
        explained = self.explainer.explain_table(self.explainer.bundle.background.take(slice(0, 1)))
        _ = explained.caveats[0]  # found from what is studied once, now


def choices_key(command: ExplainCommand) -> tuple[Hashable, ...]:
    """What of a request decides about its answers beside model and rows."""
    players = command.players
    if not isinstance(players, str):
        players = repr([(name, tuple(members)) for name, members in players.items()])
    return (command.output, command.space, command.method, players, repr(command.budget), command.seed)


class ServedModels:
    """The models by name. A lookup during a replacement sees the old or the new one, whole.

    Args:
        models: The models.

    Raises:
        BundleError: If two share a name.
    """

    def __init__(self, models: Sequence[ServedModel]) -> None:
        found: dict[str, ServedModel] = {}
        for model in models:
            if model.name in found:
                first, second = found[model.name].explainer.bundle.path, model.explainer.bundle.path
                raise BundleError(
                    f"two bundles are named '{model.name}': {first} and {second}; names must differ",
                    file="bundle.yaml",
                    field="name",
                )
            found[model.name] = model
        self._models = found

    def __iter__(self) -> Iterator[ServedModel]:
        """The models in the order of their names."""
        models = self._models
        return iter([models[name] for name in sorted(models)])

    def find(self, name: str, caller: Caller) -> ServedModel:
        """The model with this name.

        Raises:
            NotFoundError: If there is none for this caller: whether it is absent or forbidden cannot be told apart.
        """
        return permitted_bundle(self._models, name, caller)

    def served(self, name: str) -> ServedModel | None:
        """The model with this name, for who may use it already; None if none is served."""
        return self._models.get(name)

    def add(self, model: ServedModel) -> None:
        """Serves one more model from now on.

        Raises:
            BundleError: If one of this name is served already.
        """
        if model.name in self._models:
            raise BundleError(
                f"a bundle named '{model.name}' is served already, from another folder; names must differ",
                file="bundle.yaml",
                field="name",
            )
        self._models = {**self._models, model.name: model}

    def replace(self, model: ServedModel) -> None:
        """Serves this version from now on. Requests that began with the old one finish with it.

        Raises:
            NotFoundError: If no model of this name is served.
        """
        if model.name not in self._models:
            raise no_such_bundle(model.name)
        self._models = {**self._models, model.name: model}
