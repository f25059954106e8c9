"""One caveat of every kind, and of every way in which a kind is told, as the rules make them for the credit bundle."""

from __future__ import annotations

from xaisvc.types import Caveat, Gate, RobustNumber, Severity

INFO, CARE, UNRELIABLE = Severity.INFO, Severity.CARE, Severity.UNRELIABLE
LOAN = ("duration_months", "credit_amount")


def _robust(*players: str) -> RobustNumber:
    return RobustNumber(players=players, value=0.35123, low=-0.04321, high=0.38765)


EVERY_CAVEAT: dict[str, Caveat] = {
    "shared_credit": Caveat(
        kind="shared_credit",
        severity=CARE,
        players=LOAN,
        message="duration_months, credit_amount go together in the background; read their sum",
        evidence={"association": 0.8123, "moved_share": 0.1234},
        robust=_robust(*LOAN),
        gates=(Gate.NO_RANKING,),
    ),
    "shared_credit, mild": Caveat(kind="shared_credit", severity=INFO, players=LOAN, robust=_robust(*LOAN)),
    "shared_credit, no sign": Caveat(
        kind="shared_credit", severity=CARE, players=LOAN, gates=(Gate.NO_RANKING, Gate.NOT_A_REASON)
    ),
    "attributed_but_unused": Caveat(
        kind="attributed_but_unused",
        severity=INFO,
        players=("telephone",),
        message="telephone: the graph proves that the model does not use it, so its value here is 0",
        evidence={"conditional_share": 0.2123},
        robust=_robust("telephone"),
        gates=(Gate.NOT_A_REASON,),
    ),
    "attributed_but_unused, here": Caveat(
        kind="attributed_but_unused", severity=CARE, players=("telephone",), gates=(Gate.NOT_A_REASON,)
    ),
    "hidden_proxy_use": Caveat(kind="hidden_proxy_use", severity=CARE, players=("purpose",), robust=_robust("purpose")),
    "off_manifold": Caveat(kind="off_manifold", severity=CARE, evidence={"fraction": 0.3123}),
    "value_function_disagreement": Caveat(
        kind="value_function_disagreement", severity=CARE, players=("savings_status",), robust=_robust("savings_status")
    ),
    "value_function_disagreement, sign": Caveat(
        kind="value_function_disagreement",
        severity=CARE,
        players=("savings_status",),
        robust=_robust("savings_status"),
        gates=(Gate.NOT_A_REASON,),
    ),
    "estimator_noise": Caveat(kind="estimator_noise", severity=CARE, players=("purpose",)),
    "estimator_noise, sign": Caveat(
        kind="estimator_noise", severity=CARE, players=("purpose",), gates=(Gate.NOT_A_REASON,)
    ),
    "estimator_noise, too much": Caveat(
        kind="estimator_noise", severity=UNRELIABLE, players=("checking_status", "purpose"), gates=(Gate.NO_REASONS,)
    ),
    "background_sensitivity": Caveat(kind="background_sensitivity", severity=CARE, players=("purpose",)),
    "input_out_of_range": Caveat(
        kind="input_out_of_range",
        severity=CARE,
        players=("credit_amount",),
        evidence={"features": 1.0, "largest_excess_in_ranges": 4.4321},
        gates=(Gate.NO_REASONS,),
    ),
    "input_out_of_range, as a whole": Caveat(kind="input_out_of_range", severity=CARE, gates=(Gate.NO_REASONS,)),
    "unit_change": Caveat(
        kind="unit_change", severity=CARE, players=("duration_months",), gates=(Gate.NO_REASONS,), model_rows=12
    ),
    "low_fidelity_surrogate": Caveat(kind="low_fidelity_surrogate", severity=CARE, evidence={"r2": 0.4123}),
    "proxy_of_protected": Caveat(
        kind="proxy_of_protected", severity=INFO, players=("purpose",), message="purpose can stand in for zgender"
    ),
    "possible_manipulation": Caveat(kind="possible_manipulation", severity=UNRELIABLE, gates=(Gate.NO_REASONS,)),
    "rare_usage": Caveat(kind="rare_usage", severity=INFO, players=("purpose",)),
    "interaction_dominates": Caveat(kind="interaction_dominates", severity=INFO, players=("purpose",)),
    "near_threshold": Caveat(kind="near_threshold", severity=INFO, evidence={"distance": 0.0123}),
    "stale_background": Caveat(kind="stale_background", severity=CARE, evidence={"age_days": 812.0}),
    "missing_input": Caveat(kind="missing_input", severity=INFO, players=("existing_credits",)),
    "additivity_failure": Caveat(kind="additivity_failure", severity=UNRELIABLE, gates=(Gate.NO_REASONS,)),
    "method_disagreement": Caveat(kind="method_disagreement", severity=INFO, players=("purpose",)),
    "method_disagreement, sign": Caveat(
        kind="method_disagreement", severity=CARE, players=("purpose",), gates=(Gate.NOT_A_REASON,)
    ),
}
