"""What many explanations say together, so that no person can be read from it.

Pure functions on columns: shares, changes, segments, rules, and what of them may be told (disclosure control).
"""

from xaisvc.cohorts.columns import Columns, Question, concatenate
from xaisvc.cohorts.overlap import Memory, Told
from xaisvc.cohorts.people import Use
from xaisvc.cohorts.summary import BAND, Wish, check_segments, summarise

__all__ = ["BAND", "Columns", "Memory", "Question", "Told", "Use", "Wish", "check_segments", "concatenate", "summarise"]
