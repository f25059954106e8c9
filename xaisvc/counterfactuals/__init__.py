"""Finds the other inputs on which the model would have decided otherwise, among those that a bundle declares."""

from xaisvc.counterfactuals.axes import Axis, make_axes
from xaisvc.counterfactuals.cells import with_cells
from xaisvc.counterfactuals.judging import Goal
from xaisvc.counterfactuals.search import Effort, Found, Question, search

__all__ = ["Axis", "Effort", "Found", "Goal", "Question", "make_axes", "search", "with_cells"]
