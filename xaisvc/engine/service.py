"""The service without its transport: look up, explain, record, render. Blocking and thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xaisvc.attribution import MAX_COALITIONS, METHODS
from xaisvc.bundles import parse_each
from xaisvc.engine.commands import (
    AudienceInfo,
    ExplainCommand,
    ModelInfo,
    RenderedView,
    RowOutcome,
    ServiceLimits,
    ViewRequest,
)
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.interruption import check_wanted
from xaisvc.engine.viewing import audiences, find_audience, make_view
from xaisvc.errors import BundleError, InvalidRequestError, LimitExceededError, ModelOutputError, NotFoundError
from xaisvc.records import decode_description, decode_record, encode_description, encode_record
from xaisvc.types import Deadline, ErrorTarget
from xaisvc.views import FORMATS, media_type, render_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from xaisvc.engine.batch import Explanation
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.records import RecordStore
    from xaisvc.types import BundleDescription, Device, ExplanationRecord, Runtime, Table
    from xaisvc.views import Audience


class ExplanationService:
    """Explains rows of several bundles and keeps a durable record of every answer."""

    def __init__(
        self,
        explainers: Sequence[Explainer],
        store: RecordStore,
        *,
        limits: ServiceLimits | None = None,
        audiences_dir: Path | None = None,
    ) -> None:
        self._explainers: dict[str, Explainer] = {}
        for explainer in explainers:
            name = explainer.bundle.description.name
            if name in self._explainers:
                first = self._explainers[name].bundle.path
                raise BundleError(
                    f"two bundles are named '{name}': {first} and {explainer.bundle.path}; names must differ",
                    file="bundle.yaml",
                    field="name",
                )
            self._explainers[name] = explainer
        self._store = store
        self._descriptions = {
            name: encode_description(explainer.bundle.description) for name, explainer in self._explainers.items()
        }
        self._limits = limits or ServiceLimits()
        self._audiences_dir = audiences_dir
        audiences(audiences_dir)  # a folder with mistakes must stop the start, not a request

    def explain(
        self, command: ExplainCommand, *, is_abandoned: Callable[[], bool] | None = None
    ) -> tuple[RowOutcome, ...]:
        """Explains every row of a command. The records are durable when this returns.

        Args:
            command: What to explain, and how.
            is_abandoned: Asked while the work goes on; once it says yes, the work stops and nothing is recorded.

        Returns:
            One outcome per row, in order: a row that is wrong gets its own error and harms no other.

        Raises:
            NotFoundError: If the bundle, the output or an audience is not known.
            InvalidRequestError: If a parameter is wrong.
            LimitExceededError: If there are more rows, views or coalitions than allowed.
            AbandonedError: If `is_abandoned` said yes.
            StoreError: If the records could not be written; then nothing is answered.
        """
        explainer = self._find(command.bundle)
        count = _count_rows(command.rows)
        if count == 0:
            raise InvalidRequestError.of("rows", "there are no rows; send at least one", "NO_ROWS")
        if count > self._limits.max_rows:
            raise LimitExceededError(
                f"rows: {count} rows, but one request may hold {self._limits.max_rows}; split the request"
            )
        self._check_cost(explainer, command, count)
        for view in command.views:
            self._check_view(view)
        table, indices, violations = parse_each(explainer.bundle.description, command.rows)
        outcomes = {
            index: RowOutcome(
                index=index, record=None, violations=found, error="the row does not fit the model's feature schema"
            )
            for index, found in violations.items()
        }
        explained: list[tuple[int, Explanation]] = []
        if len(table):
            for position, answer in enumerate(_explain_each(explainer, command, table, is_abandoned)):
                index = int(indices[position])
                if isinstance(answer, str):
                    outcomes[index] = RowOutcome(index=index, record=None, error=answer)
                else:
                    explained.append((index, answer))
        check_wanted(is_abandoned)
        for index, record in self._keep(explainer, explained):
            views = tuple(self._render(record, explainer.bundle.description, view) for view in command.views)
            outcomes[index] = RowOutcome(index=index, record=record, views=views)
        return tuple(outcomes[index] for index in range(count))

    def _check_cost(self, explainer: Explainer, command: ExplainCommand, rows: int) -> None:
        """Refuses a request that costs more than allowed, before anything is computed."""
        views = rows * len(command.views)
        if views > self._limits.max_views:
            raise LimitExceededError(
                f"views: {rows} rows times {len(command.views)} views are {views}, but one request may ask for "
                f"{self._limits.max_views}; split the request, or fetch views by RenderView"
            )
        budget = command.budget
        if budget is None or explainer.plans_exact(
            method=command.method,
            output=command.output,
            players=command.players,
            budget=budget,
            space=command.space,
        ):
            return
        limits = self._limits
        if isinstance(budget, Deadline):
            if rows * budget.seconds > limits.max_seconds:
                raise LimitExceededError(
                    f"budget: {rows} rows times {budget.seconds:g} seconds are more than the {limits.max_seconds:g} "
                    "seconds that one request may take; split the request or lower the deadline"
                )
            return
        each = MAX_COALITIONS if isinstance(budget, ErrorTarget) else budget
        if rows * each > limits.max_coalitions:
            raise LimitExceededError(
                f"budget: {rows} rows times up to {each:,} coalitions are more than the {limits.max_coalitions:,} that "
                "one request may take; split the request or lower the budget"
            )

    def _keep(
        self, explainer: Explainer, explained: Sequence[tuple[int, Explanation]]
    ) -> list[tuple[int, ExplanationRecord]]:
        """Makes the records and writes them durably before anything of them is answered."""
        records = [(index, explanation.record) for index, explanation in explained]
        if records:
            description = self._descriptions[explainer.bundle.description.name]
            self._store.put(
                [(record.id, encode_record(record)) for _, record in records],
                {explainer.bundle.digests.schema: description},
            )
        return records

    def get_explanation(self, record_id: str) -> ExplanationRecord:
        """The record with this id, exactly as it was answered.

        Raises:
            NotFoundError: If there is none.
        """
        stored = self._store.get(record_id)
        if stored is None:
            raise NotFoundError("there is no explanation with this id")
        return decode_record(stored)

    def render_view(self, record_id: str, view: ViewRequest) -> RenderedView:
        """A view of a stored record, made from the record and the bundle as it was described then.

        Raises:
            NotFoundError: If the record or the audience is not known.
            InvalidRequestError: If the audience does not have this format or language.
        """
        self._check_view(view)
        record = self.get_explanation(record_id)
        description = self._store.get_description(record.digests.schema)
        if description is None:
            raise NotFoundError("the description of the bundle behind this explanation is not in the store")
        return self._render(record, decode_description(description), view)

    def list_models(self) -> tuple[ModelInfo, ...]:
        """Every bundle, in the order of their names."""
        return tuple(self.get_model(name) for name in sorted(self._explainers))

    def get_model(self, name: str) -> ModelInfo:
        """One bundle by name.

        Raises:
            NotFoundError: If there is none.
        """
        explainer = self._find(name)
        return ModelInfo(
            description=explainer.bundle.description,
            digests=explainer.bundle.digests,
            device=explainer.device,
            methods=tuple(METHODS),
            exact_methods=explainer.exact_methods(),
            background_rows=len(explainer.bundle.background),
        )

    def list_audiences(self) -> tuple[AudienceInfo, ...]:
        """Every audience."""
        return tuple(
            AudienceInfo(
                id=audience.id,
                label=audience.label,
                purpose=audience.purpose,
                languages=tuple(audience.languages),
                formats=_text_formats(audience),
            )
            for audience in audiences(self._audiences_dir).values()
        )

    def warm_up(self) -> None:
        """Explains one background row of every bundle, so that the first caller does not wait for compilation."""
        for explainer in self._explainers.values():
            explainer.explain_table(explainer.bundle.background.take(slice(0, 1)))

    def _find(self, name: str) -> Explainer:
        if name not in self._explainers:
            raise NotFoundError(f"there is no model {name!r}; ask ModelService.ListModels for the known ones")
        return self._explainers[name]

    def _check_view(self, view: ViewRequest) -> None:
        audience = find_audience(view.audience, self._audiences_dir)
        if view.format not in audience.formats:
            raise InvalidRequestError.of(
                "format",
                f"audience '{audience.id}' has no format {view.format!r}; it has {', '.join(audience.formats)}",
            )
        if view.language not in audience.languages:
            known = ", ".join(audience.languages)
            raise InvalidRequestError.of(
                "language", f"audience '{audience.id}' has no language {view.language!r}; it has {known}"
            )

    def _render(self, record: ExplanationRecord, description: BundleDescription, view: ViewRequest) -> RenderedView:
        document = make_view(record, description, view.audience, view.language, folder=self._audiences_dir).document
        return RenderedView(
            audience=view.audience,
            format=view.format,
            language=view.language,
            media_type=media_type(view.format),
            content=render_view(document, view.format),
            status=document.status,
        )


def _explain_each(
    explainer: Explainer, command: ExplainCommand, rows: Table, is_abandoned: Callable[[], bool] | None
) -> list[Explanation | str]:
    """Explains the rows as one batch; where the model cannot answer, halves it until the rows at fault stand alone."""
    try:
        return list(
            explainer.explain_table(
                rows,
                method=command.method,
                output=command.output,
                players=command.players,
                budget=command.budget,
                seed=command.seed,
                space=command.space,
                cancel=is_abandoned,
            )
        )
    except ModelOutputError as error:
        if len(rows) == 1:
            return [str(error)]
    middle = len(rows) // 2
    first, second = rows.take(slice(0, middle)), rows.take(slice(middle, len(rows)))
    answers = _explain_each(explainer, command, first, is_abandoned)
    return answers + _explain_each(explainer, command, second, is_abandoned)


def _text_formats(audience: Audience) -> tuple[str, ...]:
    """The formats of an audience that a service can answer with; PDF is made by the library only."""
    return tuple(name for name in audience.formats if name in FORMATS)


def _count_rows(rows: Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]) -> int:
    if isinstance(rows, Mapping):
        return max((len(column) for column in rows.values()), default=0)
    return len(rows)


__all__ = [
    "AudienceInfo",
    "ExplainCommand",
    "ExplanationService",
    "ModelInfo",
    "RenderedView",
    "RowOutcome",
    "ServiceLimits",
    "ViewRequest",
    "build_service",
]


def build_service(  # noqa: PLR0913 - composes the service from its settings, all by name
    bundle_dirs: Sequence[Path],
    *,
    record_store: RecordStore,
    device: Device = "auto",
    runtime: Runtime | None = None,
    limits: ServiceLimits | None = None,
    audiences_dir: Path | None = None,
    surroundings: Surroundings | None = None,
    threads: int | None = 1,
) -> ExplanationService:
    """Loads bundles and composes the service.

    Args:
        bundle_dirs: Folders, each a bundle or a folder of bundles.
        record_store: Keeps the records.
        device: `auto`, `cpu` or `cuda`.
        runtime: Runs the graphs; ONNX Runtime with its defaults if None.
        limits: What one request may ask for.
        audiences_dir: Folder of audiences; those that come with xaisvc if None.
        surroundings: Clocks and identifiers; the real ones if None.
        threads: Threads that the rows of one request are spread over; all CPUs if None. One by default: requests are
            computed side by side, which fills the CPUs already, and no request then slows the others down.

    Raises:
        BundleError: If a bundle cannot be loaded, two share a name, or a folder holds none.
    """
    folders: list[Path] = []
    for folder in bundle_dirs:
        if (folder / "bundle.yaml").exists():
            folders.append(folder)
            continue
        inside = sorted(path.parent for path in folder.glob("*/bundle.yaml")) if folder.is_dir() else []
        if not inside:
            raise BundleError(
                f"'{folder}' is no bundle and holds none: a bundle is a folder with bundle.yaml, model.onnx and "
                "background.parquet; make one with `xaisvc bundle init`"
            )
        folders += inside
    explainers = [
        Explainer(folder, device, runtime=runtime, surroundings=surroundings, threads=threads) for folder in folders
    ]
    return ExplanationService(explainers, record_store, limits=limits, audiences_dir=audiences_dir)
