"""Carries out the calls of an explainer: prepares them, cuts them up, and puts the answers together."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from xaisvc.attribution import most_model_rows, plan
from xaisvc.attribution.budgets import LARGEST_COALITIONS
from xaisvc.bundles import BundleWatch
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


_Asked = tuple[str | None, str | None, str, str]
"""Output, space, players and method as a caller named them."""


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
        self._watch = BundleWatch(self.bundle) if watch else None
        self._loaded = loaded
        self.supplier = Supplier(loaded)
        self._surroundings = surroundings
        self._threads = threads
        self._memory_limit_bytes = memory_limit_bytes
        self._jobs: dict[_Asked, Job] = {}
        self._sources: dict[_Asked, tuple[int, Provenance]] = {}

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

    def check_files(self) -> None:
        """Refuses to go on once the bundle's files are no longer those that were loaded, if they are watched."""
        if self._watch is not None:
            self._watch.check()

    def _work(self, rows: Table, outputs: Sequence[str | None], choices: Choices, *, answers: int) -> Work:
        """What a call comes to: its outputs, its settings and how it is cut up."""
        self.check_files()
        check_seed(choices.seed)
        check, budget = Wanted(choices.cancel), choices.budget
        jobs = tuple(self._job(output, choices, check) for output in outputs)
        sampled = not all(job.plan.method.exact for job in jobs)
        chunks = plan_chunks(
            Size(
                rows=len(rows),
                answers=answers,
                features=len(rows.columns),
                players=len(jobs[0].problem.players),
                outputs=len(jobs),
                coalitions=_coalitions(budget) if sampled else 0,
                sampled=sampled,
            ),
            self._memory_limit_bytes,
        )
        clock, digest = self._surroundings.clock, self.bundle.digests.model
        return Work(
            jobs=jobs,
            settings=Settings(
                budget=budget,
                seed=choices.seed,
                row_seeds=RowSeeds(choices.seed, digest, rows),
                clock=clock,
                max_batch_rows=chunks.model_rows,
                plan_seed=plan_seed(choices.seed, digest),
                threads=self._threads,
                check=check,
            ),
            rows=rows,
            seeds=partial(RowSeeds, choices.seed, digest),
            chunks=chunks,
            ticker=Ticker(len(rows), clock, choices.progress),
            end=clock() + budget.seconds if isinstance(budget, Deadline) else float("inf"),
        )

    def _job(self, output: str | None, choices: Choices, check: Callable[[], None]) -> Job:
        """What is to be done for one output; kept for the calls that ask alike, where few kinds of them exist."""
        asked = _asked(output, choices)
        job = self._jobs.get(asked) if asked is not None else None
        if job is None:
            target, problem, chosen = self.prepare(output, choices)
            same_unit = problem.space is target.tensor_space
            tensor = None if same_unit else self._loaded.scoring(target, target.tensor_space)
            job = Job(target=target, problem=problem, plan=chosen, tensor=tensor)
            if asked is not None:
                self._jobs[asked] = job
        return job if choices.cancel is None else replace(job, problem=_interruptible(job.problem, check))

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
                self.check_files()
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
        self.check_files()
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
            provenance=self._source(job, choices, exact=attribution.exact),
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

    def _source(self, job: Job, choices: Choices, *, exact: bool) -> Provenance:
        """Where a batch comes from; kept for the next call where it is one object for all that ask alike."""
        asked = _asked(job.target.id, choices) if exact else None
        if asked is None:
            return self._provenance(job.target, job.problem, choices, job.plan, exact=exact)
        known = self._sources.get(asked)
        if known is None or known[0] != choices.seed:
            source = self._provenance(job.target, job.problem, choices, job.plan, exact=exact)
            self._sources[asked] = known = choices.seed, source
        return known[1]

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


def _asked(output: str | None, choices: Choices) -> _Asked | None:
    """Names what calls that ask alike share; None where callers can ask in more ways than may be kept."""
    players, space, method = choices.players, choices.space, choices.method
    if choices.budget is not None or not isinstance(players, str) or players not in BUNDLE_PLAYERS:
        return None
    named: tuple[object, ...] = (output, space, method)
    # What has another type is refused where it is read.
    return (output, space, players, method) if all(one is None or isinstance(one, str) for one in named) else None


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
    if not own:
        return ()
    made = {each: (each[0], _sentences(reason, each[1])) for each in set(own)}
    return tuple(made[each] for each in own)


def _sentences(*texts: str) -> str:
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts if text)
