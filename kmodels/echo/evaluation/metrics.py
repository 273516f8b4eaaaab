"""How good a depth image is, beside the mean of the rooms that were trained on.

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
from kmodels.echo.data.statistics import chunks, mean_map
from kmodels.echo.evaluation.prediction import DepthImages

NAMES = ("rmse", "mae", "abs_rel", "log10", "delta1", "delta2", "delta3")
LOWEST = 1e-3  # m: less is counted as this where depths are divided
CYCLES = 8  # a picture; what changes faster is a detail


@dataclass(frozen=True)
class Protocol:
    """How a publication looks at depth: resized to size x size, bilinear or by the nearest pixel, where it is known.

    known(depth): bool of the same shape.
    """

    size: int
    nearest: bool
    known: Callable[[np.ndarray], np.ndarray]

    def resized(self, depth: np.ndarray) -> np.ndarray:
        """(height, width) -> (size, size). As published, unknown pixels (0) are not held apart."""
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
    """(images, y, x) [m] -> (images, len(NAMES)); not a number for an image that has no known pixel.

    delta_k: share of pixels with max(truth / depth, depth / truth) < 1.25^k. A prediction that is not a number is
    infinitely wrong.
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


def own_scores(pairs: EchoPairs, depth: np.ndarray) -> np.ndarray:
    """image_scores at the network's own size, where the depth is known."""
    found = []
    for rows in chunks(len(pairs)):
        truth = pairs.depth(rows)
        found.append(image_scores(truth, depth[rows], truth > 0))
    return np.concatenate(found)


def published_scores(pairs: EchoPairs, depth: np.ndarray) -> dict[str, np.ndarray]:
    """image_scores by each protocol, from the depth as it is on disk: {name: (images, len(NAMES))}."""
    found = {name: [] for name in PROTOCOLS}
    for row in range(len(pairs)):
        stored = np.minimum(pairs.stored_depth(row), pairs.max_depth)
        for name, protocol in PROTOCOLS.items():
            truth = protocol.resized(stored)
            seen = protocol.resized(depth[row])
            found[name].append(image_scores(truth[None], seen[None], protocol.known(truth)[None]))
    return {name: np.concatenate(each) for name, each in found.items()}


def averaged(each: np.ndarray, groups: np.ndarray, seed: int, names=NAMES) -> Scores:
    """The mean over the images that have known pixels, and its 95% interval over resampled rooms.

    each: (images, names). None where no image can be scored.
    """
    scored = ~np.isnan(each).any(axis=1)
    each, groups = each[scored], groups[scored]
    if not len(each):
        return Scores(dict.fromkeys(names))
    values = dict(zip(names, each.mean(axis=0).tolist(), strict=True))
    if not np.isfinite(each).all() or len(np.unique(groups)) < 2:
        return Scores(values)
    weights = verification.bootstrap_weights(groups, seed).astype("float64")
    drawn = weights @ each / weights.sum(1, keepdims=True)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Scores(values, {name: (float(low[k]), float(high[k])) for k, name in enumerate(names)})


def scored(pairs: EchoPairs, depth: np.ndarray, seed: int) -> Scores:
    """All scores of depth images (n, size, size) [m]: at their own size, and `<metric>_<protocol>`."""
    found = averaged(own_scores(pairs, depth), pairs.groups, seed)
    for name, each in published_scores(pairs, depth).items():
        published = averaged(each, pairs.groups, seed, [f"{metric}_{name}" for metric in NAMES])
        found = found.merge(published, "")
    return found


def metrics(parts: dict[str, EchoPairs], prediction: DepthImages, seed: int) -> Scores:
    """Scores of a prediction for parts["test"], what its parts look like, and its error as a share of the mean
    map's."""
    test = parts["test"]
    found = scored(test, prediction.depth, seed).merge(Scores(parts_of(prediction, test)), "")
    ratio = None
    if "train" in parts:
        free = averaged(own_scores(test, mean_map(parts["train"], len(test))), test.groups, seed)
        ratio = found.values["rmse"] / free.values["rmse"]
    return found.merge(Scores({"rmse_ratio_mean_map": ratio}), "")


def parts_of(prediction: DepthImages, pairs: EchoPairs) -> dict[str, float | None]:
    """What the base and the residual look like.

    sparse: mean size of the residual over known pixels [m]. base_difference: of depth and base, all pixels [m].
    base_detail, depth_detail: see `detail`.
    """
    names = ("sparse", "base_difference", "base_detail", "depth_detail")
    if prediction.base is None:
        return dict.fromkeys(names)
    rows = np.arange(len(pairs))
    known = pairs.depth(rows) > 0
    size = np.abs(prediction.residual)
    each = (known * size).sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
    difference = np.abs(prediction.depth - prediction.base)
    values = (each, difference, detail(prediction.base), detail(prediction.depth))
    return {name: float(np.mean(value, dtype="float64")) for name, value in zip(names, values, strict=True)}


def detail(images: np.ndarray) -> np.ndarray:
    """(n, size, size) -> (n,) the share of an image's variance at more than CYCLES cycles a picture."""
    size = images.shape[1]
    window = np.hanning(size + 2)[1:-1]
    centred = images - images.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(centred * window[:, None] * window)) ** 2
    cycles = np.abs(np.fft.fftfreq(size, 1 / size))
    fine = np.hypot(cycles[:, None], cycles) > CYCLES
    return (power * fine).sum((1, 2)) / np.maximum(power.sum((1, 2)), np.finfo("float64").tiny)


def baselines(recipe, parts: dict[str, EchoPairs]) -> dict[str, Scores]:
    """mean_map: every room is the mean of the training rooms. Left out where there are none."""
    if "train" not in parts:
        return {}
    test = parts["test"]
    return {"mean_map": scored(test, mean_map(parts["train"], len(test)), recipe.seed)}


def base_errors(prediction: DepthImages, lowpass: int) -> np.ndarray:
    """(n,) mean absolute error of the base against the low-passed truth, known pixels [m]."""
    truth = prediction.pairs.depth(np.arange(len(prediction)))
    known = truth > 0
    off = np.abs(prediction.base - lowpass_depth(truth, lowpass))
    return (known * off).sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
