"""Loads bundles and puts the service together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.bundles import check_bundle
from xaisvc.cache import MemoryCache
from xaisvc.cache.base import CacheOptions
from xaisvc.engine.answering import Answering, RowResult
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.models import ServedModel, ServedModels
from xaisvc.engine.scheduling import Bounds, Flights, Scheduler, SchedulerLimits
from xaisvc.engine.service import ExplanationService
from xaisvc.engine.surroundings import Surroundings, usable_cpus
from xaisvc.errors import BundleError
from xaisvc.runtimes import OrtRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xaisvc.cache import ExplanationCache
    from xaisvc.engine.commands import ServiceLimits
    from xaisvc.engine.payload import Payload
    from xaisvc.engine.stages import Stages
    from xaisvc.engine.stored import RecordSource
    from xaisvc.records import RecordStore
    from xaisvc.types import Device, Runtime

MAX_BATCH_MODEL_ROWS = 2_000_000
"""Model rows in one batch across callers: up to a few seconds, after which others get their turn. More would only
make everybody in a batch wait: what a batch saves is by then small beside the model's own time."""

LINGER_S = 0.012
"""Longest wait for callers who were there a moment ago: a batch costs as much as some ten rows in it, and a caller's
next call arrives some milliseconds after the answer. Measured with 4, 16 and 64 callers of one row each: 1.3, 1.7 and
1.5 times the rows of no wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much a service computes and keeps waiting.

    Attributes:
        workers: Batches computed at the same time; for None this process's part of the CPUs.
        threads: Threads that the rows of one batch are spread over.
        max_waiting: Requests that may wait to be computed.
        max_waiting_s: Seconds that a request may be expected to wait.
        processes: Processes that share the callers between them, this one included.
    """

    workers: int | None = None
    threads: int = 1
    max_waiting: int = 512
    max_waiting_s: float = 30.0
    processes: int = 1


def bundle_folders(folders: Sequence[Path]) -> list[Path]:
    """The bundles that some folders are or hold.

    Raises:
        BundleError: If one is no bundle and holds none.
    """
    found: list[Path] = []
    for folder in folders:
        if (folder / "bundle.yaml").exists():
            found.append(folder)
            continue
        inside = sorted(path.parent for path in folder.glob("*/bundle.yaml")) if folder.is_dir() else []
        if not inside:
            raise BundleError(
                f"'{folder}' is no bundle and holds none: a bundle is a folder with bundle.yaml, model.onnx and "
                "background.parquet; make one with `xaisvc bundle init`"
            )
        found += inside
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoader:
    """Loads bundles to be served. What is loaded answers from memory, whatever becomes of its files.

    Attributes:
        device: `auto`, `cpu` or `cuda`.
        runtime: Runs the graphs; ONNX Runtime with its defaults if None.
        surroundings: Clocks and identifiers.
        threads: Threads that the rows of one batch are spread over.
    """

    device: Device = "auto"
    runtime: Runtime | None = None
    surroundings: Surroundings | None = None
    threads: int = 1

    def explainer(self, folder: Path) -> Explainer:
        """Loads a bundle.

        Raises:
            BundleError: If it cannot be loaded.
        """
        return Explainer(
            folder,
            self.device,
            runtime=self.runtime,
            surroundings=self.surroundings,
            threads=self.threads,
            watch=False,
        )

    def checked(self, folder: Path) -> ServedModel:
        """Loads a bundle, checks it as `xaisvc bundle check` does, and makes it ready to answer.

        Raises:
            BundleError: If it cannot be loaded, or a check found an error.
            ModelOutputError: If its model's answers cannot be explained.
        """
        explainer = self.explainer(folder)
        bundle = explainer.bundle
        inputs = (self.runtime or OrtRuntime()).load(bundle.model, device=self.device).inputs
        report = check_bundle(bundle, inputs=inputs, score=explainer.predict)
        errors = report.of_level("error")
        if errors:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise BundleError(f"{errors[0].name}: {errors[0].message}{more}; xaisvc bundle check says all")
        model = ServedModel(explainer)
        model.warm_up()
        return model


def build_service(  # noqa: PLR0913 - composes the service from its settings, all by name
    bundle_dirs: Sequence[Path],
    *,
    record_store: RecordStore,
    record_source: RecordSource | None = None,
    device: Device = "auto",
    runtime: Runtime | None = None,
    limits: ServiceLimits | None = None,
    audiences_dir: Path | None = None,
    surroundings: Surroundings | None = None,
    cache: ExplanationCache | None = None,
    secret: bytes | None = None,
    capacity: Capacity | None = None,
    stages: Stages | None = None,
) -> ExplanationService:
    """Loads bundles and composes the service.

    Args:
        bundle_dirs: Folders, each a bundle or a folder of bundles.
        record_store: Keeps the records.
        record_source: Where records are read; the store itself if None.
        device: `auto`, `cpu` or `cuda`.
        runtime: Runs the graphs; ONNX Runtime with its defaults if None.
        limits: What one request may ask for.
        audiences_dir: Folder of audiences; those that come with xaisvc if None.
        surroundings: Clocks and identifiers; the real ones if None.
        cache: Keeps answers; one in memory if None.
        secret: Keeps tenants apart in the cache; random if None.
        capacity: How much is computed and kept waiting.
        stages: Told how long the stages of requests take; nobody if None.

    Raises:
        BundleError: If a bundle cannot be loaded, two share a name, or a folder holds none.
    """
    world, size = surroundings or Surroundings(), capacity or Capacity()
    loader = ModelLoader(device=device, runtime=runtime, surroundings=world, threads=size.threads)
    return make_service(
        [loader.explainer(folder) for folder in bundle_folders(bundle_dirs)],
        record_store,
        record_source=record_source,
        limits=limits,
        audiences_dir=audiences_dir,
        surroundings=world,
        cache=cache,
        secret=secret,
        capacity=size,
        stages=stages,
    )


def make_service(  # noqa: PLR0913 - as above
    explainers: Sequence[Explainer],
    record_store: RecordStore,
    *,
    record_source: RecordSource | None = None,
    limits: ServiceLimits | None = None,
    audiences_dir: Path | None = None,
    surroundings: Surroundings | None = None,
    cache: ExplanationCache | None = None,
    secret: bytes | None = None,
    capacity: Capacity | None = None,
    stages: Stages | None = None,
) -> ExplanationService:
    """Composes the service around explainers; see `build_service`."""
    world, size = surroundings or Surroundings(), capacity or Capacity()
    models = ServedModels([ServedModel(explainer) for explainer in explainers])
    scheduler: Scheduler[Payload, RowResult] = Scheduler(
        SchedulerLimits(
            threads=size.workers or max(1, usable_cpus() // size.processes),
            max_batch_cost=MAX_BATCH_MODEL_ROWS,
            linger_s=LINGER_S,
            bounds=Bounds(max_waiting_tasks=size.max_waiting, max_waiting_s=size.max_waiting_s),
        ),
        clock=world.clock,
    )
    answering = Answering(
        scheduler,
        Flights(world.clock),
        cache or MemoryCache(CacheOptions(clock=world.clock)),
        secret=secret or secrets.token_bytes(32),
        clock=world.clock,
        stages=stages,
    )
    return ExplanationService(
        models,
        answering=answering,
        store=record_store,
        source=record_source or record_store,
        limits=limits,
        audiences_dir=audiences_dir,
        surroundings=world,
        stages=stages,
        processes=size.processes,
    )
