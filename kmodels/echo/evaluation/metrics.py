"""Scores of depth images, and of the mean of the training rooms as a baseline.

Every score is of one image, over its known pixels, and then the mean over images. Published figures differ in what
they count as known and at which size, so each way has a name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmodels.core.report import verification
from kmodels.core.spec.task import Scores
from kmodels.echo.data.encode import lowpass_depth
from kmodels.echo.data.prepare import resize
from kmodels.echo.data.records import EchoPairs
from kmodels.echo.data.statistics import chunks
from kmodels.echo.evaluation.prediction import DepthImages

NAMES = ("rmse", "mae", "abs_rel", "log10", "delta1", "delta2", "delta3")
RMSE = NAMES.index("rmse")
LOWEST = 1e-3  # m: less is counted as this where depths are divided
EDGE = 3  # pixels
JUMP = 1.25  # of depth, at an edge and in front of something
CYCLES = 8  # a picture; what changes faster is a detail


@dataclass(frozen=True)
class Protocol:
    """How a publication looks at depth.

    Parameters
    ----------
    size : int
        Depth is resized to size x size [pixels].
    nearest : bool
        By the nearest pixel, or bilinear.
    known : callable
        depth [m] -> bool of the same shape, where it counts.
    """

    size: int
    nearest: bool
    known: Callable[[np.ndarray], np.ndarray]

    def resized(self, depth: np.ndarray) -> np.ndarray:
        """Resize (height, width) to (size, size). As published, unknown pixels (0) are not held apart."""
        if not self.nearest:
            return resize(depth, self.size)
        rows, columns = ((np.arange(self.size) * n) // self.size for n in depth.shape)
        return depth[np.ix_(rows, columns)]


# HTF's publication names no size that is known to us: the field's 256 is used.
PROTOCOLS = {
    "batvision": Protocol(256, False, lambda depth: depth > 0),
    "echogeom": Protocol(128, True, lambda depth: depth > 0.1),
    "htf": Protocol(256, False, lambda depth: depth >= 0.5),
}


def image_scores(truth: np.ndarray, depth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Score each image over its known pixels.

    ::

        rmse = sqrt(mean (p - t)^2) [m],  mae = mean |p - t| [m],  abs_rel = mean |p - t| / t,
        log10 = mean |log10(p / t)|,  delta_k = share of pixels with max(t / p, p / t) < 1.25^k

    Parameters
    ----------
    truth, depth : array
        (images, y, x) [m], true and predicted. A prediction that is not a number is infinitely wrong.
    known : array of bool
        Of the same shape: the pixels that count.

    Returns
    -------
    array
        (images, len(NAMES)); NaN for an image that has no known pixel.
    """
    t, p, known = (x.reshape(len(x), -1) for x in (truth.astype("float64"), depth.astype("float64"), known))
    t, p = np.where(known, t, 1.0), np.where(np.isfinite(p), p, np.inf)
    low = np.maximum(p, LOWEST)
    ratio = np.maximum(low / t, t / low)
    off = np.abs(p - t)
    terms = [off**2, off, off / t, np.abs(np.log10(low / t)), *(ratio < 1.25**k for k in (1, 2, 3))]
    with np.errstate(invalid="ignore"):
        found = np.stack([np.where(known, term, 0).sum(1) / known.sum(1) for term in terms], axis=1)
    found[:, 0] = np.sqrt(found[:, 0])
    return found


def known_pixels(truth: np.ndarray) -> np.ndarray:
    """Choose the pixels (images, y, x) where depth is known."""
    return truth > 0


def scores_per_image(pairs: EchoPairs, depth: np.ndarray, pixels: Callable = known_pixels) -> np.ndarray:
    """Compute `image_scores` at the network's own size, over the pixels that ``pixels(truth)`` chooses."""
    found = []
    for rows in chunks(len(pairs)):
        truth = pairs.depth(rows)
        found.append(image_scores(truth, depth[rows], pixels(truth)))
    return np.concatenate(found)


def detail_pixels(truth: np.ndarray) -> np.ndarray:
    """Choose edges and what stands in front of something: known pixels (images, y, x) of bool.

    Edges: within EDGE x EDGE pixels around it or a neighbour, the farthest known depth is more than JUMP times the
    nearest. In front: the depth is less than 1 / JUMP of its greyscale closing by a window of three eighths of the
    image, which fills up what is nearer than all around it and narrower than that.
    """
    from scipy import ndimage

    window, known = 3 * truth.shape[1] // 8 // 2 * 2 + 1, truth > 0
    near = np.where(known, truth, np.inf)
    low, high = (of(x, (1, EDGE, EDGE)) for of, x in ((ndimage.minimum_filter, near), (ndimage.maximum_filter, truth)))
    # The closing of a wall that goes on beyond the image's end is that wall.
    around = ((0, 0), (window, window), (window, window))
    closed = ndimage.grey_closing(np.pad(truth, around, mode="edge"), (1, window, window))
    closed = closed[:, window:-window, window:-window]
    edge = ndimage.binary_dilation(high > JUMP * low, np.ones((1, EDGE, EDGE)))
    return known & (edge | (closed > JUMP * truth))


def scores_per_protocol(pairs: EchoPairs, depth: np.ndarray) -> dict[str, np.ndarray]:
    """Compute `image_scores` by each protocol, from the depth as it is on disk: {name: (images, len(NAMES))}."""
    found = {name: [] for name in PROTOCOLS}
    for row in range(len(pairs)):
        stored = np.minimum(pairs.stored_depth(row), pairs.max_depth)
        for name, protocol in PROTOCOLS.items():
            truth = protocol.resized(stored)
            seen = protocol.resized(depth[row])
            found[name].append(image_scores(truth[None], seen[None], protocol.known(truth)[None]))
    return {name: np.concatenate(each) for name, each in found.items()}


def average_scores(each: np.ndarray, groups: np.ndarray, seed: int, names=NAMES) -> Scores:
    """Average over the images that have known pixels, with a 95% interval over resampled rooms.

    Parameters
    ----------
    each : array
        (images, names), of `image_scores`.
    groups : array
        (images,) the room of each.
    seed : int
        Of the resampling.
    names : sequence of str
        Of the columns.

    Returns
    -------
    Scores
        None where no image can be scored.
    """
    scored = ~np.isnan(each).any(axis=1)
    each, groups = each[scored], groups[scored]
    if not len(each):
        return Scores(dict.fromkeys(names))
    values = dict(zip(names, each.mean(axis=0).tolist(), strict=True))
    if not np.isfinite(each).all() or len(np.unique(groups)) < 2:
        return Scores(values)

    def averages(weights):
        return dict(zip(names, (weights @ each / weights.sum(1, keepdims=True)).T, strict=True))

    resampled = verification.resample(groups, seed, averages, dtype="float64")
    quantiles = {name: np.quantile(of, [0.025, 0.975]).tolist() for name, of in resampled.items()}
    return Scores(values, {name: tuple(pair) for name, pair in quantiles.items()}, resampled)


def score_depth(pairs: EchoPairs, depth: np.ndarray, seed: int, protocols: bool = True) -> Scores:
    """Score depth images (n, size, size) [m].

    At their own size; `delta1_detail` the same over edges and furniture alone; and where asked for by each protocol as
    `<metric>_<protocol>`, which takes ten times as long.
    """
    found = average_scores(scores_per_image(pairs, depth), pairs.groups, seed)
    each = scores_per_image(pairs, depth, detail_pixels)
    detail = average_scores(each, pairs.groups, seed, [f"{metric}_detail" for metric in NAMES])
    found = found.merge(detail.only("delta1_detail"))
    for name, each in scores_per_protocol(pairs, depth).items() if protocols else ():
        published = average_scores(each, pairs.groups, seed, [f"{metric}_{name}" for metric in NAMES])
        found = found.merge(published, "")
    return found


def metrics(splits: dict[str, EchoPairs], prediction: DepthImages, seed: int) -> Scores:
    """Score a prediction for ``splits["test"]``, and describe its base and residual."""
    test = splits["test"]
    return score_depth(test, prediction.depth, seed).merge(Scores(describe_parts(prediction, test)), "")


def compare_with_baselines(scores: Scores, baselines: dict[str, Scores]) -> Scores:
    """Add ratios of RMSE; None where one of both is unknown.

    `rmse_ratio_mean_map`: to the mean map's. `rmse_ratio_transfer`: in the other setting, to that in held-out rooms.
    """
    there, here = scores.values.get("transfer_rmse"), scores.values.get("rmse")
    scores = scores.merge(Scores({"rmse_ratio_transfer": there / here if there is not None and here else None}))
    return scores.with_ratio("rmse", baselines.get("mean_map"), "rmse_ratio_mean_map")


def describe_parts(prediction: DepthImages, pairs: EchoPairs) -> dict[str, float | None]:
    """Describe the base and the residual.

    Returns
    -------
    dict
        sparse : mean size of the residual over known pixels [m]. residual_share : the same as a share of the largest
        depth. base_difference : mean |depth - base| [m].
        base_detail, depth_detail : see `detail_share`. None where the network has no base.
    """
    names = ("sparse", "residual_share", "base_difference", "base_detail", "depth_detail")
    if prediction.base is None:
        return dict.fromkeys(names)
    parts = []
    for rows in chunks(len(pairs)):
        depth, base, residual = (of[rows] for of in (prediction.depth, prediction.base, prediction.residual))
        known = pairs.depth(rows) > 0
        each = (known * np.abs(residual)).sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
        difference = np.abs(depth - base).mean((1, 2), dtype="float64")
        parts.append((each, each / pairs.max_depth, difference, detail_share(base), detail_share(depth)))
    values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return {name: float(np.mean(value, dtype="float64")) for name, value in zip(names, values, strict=True)}


def detail_share(images: np.ndarray) -> np.ndarray:
    """Compute the share of each image's variance at more than CYCLES cycles a picture: (n, size, size) -> (n,)."""
    size = images.shape[1]
    window = np.hanning(size + 2)[1:-1]
    centred = images - images.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(centred * window[:, None] * window)) ** 2
    cycles = np.abs(np.fft.fftfreq(size, 1 / size))
    fine = np.hypot(cycles[:, None], cycles) > CYCLES
    return (power * fine).sum((1, 2)) / np.maximum(power.sum((1, 2)), np.finfo("float64").tiny)


def base_errors(prediction: DepthImages, lowpass: int) -> np.ndarray:
    """Compute the base's mean absolute error against the low-passed truth over known pixels: (n,) [m]."""
    found = []
    for rows in chunks(len(prediction)):
        truth = prediction.pairs.depth(rows)
        known = truth > 0
        off = np.abs(prediction.base[rows] - lowpass_depth(truth, lowpass))
        found.append((known * off).sum((1, 2)) / np.maximum(known.sum((1, 2)), 1))
    return np.concatenate(found)
