"""What the rows of a request share, for tests of how answers are stored, sent and written."""

from __future__ import annotations

from xaisvc.types import AnswerFrame, Digests, Players, Space

FRAME = AnswerFrame(
    bundle="loans",
    bundle_version="1.0.0",
    digests=Digests(model="aa", background="bb", schema="cc"),
    device="cpu",
    answer_version=1,
    software={},
    output="default",
    prediction_space=Space.PROBABILITY,
    space=Space.LOG_ODDS,
    method="tree",
    value_function="interventional",
    players=Players(kind="features", names=("age",), members=(("age",),)),
    seed=0,
    budget=None,
    budget_text="",
    portfolio_rows=100,
    portfolio_mean=0.5,
    adverse_share=None,
    portfolio_mean_abs=None,
)
"""The frame of a request to explain loans by their one feature, `age`."""
