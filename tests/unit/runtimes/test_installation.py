from __future__ import annotations

import pytest

from xaisvc.errors import RuntimeUnavailableError
from xaisvc.runtimes import check_installation


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-gpu"])
def test_one_distribution_is_named(name: str) -> None:
    assert check_installation(lambda wanted: wanted == name) == name


def test_none_says_what_to_install() -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"install one of the two: pip install 'xaisvc\[cpu\]'"):
        check_installation(lambda _: False)


def test_both_says_that_they_overwrite_each_other() -> None:
    with pytest.raises(RuntimeUnavailableError, match="both onnxruntime and onnxruntime-gpu are installed"):
        check_installation(lambda _: True)


def test_this_environment_has_exactly_one() -> None:
    assert check_installation() in {"onnxruntime", "onnxruntime-gpu"}
