"""A caller's own thresholds are read from a file, and scored beside the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.caveats.gap_scores import Prepared, judged
from benchmarks.caveats.own_thresholds import read_thresholds
from xaisvc.caveats.thresholds import CaveatThresholds
from xaisvc.errors import InvalidRequestError
from xaisvc.types.second_opinion import Gaps, Thresholds

if TYPE_CHECKING:
    from pathlib import Path


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "off_manifold_care: 0.3\nopinion:\n  gap_share: 0.06\n",
        '{"off_manifold_care": 0.3, "opinion": {"gap_share": 0.06}}',
    ],
)
def test_yaml_and_json_set_what_they_name(tmp_path: Path, text: str) -> None:
    found = read_thresholds(_file(tmp_path, text))

    assert found == CaveatThresholds(off_manifold_care=0.3, opinion=Thresholds(gap_share=0.06))


@pytest.mark.parametrize("text", ["noise_care: 1e-5", '{"noise_care": 1e-5}', "noise_care: 10e-6"])
def test_powers_of_ten_are_numbers(tmp_path: Path, text: str) -> None:
    assert read_thresholds(_file(tmp_path, text)) == CaveatThresholds(noise_care=1e-5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("near_share: 0.1\n\nnear_share: 0.2", r"'near_share' stands in line 1 and in line 3; keep one of them"),
        (
            "opinion:\n  gap_share: 0.1\n  gap_share: 0.1",
            r"'gap_share' stands in line 2 and in line 3; keep one of them",
        ),
        ("gap_share: 0.06", r"'gap_share' belongs to the second opinion; put it below 'opinion:'"),
        ("opinion:\n  gap_sharee: 0.06", r"no threshold 'opinion\.gap_sharee'; did you mean 'opinion\.gap_share'\?"),
        ("zzz: 1", r"no threshold 'zzz'; there are material_share, "),
        ("near_share: high", r"'near_share' is 'high'; write a number"),
        ("near_share: true", r"'near_share' is True; write a number"),
        ("near_share: -0.1", r"'near_share' is -0\.1; write a number of 0 or more"),
        ("near_share: .inf", r"'near_share' is inf; write a number of 0 or more"),
        ("opinion: 0.06", r"'opinion' holds 0\.06; write its thresholds below it"),
        ("- 0.06", r"holds no names with numbers; write 'name: number'"),
        ("{}", r"sets no threshold; there are material_share"),
        ("a: [", r"neither YAML nor JSON near line 1"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        read_thresholds(_file(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"cannot read '.*none\.yaml': No such file"):
        read_thresholds(tmp_path / "none.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InvalidRequestError, match="it is no text in UTF-8"):
        read_thresholds(path)


def test_higher_thresholds_speak_less() -> None:
    gaps = Gaps(
        values=np.array([[0.3, -0.3, 0.0]]),
        errors=np.full((1, 3), 0.01),
        sets=((0, 1),),
        totals=np.zeros((1, 1)),
        total_errors=np.full((1, 1), 0.01),
        linked=np.array([True, True, False]),
    )
    found = Prepared(
        values=np.array([[0.5, 0.1, 0.4]]),
        errors=np.full((1, 3), 0.001),
        gaps=gaps,
        unused=np.zeros(3, dtype=np.bool_),
        marginal=np.array([[0.5, 0.1, 0.4]]),
        conditional=np.array([[0.8, -0.2, 0.4]]),
    )
    said, silent = judged(found), judged(found, Thresholds(gap_share=0.9, sign_share=0.9))

    assert said.gap.tolist() == [[True, True, False]]
    assert said.sign.tolist() == [[False, True, False]]
    assert not silent.gap.any()
    assert not silent.sign.any()
