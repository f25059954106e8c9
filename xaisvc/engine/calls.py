"""Carries out the calls of an explainer: prepares them, cuts them up, and puts the answers together."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from xaisvc.attribution import most_model_rows, plan
from xaisvc.attribution.budgets import LARGEST_COALITIONS
from xaisvc.bundles import check_unchanged
from xaisvc.caveats import batch_changes, find_caveats
from xaisvc.engine.batch import ExplanationBatch, Provenance
from xaisvc.engine.choices import budget_in_words, check_budget, check_seed, parse_space
from xaisvc.engine.chunks import MOST_CHUNK_ROWS, Size, plan_chunks
from xaisvc.engine.computing import Answer, Job, Work, answer
from xaisvc.engine.evidence import fault_text
from xaisvc.engine.facts import portfolio_mean_abs, standing
from xaisvc.engine.frames import make_frame
from xaisvc.engine.ids import RowIds
from xaisvc.engine.interactions import explain_interactions
from xaisvc.engine.interruption import Interruptible, Wanted
from xaisvc.engine.loaded import BUNDLE_PLAYERS
from xaisvc.engine.progress import Ticker
from xaisvc.engine.seeds import RowSeeds, plan_seed
from xaisvc.engine.supplements import Supplier
from xaisvc.errors import AdditivityError, ModelOutputError
from xaisvc.types import Deadline, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xaisvc.attribution import Plan
    from xaisvc.caveats import CaveatContext
    from xaisvc.engine.choices import Choices
    from xaisvc.engine.computing import Repeats
    from xaisvc.engine.interactions import InteractionBatch
    from xaisvc.engine.loaded import LoadedBundle
    from xaisvc.engine.surroundings import Surroundings
    from xaisvc.types import AnswerFrame, Budget, Caveat, Output, Problem, Space, Table
    from xaisvc.types.studies import Studies


class Calls:
    """The calls of one explainer.

    Args:
        loaded: The bundle on its device.
        surroundings: Clocks and identifiers.
        threads: Threads that rows are spread over.
        memory_limit_bytes: Most that one call may take.
        watch: Whether a call is refused once the bundle's files are no longer those that were loaded.
    """

    def __init__(
        self,
        loaded: LoadedBundle,
        surroundings: Surroundings,
        *,
        threads: int,
        memory_limit_bytes: int,
        watch: bool = True,
    ) -> None:
        self.bundle = loaded.bundle
        self._watch = watch
        self._loaded = loaded
        self.supplier = Supplier(loaded)
        self._surroundings = surroundings
        self._threads = threads
        self._memory_limit_bytes = memory_limit_bytes

    def prepare(self, output: str | None, choices: Choices) -> tuple[Output, Problem, Plan]:
        """What the choices of a caller come to, before any row is looked at."""
        target = self.bundle.description.output(output)
        unit = parse_space(choices.space) or target.space
        check_budget(choices.budget, choices.method)

        def problem() -> Problem:
            return self._loaded.problem(target, unit, self._loaded.players(choices.players))

        if choices.players not in BUNDLE_PLAYERS:
            found = problem()
            return target, found, plan(found, choices.method, choices.budget)
        # Few such choices exist, so what they come to is kept: it is a good part of the time of one row.
        found = self._loaded.once(("problem", target.id, unit, choices.players), problem)
        if choices.budget is not None:
            return target, found, plan(found, choices.method, choices.budget)
        key = ("plan", target.id, unit, choices.players, choices.method)
        return target, found, self._loaded.once(key, lambda: plan(found, choices.method, None))

    def _check_files(self) -> None:
        if self._watch:
            check_unchanged(self.bundle)

    def _work(self, rows: Table, outputs: Sequence[str | None], choices: Choices, *, answers: int) -> Work:
        """What a call comes to: its outputs, its settings and how it is cut up."""
        self._check_files()
        check_seed(choices.seed)
        prepared = [self.prepare(output, choices) for output in outputs]
        problem = prepared[0][1]
        sampled = not all(found.method.exact for _, _, found in prepared)
        chunks = plan_chunks(
            Size(
                rows=len(rows),
                answers=answers,
                features=len(rows.columns),
                players=len(problem.players),
                outputs=len(prepared),
                coalitions=_coalitions(choices.budget) if sampled else 0,
                sampled=sampled,
            ),
            self._memory_limit_bytes,
        )
        clock, digest = self._surroundings.clock, self.bundle.digests.model
        check = Wanted(choices.cancel)
        budget = choices.budget
        return Work(
            jobs=tuple(self._job(found, choices.cancel, check) for found in prepared),
            settings=Settings(
                budget=budget,
                seed=choices.seed,
                row_seeds=(),
                clock=clock,
                max_batch_rows=chunks.model_rows,
                plan_seed=plan_seed(choices.seed, digest),
                threads=self._threads,
                check=check,
            ),
            seeds=partial(RowSeeds, choices.seed, digest),
            chunks=chunks,
            ticker=Ticker(len(rows), clock, choices.progress),
            end=clock() + budget.seconds if isinstance(budget, Deadline) else float("inf"),
        )

    def _job(
        self, prepared: tuple[Output, Problem, Plan], cancel: Callable[[], bool] | None, check: Callable[[], None]
    ) -> Job:
        target, problem, chosen = prepared
        same_unit = problem.space is target.tensor_space
        return Job(
            target=target,
            problem=problem if cancel is None else _interruptible(problem, check),
            plan=chosen,
            tensor=None if same_unit else self._loaded.scoring(target, target.tensor_space),
        )

    def whole(self, rows: Table, outputs: Sequence[str | None], choices: Choices) -> list[ExplanationBatch]:
        """The explanations of all rows, one batch per output."""
        repeats = rows.distinct()
        # Where rows repeat, the answers of the distinct rows are held beside those of all.
        held = len(rows) + (0 if repeats is None else len(repeats[0]))
        work = self._work(rows, outputs, choices, answers=held)
        found = self._answer(work, rows, repeats, 0)
        return [self._batch(job, one, rows, choices) for job, one in zip(work.jobs, found, strict=True)]

    def batches(
        self, rows: Table, output: str | None, choices: Choices, batch_rows: int | None
    ) -> Iterator[ExplanationBatch]:
        """The explanations batch by batch. What is wrong with the choices is raised at once."""
        size = batch_rows or MOST_CHUNK_ROWS
        # A batch can hold answers of its distinct rows beside those of all.
        work = self._work(rows, [output], choices, answers=min(2 * size, 2 * len(rows)))
        return self._in_batches(rows, work, choices, size)

    def _in_batches(self, rows: Table, work: Work, choices: Choices, size: int) -> Iterator[ExplanationBatch]:
        for start in range(0, len(rows), size):
            if start:
                self._check_files()
            part = rows.take(slice(start, start + size))
            found = self._answer(work, part, part.distinct(), start)
            ready = self._surroundings.clock()
            yield self._batch(work.jobs[0], found[0], part, choices)
            # What the reader does with a batch is not taken from the time of the others.
            work = replace(work, end=work.end + self._surroundings.clock() - ready)

    def _answer(self, work: Work, rows: Table, repeats: Repeats | None, offset: int) -> list[Answer]:
        """The answers, or the error with the rows that it comes from."""
        try:
            return answer(work, rows, repeats)
        except AdditivityError:
            raise
        except ModelOutputError as error:
            if error.whatever_rows:
                raise
            job = work.jobs[0]
            raise ModelOutputError(f"{error}; {fault_text(job.problem.model, rows, offset=offset)}") from None

    def interactions(self, rows: Table, output: str | None, choices: Choices) -> InteractionBatch:
        """The pairwise interactions of the rows."""
        self._check_files()
        target = self.bundle.description.output(output)
        return explain_interactions(
            self._loaded,
            rows,
            output=target,
            space=parse_space(choices.space) or target.space,
            players=self._loaded.players(choices.players),
            clock=self._surroundings.clock,
            threads=self._threads,
            check=Wanted(choices.cancel),
        )

    def _batch(self, job: Job, found: Answer, rows: Table, choices: Choices) -> ExplanationBatch:
        """Everything about the rows that a reader may ask for."""
        target, players = job.target, job.problem.players
        attribution = replace(
            found.attribution,
            detail=_sentences(job.plan.reason, found.attribution.detail),
            own=_own(job.plan.reason, found.attribution.own),
            predictions=None,  # they are the batch's own
        )
        now = self._surroundings.now()

        def context() -> CaveatContext:
            return self._loaded.studies.context(
                rows, target, job.problem.space, players, attribution, found.predictions, now.date()
            )

        return ExplanationBatch(
            rows=rows,
            attribution=attribution,
            predictions=found.predictions,
            caveats=find_caveats(context, len(rows)),
            provenance=self._provenance(target, job.problem, choices, job.plan, exact=attribution.exact),
            ids=RowIds(len(rows), self._surroundings.new_id),
            created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            together=cache(partial(self.batch_caveats, rows)),
        )

    def batch_caveats(self, rows: Table) -> tuple[Caveat, ...]:
        """What is the matter with rows together."""
        return batch_changes(self._loaded.studies.units(), rows)

    def studies(
        self, output: str | None, players: str | Mapping[str, Sequence[str]], space: Space | str | None
    ) -> Studies:
        """What was studied once for an output and some players."""
        target = self.bundle.description.output(output)
        unit = parse_space(space) or target.space
        today = self._surroundings.now().date()
        return self._loaded.studies.of(target, unit, self._loaded.players(players), today)

    def frame(self, output: str | None, choices: Choices) -> tuple[AnswerFrame, int]:
        """What all answers to these choices will share, and the most model rows that one of them can cost."""
        target, problem, chosen = self.prepare(output, choices)
        check_seed(choices.seed)
        exact = chosen.method.exact
        source = self._provenance(target, problem, choices, chosen, exact=exact)
        frame = make_frame(source, chosen.method.name, None if exact else choices.budget)
        return frame, most_model_rows(problem, chosen, choices.budget)

    def _provenance(
        self, target: Output, problem: Problem, choices: Choices, chosen: Plan, *, exact: bool
    ) -> Provenance:
        unit, players = problem.space, problem.players
        among = standing(self._loaded, target)
        return Provenance(
            description=self.bundle.description,
            digests=self.bundle.digests,
            device=self._loaded.device,
            output=target,
            space=unit,
            players=players,
            seed=choices.seed,
            budget="" if exact else budget_in_words(choices.budget, chosen.method.name),
            background_predictions=among.predictions,
            adverse_share=among.adverse_share,
            portfolio_mean_abs=portfolio_mean_abs(self._loaded, target, unit, players, self._surroundings.clock),
            supplier=self.supplier,
        )


def _interruptible(problem: Problem, check: Callable[[], None]) -> Problem:
    """The problem with model functions that ask before every call whether they are still wanted."""
    seen = problem.observed
    return replace(
        problem,
        model=Interruptible(problem.model, check),
        observed=None if seen is None else replace(seen, model=Interruptible(seen.model, check)),
    )


def _coalitions(budget: Budget | None) -> int:
    """Coalitions per row that a budget can lead to, so far as it is known before the work."""
    if not isinstance(budget, int):
        return 0
    return min(budget, LARGEST_COALITIONS)  # a method refuses more, or has no more


def _own(reason: str, own: Sequence[tuple[bool, str]]) -> tuple[tuple[bool, str], ...]:
    """The rows' own details after the reason that they share; each text is made once."""
    made = {each: (each[0], _sentences(reason, each[1])) for each in set(own)}
    return tuple(made[each] for each in own)


def _sentences(*texts: str) -> str:
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts if text)
