"""Loads bundles and puts the service together."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.cache import MemoryCache
from xaisvc.cache.base import CacheOptions
from xaisvc.engine.answering import Answering, RowResult
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.models import ServedModel, ServedModels
from xaisvc.engine.scheduling import Bounds, Flights, Scheduler, SchedulerLimits
from xaisvc.engine.service import ExplanationService
from xaisvc.engine.surroundings import Surroundings
from xaisvc.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xaisvc.cache import ExplanationCache
    from xaisvc.engine.commands import ServiceLimits
    from xaisvc.engine.stored import RecordSource
    from xaisvc.records import RecordStore
    from xaisvc.types import Device, Runtime, Table

MAX_BATCH_MODEL_ROWS = 20_000_000
"""Model rows in one batch across callers: a few seconds, after which others get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much a service computes and keeps waiting.

    Attributes:
        workers: Batches computed at the same time; as many as CPUs for None.
        threads: Threads that the rows of one batch are spread over.
        max_waiting: Requests that may wait to be computed.
        max_waiting_s: Seconds that a request may be expected to wait.
    """

    workers: int | None = None
    threads: int = 1
    max_waiting: int = 512
    max_waiting_s: float = 30.0


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

    Raises:
        BundleError: If a bundle cannot be loaded, two share a name, or a folder holds none.
    """
    world, size = surroundings or Surroundings(), capacity or Capacity()
    explainers = [
        Explainer(folder, device, runtime=runtime, surroundings=surroundings, threads=size.threads)
        for folder in bundle_folders(bundle_dirs)
    ]
    return make_service(
        explainers,
        record_store,
        record_source=record_source,
        limits=limits,
        audiences_dir=audiences_dir,
        surroundings=world,
        cache=cache,
        secret=secret,
        capacity=size,
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
) -> ExplanationService:
    """Composes the service around explainers; see `build_service`."""
    world, size = surroundings or Surroundings(), capacity or Capacity()
    models = ServedModels([ServedModel(explainer) for explainer in explainers])
    scheduler: Scheduler[Table, RowResult] = Scheduler(
        SchedulerLimits(
            threads=size.workers or _usable_cpus(),
            max_batch_cost=MAX_BATCH_MODEL_ROWS,
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
    )
    return ExplanationService(
        models,
        answering=answering,
        store=record_store,
        source=record_source or record_store,
        limits=limits,
        audiences_dir=audiences_dir,
        surroundings=world,
    )


def _usable_cpus() -> int:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return own or 1
