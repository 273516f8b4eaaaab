"""Scalars and images for TensorBoard after every epoch, on validation rooms; hints where a training goes wrong."""

import itertools

import numpy as np

from kmodels.core.io.rows import Chosen
from kmodels.core.spec.task import EvaluationInput
from kmodels.echo.data.statistics import chunks
from kmodels.echo.evaluation import figures
from kmodels.echo.evaluation.metrics import average_scores, describe_parts, scores_per_image

# The prototype's figures, at max_depth 30 m and on BatVision V2.
SPARSE = ((1, 10, 0.3, 0.4), (51, 10**9, 0.2, 0.3))  # from epoch, to epoch: least and most [m]
SHARE_LEAST = 0.005  # of the largest depth, of the residual
RMSE_AT_20 = 2.8  # m
LAMBDA_BASE = {"none": 1.5, "adaptive": 2.5}  # where base and depth are too different, by the curriculum
# This project's.
SPANS = (0.0, 1.0, 2.0, 4.0, 8.0, np.inf)  # m, of true depth
TOO_DIFFERENT = 1.0  # m, of base and final depth
SMOOTH = 0.5  # of the depth's share of detail, the base's is at most


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """Compute scores at the network's own size and errors by distance; plot base, residual and depth beside the truth.

    Returns
    -------
    scalars : dict of str to float
        By name.
    pictures : dict of str to matplotlib.figure.Figure
        By title.
    """
    pairs, prediction = evaluated.records, evaluated.prediction
    values = average_scores(scores_per_image(pairs, prediction.depth), pairs.groups, 0).values | describe_parts(
        prediction, pairs
    )
    truth = Chosen(pairs.depths, pairs.index)
    values |= {f"error_by_distance/{name}": value for name, value in error_by_distance(truth, prediction.depth).items()}
    return {name: value for name, value in values.items() if value is not None}, {
        "depth images": figures.examples(evaluated),
        "error by distance": figures.by_distance(truth, prediction),
    }


def error_by_distance(truth: np.ndarray, depth: np.ndarray) -> dict[str, float]:
    """Average |depth - truth| [m] over the known pixels of each span of true depth: {"2_to_4_m": error}.

    Parameters
    ----------
    truth, depth : array (images, y, x)
        [m]; a truth of 0 is unknown.
    """
    count, total = np.zeros(len(SPANS) - 1), np.zeros(len(SPANS) - 1)
    for rows in chunks(len(truth)):
        some = truth[rows]
        off = np.abs(depth[rows] - some)
        for k, (low, high) in enumerate(itertools.pairwise(SPANS)):
            seen = (some > low) & (some <= high)
            count[k] += seen.sum()
            total[k] += off[seen].sum(dtype="float64")
    names = [f"{low:g}_to_{high:g}_m" for low, high in itertools.pairwise(SPANS[:-1])] + [f"above_{SPANS[-2]:g}_m"]
    return {name: float(total[k] / count[k]) for k, name in enumerate(names) if count[k]}


def hints(history: list[dict], recipe) -> list[str]:
    """Say in sentences what to try, by the course of a training.

    Parameters
    ----------
    history : list of dict
        A row an epoch, from 1, with the scalars of `diagnostics` as `val_<name>`.
    recipe : EchoRecipe
        The run's.
    """
    if not recipe.has_base:
        return []
    last, found = history[-1], []
    least = SHARE_LEAST * recipe.data.max_depth
    if last["val_sparse"] < least:
        found.append(
            f"the residual's mean size is {last['val_sparse']:.2f} m, below {least:g} m: depth and base are "
            f"hardly different; lower train.lambda_sparse ({recipe.train.lambda_sparse:g})"
        )
    told = (row for row in _checked(history) if row[0]["val_sparse"] >= least)
    found += [_off(row["val_sparse"], low, high, row["epoch"]) for row, low, high in told]
    if len(history) >= 20 and history[19]["val_rmse"] > RMSE_AT_20:
        found.append(
            f"RMSE {history[19]['val_rmse']:.2f} m at epoch 20, above {RMSE_AT_20:g} m: try a longer warm-up "
            f"(train.curriculum adaptive, train.warmup_epochs)"
        )
    if last["val_base_difference"] > TOO_DIFFERENT:
        found.append(
            f"depth and base differ by {last['val_base_difference']:.2f} m, more than {TOO_DIFFERENT:g} m: "
            f"{_stronger_base(recipe.train)}"
        )
    if last["val_base_detail"] > SMOOTH * last["val_depth_detail"]:
        found.append(
            f"the base is not smooth: {last['val_base_detail']:.1%} of its variance is detail, of the depth's "
            f"{last['val_depth_detail']:.1%}; widen train.lowpass ({recipe.train.lowpass})"
        )
    return [line for line in found if line]


def _stronger_base(train) -> str:
    """Say which weight the base should have: the prototype's remedy, or half as much again where it was tried."""
    remedy, now = LAMBDA_BASE[train.curriculum], train.lambda_base
    target = f"{remedy:g}, the prototype's remedy" if now < remedy else f"{1.5 * now:g}"
    return f"raise train.lambda_base from {now:g} to {target}"


def _checked(history):
    """Yield (row, least, most): the last epoch of each span for which the prototype says how large the residual is."""
    for first, last, low, high in SPARSE:
        rows = [row for row in history if first <= row["epoch"] <= last]
        if rows:
            yield rows[-1], low, high


def _off(value, low, high, epoch) -> str:
    """Return a sentence where the residual's size is not the prototype's, else nothing."""
    if low <= value <= high:
        return ""
    size = f"the residual's mean size at epoch {epoch} is {value:.2f} m"
    return f"{size}; the prototype had {low:g} to {high:g} m on its data"
