from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import onnx
import pytest

from tests.unit.engine.conftest import frozen_surroundings, log_model
from xaisvc.bundles import lock_bundle
from xaisvc.engine.commands import ExplainCommand
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.loading import ModelLoader, build_service
from xaisvc.engine.reloading import Reloader, ReloadOutcome
from xaisvc.errors import BundleChangedError
from xaisvc.records import MemoryRecordStore
from xaisvc.types import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.engine.models import ServedModel
    from xaisvc.engine.service import ExplanationService

COMMAND = ExplainCommand(bundle="log-model", rows=[{"a": 1.5, "b": 0.5}])


@pytest.fixture
def service(bundle_dir: Path) -> ExplanationService:
    return build_service(
        [bundle_dir.parent], record_store=MemoryRecordStore(), device="cpu", surroundings=frozen_surroundings()
    )


@pytest.fixture
def reloader(service: ExplanationService, bundle_dir: Path) -> Reloader:
    return Reloader(service.models, ModelLoader(device="cpu").checked, [bundle_dir.parent])


def edit(folder: Path, old: str, new: str) -> None:
    """Writes another bundle.yaml, whatever it says."""
    path = folder / "bundle.yaml"
    text = path.read_text()
    assert old in text

    path.write_text(text.replace(old, new))


def served(service: ExplanationService, name: str = "log-model") -> ServedModel:
    return service.models.find(name, LOCAL)


def test_without_a_change_nothing_happens(service: ExplanationService, reloader: Reloader) -> None:
    before = served(service)

    assert [reloader.look(), reloader.look(at_once=True)] == [[], []]
    assert served(service) is before


def test_a_new_version_takes_over_once_its_files_have_settled(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    before = served(service)
    edit(bundle_dir, "version:", "version: 9.9.9 #")

    assert reloader.look() == []  # the files may still be on their way
    assert served(service) is before
    (told,) = reloader.look()

    assert (told.outcome, told.bundle, told.version) == (ReloadOutcome.REPLACED, "log-model", "9.9.9")
    assert told.model == served(service).explainer.bundle.digests.model
    assert served(service).description.version == "9.9.9"
    assert reloader.look() == []
    assert service.explain(COMMAND)[0].record is not None


def test_damage_to_a_locked_bundle_is_refused_though_it_would_load(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    before, whole = served(service), (bundle_dir / "model.onnx").read_bytes()
    lock_bundle(bundle_dir)
    model = onnx.load_from_string(whole)
    model.producer_name += "x"  # as good a model as before
    (bundle_dir / "model.onnx").write_bytes(model.SerializeToString())

    (told,) = reloader.look(at_once=True)

    assert (told.outcome, told.model) == (ReloadOutcome.REFUSED, before.explainer.bundle.digests.model)
    assert told.reason.startswith("model.onnx: the file has other bytes than when the bundle was locked (SHA256SUMS)")
    assert served(service) is before
    lock_bundle(bundle_dir)  # it was meant
    assert [one.outcome for one in reloader.look(at_once=True)] == [ReloadOutcome.REPLACED]


def test_locking_a_served_bundle_is_no_change(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    before = served(service)
    lock_bundle(bundle_dir)

    assert reloader.look(at_once=True) == []
    assert served(service) is before


def test_a_signal_takes_it_up_at_once(service: ExplanationService, reloader: Reloader, bundle_dir: Path) -> None:
    edit(bundle_dir, "version:", "version: 9.9.9 #")

    (told,) = reloader.look(at_once=True)

    assert told.outcome is ReloadOutcome.REPLACED
    assert served(service).description.version == "9.9.9"


def test_a_request_that_began_with_the_old_version_finishes_with_it(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    prepared = service.prepare_stream(COMMAND)
    edit(bundle_dir, "version:", "version: 9.9.9 #")
    reloader.look(at_once=True)

    batch = service.explain_part(prepared, 0, 1)

    assert len(batch.answers) == 1
    assert batch.frame.bundle_version != "9.9.9"
    assert service.prepare_stream(COMMAND).framed.frame.bundle_version == "9.9.9"


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_in_place(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    before = served(service)
    (bundle_dir / "model.onnx").write_bytes(b"no model")

    reloader.look()
    (told,) = reloader.look()

    assert told.outcome is ReloadOutcome.REFUSED
    assert told.reason.startswith("model.onnx: ")
    assert str(bundle_dir) not in told.reason
    assert served(service) is before
    assert service.explain(COMMAND)[0].record is not None  # from memory
    assert reloader.look() == []  # told once
    assert [told.outcome for told in reloader.look(at_once=True)] == [ReloadOutcome.REFUSED]  # asked for again


def test_a_model_that_no_longer_gives_its_reference_is_refused(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    """It loads and answers, so nothing but the check tells it from the model that was meant."""
    import pandas as pd

    rows = served(service).explainer.bundle.background.take(slice(0, 5))
    output = served(service).description.outputs[0].id
    frame = pd.DataFrame({name: list(rows.columns[name]) for name in ("a", "b")})
    frame[f"prediction:{output}"] = served(service).explainer.predict(rows) + 1.0
    frame.to_csv(bundle_dir / "reference.csv", index=False)
    edit(bundle_dir, "version:", "version: 9.9.9 #")

    (told,) = reloader.look(at_once=True)

    assert told.outcome is ReloadOutcome.REFUSED
    assert "xaisvc bundle check says all" in told.reason
    assert served(service).description.version != "9.9.9"


def test_a_refused_version_that_is_mended_is_taken_up(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    (bundle_dir / "model.onnx").write_bytes(b"no model")
    reloader.look(at_once=True)
    edit(bundle_dir, "version:", "version: 9.9.9 #")
    (bundle_dir / "model.onnx").write_bytes(log_model())

    reloader.look()
    (told,) = reloader.look()

    assert told.outcome is ReloadOutcome.REPLACED
    assert served(service).description.version == "9.9.9"


def test_a_new_folder_is_served(service: ExplanationService, reloader: Reloader, bundle_dir: Path) -> None:
    shutil.copytree(bundle_dir, bundle_dir.parent / "second")
    edit(bundle_dir.parent / "second", "name: log-model", "name: second")

    reloader.look()
    (told,) = reloader.look()

    assert (told.outcome, told.bundle) == (ReloadOutcome.ADDED, "second")
    assert [model.name for model in service.models] == ["log-model", "second"]


def test_names_stay_apart(service: ExplanationService, reloader: Reloader, bundle_dir: Path) -> None:
    before = served(service)
    shutil.copytree(bundle_dir, bundle_dir.parent / "copy")
    edit(bundle_dir, "name: log-model", "name: renamed")

    copy, renamed = sorted(reloader.look(at_once=True), key=lambda told: told.bundle)

    assert copy.outcome is renamed.outcome is ReloadOutcome.REFUSED
    assert "a bundle named 'log-model' is served already" in copy.reason
    assert "a bundle keeps its name while it is served" in renamed.reason
    assert list(service.models) == [before]


def test_a_folder_that_is_gone_is_served_from_memory_and_told_once(
    service: ExplanationService, reloader: Reloader, bundle_dir: Path
) -> None:
    shutil.rmtree(bundle_dir)

    (told,) = reloader.look()

    assert told.outcome is ReloadOutcome.GONE
    assert reloader.look() == []
    assert service.explain(COMMAND)[0].record is not None


def test_files_that_change_while_they_are_loaded_are_left_for_the_next_look(
    service: ExplanationService, bundle_dir: Path
) -> None:
    before = served(service)
    loader = ModelLoader(device="cpu")

    def slow_copy(folder: Path) -> ServedModel:
        model = loader.checked(folder)
        if model.description.version == "9.9.9":
            edit(folder, "9.9.9", "9.9.10")
        return model

    reloader = Reloader(service.models, slow_copy, [bundle_dir])
    edit(bundle_dir, "version:", "version: 9.9.9 #")

    assert reloader.look(at_once=True) == []
    assert served(service) is before
    assert [told.version for told in reloader.look(at_once=True)] == ["9.9.10"]


def test_what_a_library_says_of_a_broken_file_is_not_repeated(service: ExplanationService, bundle_dir: Path) -> None:
    def breaks(_: Path) -> ServedModel:
        raise ValueError("row 7 holds 4711")

    edit(bundle_dir, "version:", "version: 9.9.9 #")
    (told,) = Reloader(service.models, breaks, [bundle_dir]).look(at_once=True)

    assert told.reason == "it cannot be loaded (ValueError); xaisvc bundle check says more"


def test_the_library_still_watches_the_files(bundle_dir: Path) -> None:
    watching, loaded = Explainer(bundle_dir, "cpu"), Explainer(bundle_dir, "cpu", watch=False)
    edit(bundle_dir, "version:", "version: 9.9.9 #")

    with pytest.raises(BundleChangedError):
        watching.explain([{"a": 1.5, "b": 0.5}])
    assert len(loaded.explain([{"a": 1.5, "b": 0.5}])) == 1
