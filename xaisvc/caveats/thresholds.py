"""When caveats speak: every limit that a bank may set otherwise, with the measured defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from xaisvc.types.second_opinion import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class CaveatThresholds:
    """When each rule speaks, and from when on it asks for care. Shares are of a row's total absolute attribution T.

    Attributes:
        material_share: From this share of T on, a player is a reason that a reader may be given.
        info_association: Players of whom no second opinion can be given are linked from this association on.
        care_association: From this one on, how they divide their credit asks for care.
        opinion: When the second opinion speaks.
        credited_share: From this share of T on, an attribution credits a feature that is proven to be unused.
        off_manifold_info: Share of implausible hybrids that is worth a word.
        off_manifold_care: Share of them that asks for care.
        noise_care: Largest standard error of sampling, as a share of the largest absolute value, that asks for care.
        noise_unreliable: From here on reasons must not be given.
        sign_errors: A value within so many standard errors of 0 has no sign.
        method_sign_share: Below this share of T, under either of two methods, it has none between them either.
        background_info: Largest standard error from the draw of the background, as a share of the largest absolute
            value, that is worth a word.
        background_care: From here on it asks for care.
        surrogate_jaccard: Below this overlap of LIME's leading features, between resamples, it asks for care.
        surrogate_sign_flips: Above this share of changed signs among them, likewise.
        interplay_share: Share of T that depends on other players, above which it is worth a word.
        near_share: A prediction is near the threshold if less than this share of the background lies between.
        near_deviations: And if it is within this many standard deviations of the background's predictions.
        additivity: Largest gap between base value plus attributions and the output, as a share of the sum of absolute
            numbers.
        additivity_errors: And in standard errors of that sum.
    """

    material_share: float = 0.05
    info_association: float = 0.5
    care_association: float = 0.7
    opinion: Thresholds = field(default_factory=Thresholds)
    credited_share: float = 0.05
    off_manifold_info: float = 0.05
    off_manifold_care: float = 0.2
    noise_care: float = 0.1
    noise_unreliable: float = 0.5
    sign_errors: float = 2.0
    method_sign_share: float = 0.015
    background_info: float = 0.5
    background_care: float = 1.0
    surrogate_jaccard: float = 0.7
    surrogate_sign_flips: float = 0.2
    interplay_share: float = 0.25
    near_share: float = 0.05
    near_deviations: float = 0.25
    additivity: float = 1e-4
    additivity_errors: float = 6.0
