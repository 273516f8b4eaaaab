"""What the network is trained on. Rain is (batch, y, x) [mm/day]; observed is 1 where it is known and else 0."""

import itertools

from keras import ops

from kmodels.precip.data.load import WET
from kmodels.precip.network.settings import LossSettings

AXES = (1, 2)


def over_cells(values, observed):
    """Average over observed cells: (batch,)."""
    return ops.sum(values * observed, AXES) / ops.maximum(ops.sum(observed, AXES), 1.0)


def weighted_error(truth, field, observed, tail, mean_weight, loss: LossSettings):
    """Weigh errors: sum w |field - truth| / sum w, (batch,) [mm/day].

    w = clip(truth / scale, w_min, w_max), times tail_boost where truth >= tail. A day's sum of weights is replaced by
    the mean over all training days, mean_weight a cell, so that a dry day does not count as much as one full of heavy
    rain.
    """
    weight = ops.clip(truth / loss.scale, loss.w_min, loss.w_max)
    weight = weight * ops.where(truth >= tail, loss.tail_boost, 1.0)
    return over_cells(weight * ops.abs(field - truth), observed) / mean_weight


def land_sum_error(truth, field, land):
    """Compute |sum over land of the field - of the truth|, (batch,) [mm/day cells]."""
    return ops.abs(ops.sum((field - truth) * land, AXES))


def differences(fields, observed):
    """Compute (difference to the next cell, 1 where both are observed), northward and eastward; axes (..., y, x)."""
    pairs = (
        ((..., slice(1, None), slice(None)), (..., slice(None, -1), slice(None))),
        (
            (..., slice(1, None)),
            (..., slice(None, -1)),
        ),
    )
    return [(fields[a] - fields[b], observed[a] * observed[b]) for a, b in pairs]


def gradient_error(truth, field, observed):
    """Average |difference of the spatial differences|, both directions added: (batch,) [mm/day]."""
    error = field - truth
    return sum(over_cells(ops.abs(change), both) for change, both in differences(error, observed))


def kl_divergence(mean, log_variance, prior_mean, prior_log_variance):
    """Compute KL(q || p) of two normal laws with independent components, of each component: (batch, ...) [nats]."""
    ratio = ops.exp(log_variance - prior_log_variance)
    shift = ops.square(mean - prior_mean) * ops.exp(-1.0 * prior_log_variance)
    return 0.5 * (ratio + shift - 1.0 + prior_log_variance - log_variance)


def fair_crps(members, truth, fairness: float = 1.0):
    """Compute mean |x_m - y| - k sum |x_m - x_n| / (2 M (M - 1)), k = 1 - (1 - fairness) / M.

    Fairness 1 is the fair CRPS, unbiased for any number M of members (Ferro 2014), 0 the usual one. Where all members
    but one are at the truth, the fair score does not care where that one lies; one a little less than fair does (Lang
    et al. 2024, arXiv:2412.15832). members: (batch, M, ...). truth: (batch, ...). Returns (batch, ...).
    """
    count = members.shape[1]
    error = ops.mean(ops.abs(members - truth[:, None]), axis=1)
    pairs = itertools.combinations(range(count), 2)
    spread = sum(ops.abs(members[:, a] - members[:, b]) for a, b in pairs)
    return error - (1.0 - (1.0 - fairness) / count) * spread / (count * (count - 1))


def logarithm(rain):
    """Compute log(1 + rain / WET), by which drizzle where it is dry is seen."""
    return ops.log1p(rain / WET)


def wetness(rain):
    """Compute rain / (rain + WET), by whose CRPS a forecast is scored of whether it rains.

    The fair Brier score of rain >= WET is the fair CRPS of a step there; this step is soft, so that it has a gradient.
    """
    return rain / (rain + WET)


def block_means(fields, size: int):
    """Average over size x size cells, the rest at the grid's end left out: (batch, M, y, x) -> (batch, M, Y, X)."""
    if size == 1:
        return fields
    _, count, ny, nx = fields.shape
    cut = fields[:, :, : ny // size * size, : nx // size * size]
    return ops.mean(ops.reshape(cut, (-1, count, ny // size, size, nx // size, size)), axis=(3, 5))


def ensemble_score(members, truth, observed, scales: tuple[int, ...], fairness: float = 1.0):
    """Average the fair CRPS of cells, of blocks of cells, and of differences of neighbours: (batch,) [mm/day].

    Cells alone would be content with fields of the right amounts in the wrong places: independent noise in every cell
    has the same score as showers. Blocks and differences tell them apart. members: (batch, M, y, x).
    """
    both = ops.concatenate([members, truth[:, None]], axis=1) * observed[:, None]
    total = 0.0
    for size in scales:
        means, known = block_means(both, size), block_means(observed[:, None], size)[:, 0]
        total = total + over_cells(fair_crps(means[:, :-1], means[:, -1], fairness), ops.cast(known > 0, "float32"))
    for change, pair in differences(both, observed[:, None]):
        total = total + over_cells(fair_crps(change[:, :-1], change[:, -1], fairness), pair[:, 0])
    return total / (len(scales) + 2)
