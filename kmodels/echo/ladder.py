"""The ladder of echo: from two equal decoders to a small, frozen base; and two controls.

The controls change the best rung, one thing each.
"""

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.core.spec.recipe import merge
from kmodels.echo.gates import DELTA1_LEVELS, GATES, RESIDUAL
from kmodels.echo.recipe import ADAPTIVE, U_NET, Model, Train

# The fields that the rungs change, as the default has them.
DEFAULT = {
    "model": {"front_end": Model().front_end, "residual_range": Model().residual_range},
    "train": {name: getattr(Train(), name) for name in (*U_NET["train"], *ADAPTIVE, "lambda_sparse", "freeze")},
}

PROTOTYPE_GATES = (
    RESIDUAL,
    Gate("pixels within 25% (delta1)", "delta1", 0.45, "prototype", levels=DELTA1_LEVELS),
)
RMSE_OF_FLAWED = Gate(
    "RMSE / flawed model's",
    "rmse_ratio",
    0.85,
    "prototype",
    "<=",
    levels=(("minimum", 0.85), ("ideal", 0.70)),
)
PROJECT_GATES = (
    Gate("RMSE / mean map's", "rmse_ratio_mean_map", 0.5, "this project", "<="),
    Gate("pixels within 25% (delta1)", "delta1", 0.75, "this project"),
)

LADDER = Ladder(
    (
        Step(
            "flawed: equal decoders",
            "base and residual decoder of one size, residual up to 0.2 max_depth, lambda_base 0.8, lambda_sparse 0.2",
            merge(
                U_NET,
                {
                    "model": {"architecture": "base_residual", "base_width": 16, "residual_range": 0.2},
                    "train": {"lambda_base": 0.8, "lambda_sparse": 0.2, "curriculum": "none"},
                },
            ),
            prototype={"rmse": 2.6},
        ),
        Step(
            "small base",
            "the base decoder a quarter as wide, residual up to 0.3 max_depth, lambda_base 1.2, lambda_sparse 0.05",
            {
                "model": {"base_width": 4, "residual_range": 0.3},
                "train": {"lambda_base": 1.2, "lambda_sparse": 0.05},
            },
            (*PROTOTYPE_GATES, RMSE_OF_FLAWED),
            {"rmse": 2.2, "delta1": 0.45},
        ),
        Step(
            "curriculum",
            "lambda_recon 0.3 to 1 and lambda_base 2 to 0.3 over the warm-up; then no gradient reaches the base "
            "through the sum, while its own loss trains it on",
            {"train": {**ADAPTIVE, "freeze": "sum_only"}},
            PROTOTYPE_GATES,
        ),
        Step(
            "true freeze",
            "after the warm-up the base decoder stays as it is, to the last bit",
            {"train": {"freeze": "all"}},
            (*PROTOTYPE_GATES, *PROJECT_GATES),
        ),
        Step(
            "control: single decoder",
            "one decoder with as many weights as base and residual decoder together; it is not worth splitting the "
            "depth if this does as well",
            {"model": {"architecture": "single"}},
            (Gate("RMSE / two decoders'", "rmse_ratio", round(1 / 0.95, 4), "this project"),),
            branch=True,
        ),
        Step(
            "control: large base",
            "the best rung with a base decoder as wide as the residual's; a small one generalises better if its base "
            "gap is smaller than here",
            {"model": {"base_width": 16}},
            branch=True,
        ),
        Step(
            "range and direction",
            "what is heard by range and direction takes the place of the spectrogram; the base is walls, floor and "
            "ceiling; relative errors count, and no curriculum",
            DEFAULT,
            GATES,
        ),
    ),
    figures=("rmse", "delta1", "rmse_ratio_mean_map", "sparse", "base_gap"),
)
