"""The ladder of plume: from a network that pools space away to one that gives the closures of the equation itself."""

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.plume.gates import CORRELATION_LEVELS, GATES

CORRELATION = Gate("correlation", "pearson", 0.9, "prototype", levels=CORRELATION_LEVELS)

LADDER = Ladder(
    (
        Step(
            "v1: pooled",
            "every frame through a small 3-D CNN, pooled to 128 numbers, a Transformer over the frames",
            {
                "model": {"architecture": "v1_ensemble", "wind": False, "base": "none"},
                "train": {"epochs": 12, "wind_degrees": 0.0, "wind_share": 0.0},
            },
            (Gate("correlation, at most", "pearson", 0.5, "prototype", "<="),),
            {"pearson": 0.15},
        ),
        Step(
            "v2: ConvLSTM",
            "a U-Net keeps the volume; at its coarsest scale a ConvLSTM remembers",
            {"model": {"architecture": "v2_convlstm"}, "train": {"epochs": 6}},
            (
                CORRELATION,
                Gate("MSE / v1's", "mse_ratio", 0.1, "prototype", "<="),
            ),
            {"pearson": 0.8},  # what it hoped for: 0.7 to 0.9
        ),
        Step(
            "v2 with wind",
            "eastward and northward wind of every frame as two more input channels",
            {"model": {"wind": True}},
            (CORRELATION,),
        ),
        Step(
            "transport",
            "the last two frames, each moved by its own wind, and what was emitted under it, as four more maps; the "
            "network gives the coefficients of a step that keeps mass, from where each cell's content goes to how fast "
            "columns mix",
            {"model": {"transport": True, "base": "transport"}},
            (CORRELATION, Gate("MSE / best baseline's", "mse_ratio_best", 0.5, "this project", "<=")),
        ),
        Step(
            "the equation",
            "the equation of dispersion is solved in the network, which gives what no file tells: diffusivities, lid, "
            "plume rise, the wind's error; it finds them in the frames seen, once, and keeps them in a roll-out",
            {
                "model": {"transport": False, "base": "solver"},
                "train": {"epochs": 4, "wind_degrees": 20.0, "wind_share": 0.2},
            },
            GATES,
        ),
    ),
    figures=("pearson", "fac2", "rollout_fac2", "wrong_wind_fac2_lead_30", "mse", "nmse", "fms", "mse_ratio_best"),
)
