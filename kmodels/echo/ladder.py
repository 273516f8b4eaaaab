"""The ladder of echo: from two equal decoders to a small base that stays; and two controls of what the claim rests on.

A rung's changes are put upon those below it, so the controls change the best rung, one thing each.
"""

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step

SEED_GATES = (
    Gate("the residual is used", "sparse", 0.15, "seed", ">=", "m"),
    Gate("within 25%", "delta1", 0.45, "seed"),
)
OURS = (
    Gate("error / mean map's", "rmse_ratio_mean_map", 0.5, "ours", "<="),
    Gate("within 25%", "delta1", 0.75, "ours"),
)

BEST = 3  # the rung that both controls change

LADDER = Ladder(
    (
        Step(
            "flawed: equal decoders",
            "base and residual decoder of one size, residual up to 0.2 max_depth, lambda_base 0.8, lambda_sparse 0.2",
            {
                "model": {"architecture": "base_residual", "base_width": 16, "residual_range": 0.2},
                "train": {"lambda_base": 0.8, "lambda_sparse": 0.2, "curriculum": "none"},
            },
            prototype={"rmse": 2.6},
        ),
        Step(
            "small base",
            "the base decoder a quarter as wide, residual up to 0.3 max_depth, lambda_base 1.2, lambda_sparse 0.05",
            {
                "model": {"base_width": 4, "residual_range": 0.3},
                "train": {"lambda_base": 1.2, "lambda_sparse": 0.05},
            },
            (*SEED_GATES, Gate("15% under the flawed one", "rmse_ratio", 0.85, "seed", "<=")),
            {"rmse": 2.2, "delta1": 0.45},
        ),
        Step(
            "curriculum",
            "lambda_recon 0.3 to 1 and lambda_base 2 to 0.3 over the warm-up; then no gradient reaches the base "
            "through the sum, while its own loss trains it on",
            {"train": {"curriculum": "adaptive", "freeze": "sum_only"}},
            SEED_GATES,
        ),
        Step(
            "true freeze",
            "after the warm-up the base decoder stays as it is, to the last bit",
            {"train": {"freeze": "all"}},
            (*SEED_GATES, *OURS),
        ),
        Step(
            "control: single decoder",
            "one decoder with as many weights as base and residual decoder together; it is not worth splitting the "
            "depth if this does as well",
            {"model": {"architecture": "single"}},
            (Gate("two parts are 5% better", "rmse_ratio", round(1 / 0.95, 4), "ours"),),
            compare_to=BEST,
        ),
        Step(
            "control: large base",
            "the best rung with a base decoder as wide as the residual's; a small one generalises better if its base "
            "gap is smaller than here",
            {"model": {"architecture": "base_residual", "base_width": 16}},
            compare_to=BEST,
        ),
    ),
    figures=("rmse", "delta1", "rmse_ratio_mean_map", "sparse", "base_gap"),
)
