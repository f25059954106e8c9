"""Evaluation: how good attributions are, each metric as a function of arrays, with intervals over rows.

Everything works on arrays and on `xaisvc.types`: attributions of any method, ours or not, can be measured.
"""

from xaisvc.evaluation.accuracy import largest_error, relative_error, sum_gap
from xaisvc.evaluation.agreement import agreement_matrix, rank_agreement, sign_agreement, top_agreement
from xaisvc.evaluation.complexity import effective_factors, entropy, first_factors_fidelity, untold_share
from xaisvc.evaluation.evidence import Evidence, Neighbours, Removed
from xaisvc.evaluation.faithfulness import (
    curve,
    curve_area,
    faithfulness_correlation,
    faithfulness_estimate,
    importance_towards,
    infidelity,
    infidelity_share,
    prediction_gap,
)
from xaisvc.evaluation.known_truth import Polynomial
from xaisvc.evaluation.measures import Measure, RowScores, difference, draw_weights, measure, measure_by
from xaisvc.evaluation.metric import Metric
from xaisvc.evaluation.randomisation import randomise_model
from xaisvc.evaluation.registry import METRICS
from xaisvc.evaluation.removal import (
    BackgroundReplacement,
    HybridModel,
    Removal,
    Replacement,
    mix,
    step_counts,
    subset_masks,
    top_masks,
)
from xaisvc.evaluation.retraining import blanked, remove_and_retrain, retrained_losses
from xaisvc.evaluation.robustness import copy_asymmetry, randomised_similarity, unused_credit
from xaisvc.evaluation.signal import last_value, losses, one_feature_rule, prior_predictions, skill
from xaisvc.evaluation.stability import (
    largest_change,
    max_sensitivity,
    relative_input_stability,
    relative_output_stability,
    spread,
)

__all__ = [
    "METRICS",
    "BackgroundReplacement",
    "Evidence",
    "HybridModel",
    "Measure",
    "Metric",
    "Neighbours",
    "Polynomial",
    "Removal",
    "Removed",
    "Replacement",
    "RowScores",
    "agreement_matrix",
    "blanked",
    "copy_asymmetry",
    "curve",
    "curve_area",
    "difference",
    "draw_weights",
    "effective_factors",
    "entropy",
    "faithfulness_correlation",
    "faithfulness_estimate",
    "first_factors_fidelity",
    "importance_towards",
    "infidelity",
    "infidelity_share",
    "largest_change",
    "largest_error",
    "last_value",
    "losses",
    "max_sensitivity",
    "measure",
    "measure_by",
    "mix",
    "one_feature_rule",
    "prediction_gap",
    "prior_predictions",
    "randomise_model",
    "randomised_similarity",
    "rank_agreement",
    "relative_error",
    "relative_input_stability",
    "relative_output_stability",
    "remove_and_retrain",
    "retrained_losses",
    "sign_agreement",
    "skill",
    "spread",
    "step_counts",
    "subset_masks",
    "sum_gap",
    "top_agreement",
    "top_masks",
    "untold_share",
    "unused_credit",
]
