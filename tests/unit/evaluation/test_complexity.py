from __future__ import annotations

import numpy as np
import pytest

from xaisvc.evaluation import effective_factors, entropy, first_factors_fidelity, untold_share


def test_four_equal_factors_are_four() -> None:
    values = np.array([[1.0, -1.0, 1.0, 1.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])

    assert entropy(values).numerators[:2] == pytest.approx([np.log(4), 0.0])
    assert effective_factors(values).numerators[:2] == pytest.approx([4.0, 1.0])
    assert np.isnan(entropy(values).numerators[2])


def test_what_the_first_factors_tell_by_hand() -> None:
    values = np.array([[4.0, -1.0, 1.0], [3.0, 2.0, 0.0]])
    # told 4 and 3; rest 0 and 2; outputs minus base 4 and 5
    assert first_factors_fidelity(values, 1).value() == pytest.approx(1 - (0 + 4) / (16 + 25))
    assert first_factors_fidelity(values, 3).value() == 1.0
    assert untold_share(values, 1).value() == pytest.approx((2 + 2) / (6 + 5))
