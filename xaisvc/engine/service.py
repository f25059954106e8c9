"""The service without its transport: look up, explain, record, render. Blocking and thread-safe."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from xaisvc.engine.answered import Answered, Repeated, Underway
from xaisvc.engine.commands import AnswerBatch, AudienceInfo, ModelInfo, RowOutcome, ServiceLimits
from xaisvc.engine.encoded import columns_of
from xaisvc.engine.interruption import check_wanted
from xaisvc.engine.model_infos import model_info, studied_model_info
from xaisvc.engine.permissions import check_numbers, safe_error
from xaisvc.engine.question import Question
from xaisvc.engine.reading import Requests
from xaisvc.engine.stages import NoStages, Stage
from xaisvc.engine.stored_service import StoredService
from xaisvc.engine.surroundings import Surroundings
from xaisvc.engine.views import Views
from xaisvc.errors import ModelOutputError
from xaisvc.rights import Rates
from xaisvc.types import LOCAL, Interest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from xaisvc.engine.answering import Answering, RowResult
    from xaisvc.engine.commands import ExplainCommand
    from xaisvc.engine.letters import LetterWarning
    from xaisvc.engine.models import ServedModels
    from xaisvc.engine.reading import Prepared
    from xaisvc.engine.recorded import Block
    from xaisvc.engine.stages import Stages
    from xaisvc.engine.stored import RecordSource
    from xaisvc.records import RecordStore
    from xaisvc.types import Caller, Caveat, Table


class ExplanationService(StoredService):
    """Explains rows of several bundles and keeps a durable record of every answer.

    Args:
        models: The models.
        answering: Answers rows: from the cache, from a batch with other callers, or anew.
        store: Keeps the records.
        source: Where records are read, those of other processes too.
        limits: What one request may ask for.
        audiences_dir: Folder of audiences; those that come with xaisvc if None.
        surroundings: Clocks and identifiers; the real ones if None.
        stages: Told how long the stages of requests take; nobody if None.
        processes: Processes that share the callers between them; each gives a caller its part of the rows a minute.

    Raises:
        AudienceError: If the folder of audiences has mistakes.
    """

    def __init__(  # noqa: PLR0913 - composes the service from its parts, all by name
        self,
        models: ServedModels,
        *,
        answering: Answering,
        store: RecordStore,
        source: RecordSource,
        limits: ServiceLimits | None = None,
        audiences_dir: Path | None = None,
        surroundings: Surroundings | None = None,
        stages: Stages | None = None,
        processes: int = 1,
    ) -> None:
        self.answering = answering
        self.limits = limits or ServiceLimits()
        super().__init__(
            models,
            store=store,
            source=source,
            views=Views(audiences_dir, self.limits),
            audiences_dir=audiences_dir,
            surroundings=surroundings or Surroundings(),
        )
        self._stages = stages or NoStages()
        self._clock = self._surroundings.clock
        self._requests = Requests(models, Rates(self._clock, processes), self._surroundings, self._stages)

    def explain(
        self, command: ExplainCommand, *, caller: Caller = LOCAL, interest: Interest | None = None
    ) -> tuple[RowOutcome, ...]:
        """Explains every row of a command. The records are durable when this returns.

        Args:
            command: What to explain, and how.
            caller: Who asks.
            interest: Once the caller has left, the work stops and nothing is recorded.

        Returns:
            One outcome per row, in order: a row that is wrong gets its own error and harms no other.

        Raises:
            NotFoundError: If the bundle, the output or an audience is not known to this caller.
            NotAllowedError: If the caller may not have what they ask for.
            InvalidRequestError: If a parameter is wrong.
            LimitExceededError: If the request costs more than allowed.
            BusyError: If too much is waiting already.
            TooLateError: If the deadline passed before the work began.
            AbandonedError: If the caller has left.
            StoreError: If the records could not be written; then nothing is answered.
        """
        answered = self.begin(command, caller=caller, interest=interest)
        answered.stored.result()
        answered.told()
        return answered.outcomes

    def begin(self, command: ExplainCommand, *, caller: Caller = LOCAL, interest: Interest | None = None) -> Answered:
        """Explains every row of a command and does not wait until the records are durable; else as `explain`."""
        prepared = self._requests.read(command, caller, self.limits)
        self._views.check_all(command.views, prepared.count, caller)
        self._views.check_concerned(command.views, prepared.model.description)
        return self.begin_prepared(prepared, caller, interest or Interest())

    def begin_prepared(self, prepared: Prepared, caller: Caller, interest: Interest) -> Answered:
        """As `begin`, for a request that has been read."""
        table = prepared.table
        found = self.answering.answers(_question(prepared, caller, interest), table) if len(table) else []
        return self._answered(prepared, found, caller, interest)

    def begin_at_once(
        self, command: ExplainCommand, *, caller: Caller = LOCAL, interest: Interest | None = None
    ) -> Answered | Repeated | Underway | None:
        """As `begin` for a usual request of a single row without views; None for every other request.

        Waits for nothing and takes less than a millisecond, so that the thread of an event loop may do it.

        Returns:
            What was answered, if the answer lay in memory; else the row on its way, for `end`.
        """
        if command.views or command.fact_dates:
            return None
        prepared = self._requests.glance(command, caller, self.limits)
        if prepared is None:
            return None
        interest = interest or Interest()
        question = _question(prepared, caller, interest)
        key = self.answering.name(question, prepared.table)
        if key is None:
            return None
        found = self.answering.at_once(key)
        if found is None:
            self.answering.check_room(question)
        self._requests.take(caller, prepared.count)
        if found is not None:
            return self._repeated(prepared, key, found, caller, interest)
        return Underway(prepared, self.answering.begin(question, prepared.table, key))

    def _repeated(self, prepared: Prepared, key: bytes, found: bytes, caller: Caller, interest: Interest) -> Repeated:
        """Records an answer that is known already, which nobody needs to read for that."""
        check_wanted(interest)
        block = self._new_block(prepared, prepared.table, [found], [0])
        began = self._clock()
        stored = self._records.add(block, prepared.model, caller)
        return Repeated(
            id=block.ids[0],
            created_at=block.created_at,
            name=key,
            answer=found,
            record=lambda: self._records.record(block, 0),
            stored=stored,
            told=lambda: self._spent(Stage.RECORD, prepared, began, self._clock()),
        )

    def end(self, underway: Underway, caller: Caller, interest: Interest) -> Answered | None:
        """The answer of a row that was begun, once it is there; None if `begin_prepared` is to wait for it.

        Waits for nothing, as `begin_at_once`. Raises as `begin` does.
        """
        found = None if underway.single is None else self.answering.ended(underway.single)
        return None if found is None else self._answered(underway.prepared, [found], caller, interest)

    def _answered(self, prepared: Prepared, found: Sequence[RowResult], caller: Caller, interest: Interest) -> Answered:
        """Records what was found for all rows that were right, and the views that were asked for with them."""
        command = prepared.command
        outcomes = dict(prepared.failed)
        block, places = self._block(prepared, slice(0, len(prepared.table)), found, caller, interest, outcomes)
        if block is None:
            stored: Future[None] = Future()
            stored.set_result(None)
            return Answered(tuple(outcomes[index] for index in range(prepared.count)), stored, lambda: None)
        records = [self._records.record(block, i) for i in range(len(places))]
        began = self._clock()
        model = prepared.model
        views = self._views.render(
            records, model.description, command.views, supplier=model.explainer.supplier, interest=interest
        )
        rendered = self._clock()
        if command.views:
            self._spent(Stage.RENDER, prepared, began, rendered)
        stored = self._records.add(
            block, prepared.model, caller, [(i, view) for i, found in enumerate(views) for view in found]
        )
        check_wanted(interest)
        for index, record, own in zip(places, records, views, strict=True):
            outcomes[index] = RowOutcome(index=index, record=record, views=own)
        return Answered(
            tuple(outcomes[index] for index in range(prepared.count)),
            stored,
            lambda: self._spent(Stage.RECORD, prepared, rendered, self._clock()),
            _together(prepared, caller),
        )

    def prepare_stream(self, command: ExplainCommand, caller: Caller = LOCAL) -> Prepared:
        """Reads a request for many rows, to be answered by `explain_part`. Raises as `explain` does."""
        check_numbers(caller)
        return self._requests.read(command, caller, self.limits.of_stream())

    def _spent(self, stage: Stage, prepared: Prepared, start_s: float, end_s: float) -> None:
        self._stages.spent(stage, prepared.model.name, prepared.command.method, start_s, end_s)

    def explain_part(  # noqa: PLR0913 - one part of a request
        self,
        prepared: Prepared,
        start: int,
        stop: int,
        *,
        first: bool = False,
        caller: Caller = LOCAL,
        interest: Interest | None = None,
    ) -> AnswerBatch:
        """Explains the rows from `start` to `stop` of a request. The records are durable when this returns.

        The first part says what is the matter with all rows of the request together.

        Raises:
            NotAllowedError: If the caller may not see attributions.
            AbandonedError: If the caller has left.
            StoreError: If the records could not be written; then nothing is answered.
        """
        check_numbers(caller)
        interest = interest or Interest()
        failed = {index: outcome for index, outcome in prepared.failed.items() if start <= index < stop}
        low, high = prepared.indices.searchsorted([start, stop])
        part = slice(int(low), int(high))
        table = prepared.table.take(part)
        found = self.answering.answers(_question(prepared, caller, interest), table) if len(table) else []
        block, places = self._block(prepared, part, found, caller, interest, failed)
        if block is not None:
            began = self._clock()
            self._records.add(block, prepared.model, caller).result()
            self._spent(Stage.RECORD, prepared, began, self._clock())
        return AnswerBatch(
            frame=prepared.framed.frame,
            created_at=self._records.now() if block is None else block.created_at,
            indices=places,
            ids=() if block is None else block.ids,
            answers=columns_of(() if block is None else block.answers),
            failed=[failed[index] for index in sorted(failed)],
            next_row=stop,
            rows=prepared.count,
            batch_caveats=_together(prepared, caller) if first else (),
        )

    def _block(  # noqa: PLR0913, PLR0917 - one request in its parts
        self,
        prepared: Prepared,
        part: slice,
        found: Sequence[RowResult],
        caller: Caller,
        interest: Interest,
        failed: dict[int, RowOutcome],
    ) -> tuple[Block | None, list[int]]:
        """The answers of some of the rows, to be stored; rows that the model cannot answer go to `failed`."""
        check_wanted(interest)
        places = prepared.indices[part].tolist()
        good = [i for i, answer in enumerate(found) if isinstance(answer, bytes)]
        for i, answer in enumerate(found):
            if isinstance(answer, ModelOutputError):
                error = str(safe_error(answer, caller))
                failed[places[i]] = RowOutcome(index=places[i], record=None, error=error)
        if not good:
            return None, []
        table = prepared.table.take(part)
        own = [places[i] for i in good]
        block = self._new_block(
            prepared,
            table if len(good) == len(table) else table.take(good),
            [answer for answer in found if isinstance(answer, bytes)],
            own,
        )
        return block, own

    def _new_block(self, prepared: Prepared, rows: Table, answers: Sequence[bytes], places: Sequence[int]) -> Block:
        """Answers to rows that stand at these places of the request."""
        subjects, fact_dates = prepared.command.subjects, prepared.fact_dates
        return self._records.new_block(
            prepared.framed,
            rows,
            answers,
            subjects=[subjects[i] for i in places] if subjects else (),
            fact_dates=[fact_dates[i] for i in places] if fact_dates else (),
            method=prepared.command.method,
        )

    def list_models(self, caller: Caller = LOCAL) -> tuple[ModelInfo, ...]:
        """Every bundle that exists for this caller, in the order of their names."""
        return tuple(
            model_info(model, caller, self._views, self._today())
            for model in self.models
            if caller.may_use_bundle(model.name)
        )

    def get_model(self, name: str, caller: Caller = LOCAL) -> ModelInfo:
        """One bundle by name.

        Raises:
            NotFoundError: If there is none for this caller.
        """
        return studied_model_info(self.models.find(name, caller), caller, self._views, self._today())

    def letter_warnings(self) -> tuple[LetterWarning, ...]:
        """What should be mended before letters go out, of every bundle that is served now."""
        found = (self._views.letter_warnings(model.description, self._today()) for model in self.models)
        return tuple(warning for warnings in found for warning in warnings)

    def _today(self) -> date:
        return self._surroundings.now().date()

    def list_audiences(self, caller: Caller = LOCAL) -> tuple[AudienceInfo, ...]:
        """Every audience that this caller may have views of."""
        return self._views.infos(caller)

    def warm_up(self) -> None:
        """Explains one background row of every bundle, so that the first caller does not wait for compilation."""
        for model in self.models:
            model.warm_up()


def _together(prepared: Prepared, caller: Caller) -> tuple[Caveat, ...]:
    """What is the matter with all rows of a request, for callers who see numbers."""
    if not caller.sees_numbers or len(prepared.table) == 1:
        return ()
    return prepared.model.explainer.batch_caveats(prepared.table)


def _question(prepared: Prepared, caller: Caller, interest: Interest) -> Question:
    return Question(prepared.model, prepared.framed, prepared.command, caller, interest)
