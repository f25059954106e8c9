"""Studies as arrays: whatever is put in comes out again, and nothing else can."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

import numpy as np
import pytest

from xaisvc.demo.cases import BUNDLES
from xaisvc.engine.explainer import Explainer
from xaisvc.engine.study_codec import decode_study, encode_study, study_form
from xaisvc.types.reliance import FeatureReliance, Hindrance, Reliance, Use
from xaisvc.types.studies import PlayerSpread


def same(one: object, other: object) -> bool:
    """Whether two studies are equal, NaN being equal to NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, tuple):
        assert isinstance(other, tuple)
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one) and not isinstance(one, Enum):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return one == other or (one != one and other != other)  # noqa: PLR0124 - only a NaN differs from itself


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(BUNDLES / "german-credit-logistic", "cpu")


def test_real_studies_come_back_as_they_were(explainer: Explainer) -> None:
    studies, output = explainer._loaded.studies, explainer.bundle.description.outputs[0]
    features = explainer._loaded.players("features")
    for study in (
        studies.association(),
        studies.support(),
        studies.units(),
        studies.reliance(output, output.space),
        studies.manipulation(output, output.space),
        studies.opinion(output, output.space, features),
        studies.spread(output, output.space, features),
    ):
        arrays = encode_study(study)
        again = decode_study(type(study), arrays)

        assert same(study, again)
        assert all(array.dtype.kind in "biuf" for array in arrays.values())  # what a file of plans may hold


def _spread(errors: np.ndarray) -> PlayerSpread:
    return PlayerSpread(
        background_errors=errors,
        background_covariance=np.diag(errors**2),
        interplay=np.zeros(len(errors)),
        rows=1,
        model_rows=0,
    )


def test_numbers_that_are_not_finite_stay_what_they_are() -> None:
    study = _spread(np.array([np.inf, 0.5]))
    reliance = Reliance(
        features=(FeatureReliance(features=("a",), use=Use.CANNOT_TELL, hindrance=Hindrance.FEW_ROWS),),
        groups=(),
        output_sd=float("nan"),
        noise=float("inf"),
    )

    assert same(study, decode_study(PlayerSpread, encode_study(study)))
    assert same(reliance, decode_study(Reliance, encode_study(reliance)))


def test_studies_of_another_form_have_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class PlayerSpread2:
        background_errors: float

    before = study_form()
    study_form.cache_clear()
    monkeypatch.setattr("xaisvc.engine.study_codec._KNOWN", {"PlayerSpread": PlayerSpread2})

    assert study_form() != before
    study_form.cache_clear()
    monkeypatch.undo()
    assert study_form() == before


def test_arrays_that_come_out_can_be_written_to() -> None:
    study = _spread(np.zeros(2))
    arrays = encode_study(study)
    for array in arrays.values():
        array.setflags(write=False)
    found = decode_study(PlayerSpread, arrays)
    found.interplay[0] = 1.0

    assert study.interplay[0] == 0.0


def test_a_tuple_of_studies_is_one_too() -> None:
    study = _spread(np.ones(1))

    assert same((study, study), decode_study(tuple, encode_study((study, study))))


def test_a_study_of_another_kind_is_refused() -> None:
    study = _spread(np.ones(1))
    with pytest.raises(TypeError, match="these arrays hold PlayerSpread, not Reliance"):
        decode_study(Reliance, encode_study(study))


@pytest.mark.parametrize("content", [object(), [1, 2], {1, 2}, 1j])
def test_what_no_study_holds_is_not_written(content: object) -> None:
    with pytest.raises(TypeError, match="is no part of a study"):
        encode_study(content)


def test_a_file_cannot_name_other_classes() -> None:
    content = json.dumps(["study", "Popen", {"args": "true"}]).encode()
    with pytest.raises(KeyError):
        decode_study(object, {"text": np.frombuffer(content, dtype=np.uint8)})
