"""Puts the service together from its settings, and takes it apart again."""

from __future__ import annotations

import gc
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.cache import CacheOptions, load_secret, open_cache
from xaisvc.engine.commands import ServiceLimits
from xaisvc.engine.loading import Capacity, ModelLoader, build_service
from xaisvc.engine.reloading import Reloader
from xaisvc.engine.surroundings import Surroundings
from xaisvc.records import (
    MasterKey,
    Randomness,
    RecordFolder,
    SqliteRecordStore,
    StoreKeys,
    load_subject_keys,
    store_path,
    store_paths,
)
from xaisvc.runtimes import OrtRuntime, RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from xaisvc.config import Settings
    from xaisvc.engine.service import ExplanationService
    from xaisvc.engine.stages import Stages
    from xaisvc.server.place import Place

CACHE_FILE = "cache.sqlite3"
CACHE_SECRET_FILE = "cache.secret"  # noqa: S105 - the name of a file

_ID_BYTES = 16

_OBJECTS_BEFORE_ROUND = 50_000
"""A batch of a stream makes some thousand objects that live as long as it does."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A service with what it is made of. Leaving the context closes all of it.

    Attributes:
        service: The use cases.
        store: Keeps the records.
        reloader: Takes up new versions of the bundles.
    """

    service: ExplanationService
    store: SqliteRecordStore
    reloader: Reloader
    _retire: Callable[[Mapping[str, int], int, str], dict[str, int]]
    _open: ExitStack

    def retain(self, months: Mapping[str, int], default_months: int, *, caller: str) -> dict[str, int]:
        """Removes the contents of records that are older than they must be kept.

        The first process also looks after the files of processes that there are no more.

        Args:
            months: Bundle to calendar months.
            default_months: For all other bundles.
            caller: Who asked.

        Returns:
            Bundle to number of events, where there were any.

        Raises:
            StoreError: If it failed, or copies may be left in the log.
        """
        removed = Counter(self.store.retain(months, default_months=default_months, caller=caller))
        removed.update(self._retire(months, default_months, caller))
        return dict(removed)

    def __enter__(self) -> Self:
        """The assembly itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes everything: what computes first, so that nothing is begun that cannot be recorded; records last."""
        self._open.close()


def assemble(settings: Settings, place: Place, stages: Stages | None = None) -> Assembly:
    """Opens what the settings name and loads the models.

    Args:
        settings: What to open and to load.
        place: Which process this is: each writes records into a file of its own.
        stages: Told how long the stages of requests take.

    Raises:
        BundleError: If a bundle cannot be loaded.
        StoreError: If the records cannot be opened.
        InvalidInputError: If a setting does not fit.
    """
    with ExitStack() as stack:
        master = _master_key(settings)
        keys = StoreKeys.load(settings.data_dir, master=master)
        store = SqliteRecordStore(store_path(settings.data_dir, place.index), keys=keys)
        stack.callback(store.close)
        _, envelope = load_subject_keys(settings.data_dir, master)
        records = stack.enter_context(closing(RecordFolder(settings.data_dir, envelope)))
        secret = load_secret(settings.cache_secret or settings.data_dir / CACHE_SECRET_FILE)
        cache = open_cache(_cache_address(settings), _cache_options(settings, secret))
        stack.callback(cache.close)
        runtime = OrtRuntime(
            RuntimeSettings(
                threads=settings.threads,
                memory_limit_bytes=settings.memory_limit_bytes or None,
                deterministic=settings.deterministic,
            )
        )
        randomness = Randomness()
        world = Surroundings(new_id=lambda: randomness.take(_ID_BYTES).hex())
        service = build_service(
            settings.models,
            record_store=store,
            record_source=records,
            device=settings.device,
            runtime=runtime,
            limits=ServiceLimits(
                max_rows=settings.max_rows,
                max_views=settings.max_views,
                max_model_rows=settings.max_model_rows,
                max_seconds=settings.max_seconds,
                max_stream_rows=settings.max_stream_rows,
                max_stream_model_rows=settings.max_stream_model_rows,
            ),
            audiences_dir=settings.audiences_dir,
            cache=cache,
            secret=secret,
            capacity=Capacity(
                workers=settings.workers or None,
                max_waiting=settings.max_waiting,
                max_waiting_s=settings.max_waiting_seconds,
                processes=place.count,
            ),
            surroundings=world,
            stages=stages,
        )
        stack.callback(service.answering.close, 0.0)
        service.warm_up()
        _spare_collector()
        loader = ModelLoader(device=settings.device, runtime=runtime, surroundings=world)
        reloader = Reloader(service.models, loader.checked, settings.models)

        def retire(months: Mapping[str, int], default_months: int, caller: str) -> dict[str, int]:
            removed: Counter[str] = Counter()
            served = {store_path(settings.data_dir, index) for index in range(place.count)}
            for path in store_paths(settings.data_dir) if place.index == 0 else ():
                if path not in served:
                    with closing(SqliteRecordStore(path, keys=keys, beside_service=True)) as left:
                        removed.update(left.retain(months, default_months=default_months, caller=caller))
            return removed

        return Assembly(service, store, reloader, retire, stack.pop_all())


def _spare_collector() -> None:
    """Takes what has been loaded by now out of the garbage collector's rounds, and makes these rarer.

    It stays until the end, and looking at all of it again and again costs a stream of cached rows a third of its rate.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_ROUND)


def _master_key(settings: Settings) -> MasterKey | None:
    if settings.master_key_file is not None:
        return MasterKey.from_file(settings.master_key_file)
    return MasterKey.from_text(settings.master_key) if settings.master_key else None


def _cache_address(settings: Settings) -> str:
    return f"sqlite:{settings.data_dir / CACHE_FILE}" if settings.cache == "sqlite:" else settings.cache


def _cache_options(settings: Settings, secret: bytes) -> CacheOptions:
    return CacheOptions(
        ttl_s=settings.cache_ttl_seconds,
        max_bytes=settings.cache_bytes,
        max_file_bytes=settings.cache_file_bytes,
        secret=secret,
        username=settings.cache_username,
        password=settings.cache_password,
        ca_file=settings.cache_ca,
        cert_file=settings.cache_certificate,
        key_file=settings.cache_certificate_key,
        timeout_s=settings.cache_timeout_seconds,
        clock=time.monotonic,
    )
