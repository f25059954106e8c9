"""Puts the service together from its settings, and takes it apart again."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xaisvc.cache import CacheOptions, load_secret, open_cache
from xaisvc.engine.commands import ServiceLimits
from xaisvc.engine.loading import Capacity, build_service
from xaisvc.records import MasterKey, RecordFolder, SqliteRecordStore, StoreKeys, load_subject_keys, store_path
from xaisvc.runtimes import OrtRuntime, RuntimeSettings

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from xaisvc.config import Settings
    from xaisvc.engine.service import ExplanationService

CACHE_FILE = "cache.sqlite3"
CACHE_SECRET_FILE = "cache.secret"  # noqa: S105 - the name of a file


@dataclass(frozen=True, slots=True)
class Assembly:
    """A service with what it is made of. Leaving the context closes all of it.

    Attributes:
        service: The use cases.
        store: Keeps the records.
    """

    service: ExplanationService
    store: SqliteRecordStore
    _open: ExitStack

    def __enter__(self) -> Self:
        """The assembly itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes everything, records last."""
        self._open.close()


def assemble(settings: Settings) -> Assembly:
    """Opens what the settings name and loads the models.

    Raises:
        BundleError: If a bundle cannot be loaded.
        StoreError: If the records cannot be opened.
        InvalidInputError: If a setting does not fit.
    """
    with ExitStack() as stack:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        master = _master_key(settings)
        keys = StoreKeys.load(settings.data_dir, master=master)
        store = SqliteRecordStore(store_path(settings.data_dir), keys=keys)
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
            ),
        )
        service.warm_up()
        return Assembly(service, store, stack.pop_all())


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
        clock=time.monotonic,
    )
