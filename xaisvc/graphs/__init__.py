"""Reads the structure of ONNX graphs: their outputs, links, tree ensembles, linear nodes and what depends on what."""

from xaisvc.graphs.additive import AdditiveGraph, GraphTerm, NotAdditive, read_additive
from xaisvc.graphs.check import check_trees
from xaisvc.graphs.cut import CutTensor, UncutError
from xaisvc.graphs.explainer import Tables, layer_outputs, row_graph
from xaisvc.graphs.fixed import fix_inputs
from xaisvc.graphs.fused import fused_graph
from xaisvc.graphs.graph import Graph
from xaisvc.graphs.mixing import MixingPlan, has_trees, plan_link_mixing, plan_mixing
from xaisvc.graphs.network import DenseLayer, DenseNetwork, read_network
from xaisvc.graphs.outputs import Place, list_outputs, resolve_output
from xaisvc.graphs.provenance import features_behind, trace_columns
from xaisvc.graphs.scorer import Scorer, Transform, plan_scorer

__all__ = [
    "AdditiveGraph",
    "CutTensor",
    "DenseLayer",
    "DenseNetwork",
    "Graph",
    "GraphTerm",
    "MixingPlan",
    "NotAdditive",
    "Place",
    "Scorer",
    "Tables",
    "Transform",
    "UncutError",
    "check_trees",
    "features_behind",
    "fix_inputs",
    "fused_graph",
    "has_trees",
    "layer_outputs",
    "list_outputs",
    "plan_link_mixing",
    "plan_mixing",
    "plan_scorer",
    "read_additive",
    "read_network",
    "resolve_output",
    "row_graph",
    "trace_columns",
]
