"""Attribution: the methods, the players they share credit among, and the planner that picks one."""

from xaisvc.attribution.additive import additive_output
from xaisvc.attribution.costs import most_model_rows
from xaisvc.attribution.groups import (
    cluster_players,
    concepts_as_players,
    custom_players,
    features_as_players,
    make_players,
)
from xaisvc.attribution.methods import METHODS
from xaisvc.attribution.planner import Plan, plan

__all__ = [
    "METHODS",
    "Plan",
    "additive_output",
    "cluster_players",
    "concepts_as_players",
    "custom_players",
    "features_as_players",
    "make_players",
    "most_model_rows",
    "plan",
]
