"""Attribution: the methods, the players they share credit among, and the planner that picks one."""

from xaisvc.attribution.additive import additive_output
from xaisvc.attribution.association import association_matrix
from xaisvc.attribution.costs import most_model_rows
from xaisvc.attribution.groups import (
    CLUSTER_THRESHOLD,
    cluster_players,
    concepts_as_players,
    custom_players,
    features_as_players,
    make_players,
)
from xaisvc.attribution.methods import METHODS
from xaisvc.attribution.planner import Plan, plan

__all__ = [
    "CLUSTER_THRESHOLD",
    "METHODS",
    "Plan",
    "additive_output",
    "association_matrix",
    "cluster_players",
    "concepts_as_players",
    "custom_players",
    "features_as_players",
    "make_players",
    "most_model_rows",
    "plan",
]
