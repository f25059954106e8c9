"""Notices new versions of bundles and puts them in the place of the old ones while requests run."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from xaisvc.bundles import check_unchanged
from xaisvc.engine.loading import bundle_folders
from xaisvc.errors import BundleChangedError, BundleError, XaisvcError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from xaisvc.engine.models import ServedModel, ServedModels

    _Marks: TypeAlias = tuple[tuple[str, int, int, int], ...]


class ReloadOutcome(StrEnum):
    """What became of a bundle whose files are not those that are served."""

    REPLACED = "replaced"
    """The new version answers from now on."""
    ADDED = "added"
    """A bundle that was not there before is served from now on."""
    REFUSED = "refused"
    """The new version cannot be served; the old one, if there is one, stays."""
    GONE = "gone"
    """The folder is no bundle any more; the version in memory is served until the service is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """What became of one folder.

    Attributes:
        outcome: What.
        bundle: Name of the bundle; of the folder where the bundle could not be read.
        version: The version that is served now; empty if none is.
        model: SHA-256 of the model that is served now; empty if none is.
        reason: Why a version was refused; empty otherwise. Names files and fields of the bundle, and no values.
    """

    outcome: ReloadOutcome
    bundle: str
    version: str = ""
    model: str = ""
    reason: str = ""


class Reloader:
    """Compares the folders of bundles with what is served.

    A new version is loaded, checked and warmed beside the old one; then lookups find it. Requests that began with the
    old version finish with it, from memory. A version that was refused is not tried again until its files change.

    Args:
        models: The models that are served.
        load: Loads a bundle, checks it and makes it ready to answer.
        folders: Folders, each a bundle or a folder of bundles.
    """

    def __init__(self, models: ServedModels, load: Callable[[Path], ServedModel], folders: Sequence[Path]) -> None:
        self._models = models
        self._load = load
        self._folders = folders
        self._lock = threading.Lock()
        self._settling: dict[Path, _Marks] = {}
        self._refused: dict[Path, _Marks] = {}
        self._gone: set[Path] = set()

    def look(self, *, at_once: bool = False) -> list[Reload]:
        """Takes up what has changed. Blocks as long as loading takes.

        Args:
            at_once: Whether files count as they are. If not, a folder is taken up only once two looks in a row have
                found the same files in it, so that a copy in progress is left alone.

        Returns:
            What became of the folders that differ from what is served, without those that were told before.
        """
        with self._lock:
            served = {model.explainer.bundle.path: model for model in self._models}
            found: list[Reload] = []
            present = set()
            for folder in self._present():
                present.add(folder)
                self._gone.discard(folder)
                result = self._look_at(folder, served.get(folder), at_once=at_once)
                if result is not None:
                    found.append(result)
            for folder, model in served.items():
                if folder not in present and folder not in self._gone:
                    self._gone.add(folder)
                    found.append(_told(ReloadOutcome.GONE, model))
            return found

    def _present(self) -> list[Path]:
        """The folders that are bundles now; one that cannot be read holds none."""
        found: dict[Path, None] = {}
        for folder in self._folders:
            with suppress(BundleError, OSError):
                found |= dict.fromkeys(path.absolute() for path in bundle_folders([folder]))
        return list(found)

    def _look_at(self, folder: Path, old: ServedModel | None, *, at_once: bool) -> Reload | None:
        if old is not None and _is_unchanged(old):
            self._settling.pop(folder, None)
            self._refused.pop(folder, None)
            return None
        marks = _marks(folder)
        if self._refused.get(folder) == marks and not at_once:
            return None
        if not at_once and self._settling.get(folder) != marks:
            self._settling[folder] = marks
            return None
        self._settling.pop(folder, None)
        try:
            model = self._load(folder)
            check_unchanged(model.explainer.bundle)  # its files are of one version, not of two
            return self._serve(model, old)
        except BundleChangedError:
            return None  # still being copied; the next look sees the rest
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a new version, the old one must go on
            self._refused[folder] = marks
            name = folder.name if old is None else old.name
            return Reload(
                outcome=ReloadOutcome.REFUSED,
                bundle=name,
                version="" if old is None else old.description.version,
                model="" if old is None else old.explainer.bundle.digests.model,
                reason=_reason(error),
            )

    def _serve(self, model: ServedModel, old: ServedModel | None) -> Reload:
        if old is None:
            self._models.add(model)
            return _told(ReloadOutcome.ADDED, model)
        if model.name != old.name:
            raise BundleError(
                f"the bundle was named '{old.name}' and is now named '{model.name}'; a bundle keeps its name while it "
                "is served: put the new one into a folder of its own",
                file="bundle.yaml",
                field="name",
            )
        self._models.replace(model)
        return _told(ReloadOutcome.REPLACED, model)


def _told(outcome: ReloadOutcome, model: ServedModel) -> Reload:
    return Reload(
        outcome=outcome,
        bundle=model.name,
        version=model.description.version,
        model=model.explainer.bundle.digests.model,
    )


def _is_unchanged(model: ServedModel) -> bool:
    try:
        check_unchanged(model.explainer.bundle)
    except BundleChangedError:
        return False
    return True


def _reason(error: Exception) -> str:
    """Why a version is refused. What a library says of a model or a table may hold values, so it is not repeated."""
    if isinstance(error, XaisvcError):
        return str(error)
    return f"it cannot be loaded ({type(error).__name__}); xaisvc bundle check says more"


def _marks(folder: Path) -> _Marks:
    """What tells one state of a folder's files from another, without reading them."""
    found = []
    for path in (*folder.glob("*"), *folder.glob("labels/*")):
        with suppress(OSError):  # taken away a moment ago
            state = path.lstat()
            found.append((str(path.relative_to(folder)), state.st_ino, state.st_size, state.st_mtime_ns))
    return tuple(sorted(found))
