"""Reads the structure of ONNX graphs: their outputs, links, tree ensembles, linear nodes and what depends on what."""

from xaisvc.graphs.additive import AdditiveGraph, GraphTerm, NotAdditive, read_additive
from xaisvc.graphs.check import check_trees
from xaisvc.graphs.graph import Graph
from xaisvc.graphs.outputs import Place, list_outputs, resolve_output
from xaisvc.graphs.provenance import trace_columns
from xaisvc.graphs.scorer import Scorer, Transform, plan_scorer

__all__ = [
    "AdditiveGraph",
    "Graph",
    "GraphTerm",
    "NotAdditive",
    "Place",
    "Scorer",
    "Transform",
    "check_trees",
    "list_outputs",
    "plan_scorer",
    "read_additive",
    "resolve_output",
    "trace_columns",
]
