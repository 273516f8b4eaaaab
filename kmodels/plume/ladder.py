"""The ladder of plume: from a network that pools space away to one that corrects what the wind does."""

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.plume.gates import GATES

LADDER = Ladder(
    (
        Step(
            "v1: pooled",
            "every frame through a small 3-D CNN, pooled to 128 numbers, a Transformer over the frames",
            {
                "data": {"n_runs": 150},
                "model": {"architecture": "v1_ensemble", "wind": False, "transport": False, "base": "none"},
                "train": {"epochs": 20},  # a sixth of the others' time each
            },
            (Gate("correlation, at most", "pearson", 0.5, "prototype", "<="),),
            {"pearson": 0.15},
        ),
        Step(
            "v2: ConvLSTM",
            "a ConvLSTM keeps the volume while it remembers",
            {"model": {"architecture": "v2_convlstm"}, "train": {"epochs": 3}},
            (
                Gate("correlation", "pearson", 0.9, "prototype"),
                Gate("MSE / v1's", "mse_ratio", 0.1, "prototype", "<="),
            ),
        ),
        Step(
            "wind",
            "eastward and northward wind of every frame as two more input channels",
            {"model": {"wind": True}},
            (Gate("correlation", "pearson", 0.9, "prototype"),),
        ),
        Step(
            "corrects persistence",
            "the network's output is added to the last frame, in log space",
            {"model": {"base": "persistence"}},
            (
                Gate("correlation", "pearson", 0.97, "this project"),
                Gate("within a factor of two (FAC2)", "fac2", 0.85, "this project"),
            ),
        ),
        Step(
            "transport as maps",
            "the last two frames, each moved by its own wind, and what was emitted under it, as four more maps: the "
            "convolutions need not learn advection",
            {"model": {"transport": True}},
            (
                Gate("correlation", "pearson", 0.97, "this project"),
                Gate("within a factor of two (FAC2)", "fac2", 0.85, "this project"),
                Gate("MSE / persistence's", "mse_ratio_persistence", 0.5, "this project", "<="),
            ),
        ),
        Step(
            "transport as the model",
            "the network gives coefficients of a step that keeps mass, from where each cell's content goes to how fast "
            "columns mix, in place of a correction in log space; all runs, five epochs",
            {"data": {"n_runs": 300}, "model": {"base": "transport"}, "train": {"epochs": 5}},
            GATES,
        ),
    ),
    figures=("pearson", "fac2", "nmse", "fms", "mse", "rollout_fac2"),
)
