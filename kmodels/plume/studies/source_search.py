"""Where a cloud comes from, by gradients through the roll-out of a trained network."""

import numpy as np
from keras import ops
from scipy.optimize import minimize

from kmodels.core.training import backend
from kmodels.plume.data.advection import PUFFS
from kmodels.plume.data.encode import EMISSION_SCALE, HEIGHT_SCALE, WIND_SCALE
from kmodels.plume.studies.release import BEFORE, Release, Source

STARTS = 2  # places from the library that are followed
APART = 2.0  # cells, at least, between two starts
EVALUATIONS = 14  # of the roll-out and its gradient, from each start
RATES = (1e-6, 10.0)  # kg s-1 that a source may have


class SourceRollOut:
    """What the masts of a release record, as a differentiable function of its source.

    The network is rolled out from clean air, as in `kmodels.plume.evaluation.rollout`; what its inputs depend on, the
    source and the frames before, is computed by tensors here. A source lies between cells: it is spread over the eight
    around it by linear weights.

    Parameters
    ----------
    model : PlumeNet
        Trained, with wind and base "transport".
    case : Release
        Whose weather, hills and masts are taken.
    """

    def __init__(self, model, case: Release):
        self.model, self.case, self.past = model, case, model.past
        ground = case.below_ground
        self.frames = len(case.recorded)
        self.air = ops.convert_to_tensor((~ground).astype("float32"))
        lowest = np.arange(len(ground))[:, None, None] == ground.sum(axis=0)
        self.lowest = ops.convert_to_tensor(lowest.astype("float32"))
        wind = case.wind[-self.frames - BEFORE :].astype("float32")
        tables = [_sources(of_frame, ground.shape, case.seconds, case.cell) for of_frame in wind]
        self.index, self.weight = (np.stack(part) for part in zip(*tables, strict=True))
        self.wind = np.stack([_before(wind, k, self.past) for k in range(self.frames)])  # (frames, past, 2, z)
        masts = np.ravel_multi_index(case.masts.T, ground.shape)
        self.masts = masts.astype("int32")

    def series(self, place):
        """Roll the network out.

        Parameters
        ----------
        place : tensor (n, 4)
            Of n sources: position along x and y [cells], height above ground [cells], log of the rate [kg s-1].

        Returns
        -------
        tensor (frames, n, masts)
            Concentrations [kg m-3].
        """
        n, grid = place.shape[0], self.case.below_ground.shape
        hats = self._hats(place)
        static = self._static(place, hats)
        began = (np.arange(self.frames) > 0).astype("float32")  # nothing was emitted before frame 0

        def step(carried, now):
            past, _ = carried
            index, weight, before_index, before_weight, wind, since = now
            moved = [self._moved(past[:, -1], index, weight), self._moved(past[:, -2], before_index, before_weight)]
            fresh = [self._emitted(place, wind[-1]), since * self._emitted(place, wind[-2])]
            transport = ops.log1p(ops.stack(moved + fresh, axis=-1) / self.model.c0)
            given = {"past": ops.log1p(past / self.model.c0), "static": static, "transport": transport}
            if self.model.wind:
                winds = ops.transpose(wind, (0, 2, 1)) / WIND_SCALE
                given["wind"] = ops.tile(winds[None], (n, 1, 1, 1))
            frame = ops.expm1(self.model(given, training=False)["future"]) * self.model.c0
            records = ops.take(ops.reshape(frame, (n, -1)), self.masts, axis=1)
            after = ops.concatenate([past[:, 1:], frame[:, None]], axis=1), records
            return after, after  # on TensorFlow a scan's outputs have the shapes of what it carries

        clean = ops.zeros((n, self.past, *grid)), ops.zeros((n, len(self.masts)))
        at, earlier = slice(BEFORE, None), slice(BEFORE - 1, -1)
        now, before = (self.index[at], self.weight[at]), (self.index[earlier], self.weight[earlier])
        steps = tuple(ops.convert_to_tensor(part) for part in (*now, *before, self.wind, began))
        _, (_, records) = ops.scan(step, clean, steps)
        return records

    def misfit(self, place):
        """Compute the mean squared difference of log1p(c / c0) from what was recorded, of n sources: (n,)."""
        c0 = self.model.c0
        recorded = ops.convert_to_tensor(np.log1p(self.case.recorded / c0).astype("float32"))
        return ops.mean((ops.log1p(self.series(place) / c0) - recorded[:, None]) ** 2, axis=(0, 2))

    def _hats(self, place):
        """Weights of the cells along x and y, and of the levels, for each source: (n, x), (n, y), (n, z)."""
        nz, ny, nx = self.case.below_ground.shape
        x, y = _hat(place[:, 0:1], nx), _hat(place[:, 1:2], ny)
        terrain = (self.case.terrain / self.case.cell[0]).astype("float32")
        foot = ops.einsum("nj,ni,ji->n", y, x, ops.convert_to_tensor(terrain))
        return x, y, _hat((foot + place[:, 2] - 0.5)[:, None], nz)

    def _static(self, place, hats):
        """Make the network's map of ground, emission and stack height: (n, z, y, x, 3)."""
        x, y, z = hats
        share = z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]
        rate = ops.exp(place[:, 3])[:, None, None, None]
        height = place[:, 2][:, None, None, None] * self.case.cell[0] / HEIGHT_SCALE
        ground = ops.ones_like(share) * (1.0 - self.air)
        return ops.stack([ground, ops.log1p(rate * share / EMISSION_SCALE), height * share], axis=-1)

    def _moved(self, field, index, weight):
        """Move (n, z, y, x) by the wind, as `semi_lagrangian_step` does; index and weight: (4, cells)."""
        flat = ops.reshape(field, (field.shape[0], -1))
        parts = [ops.take(flat, index[k], axis=1) * weight[k] for k in range(4)]
        return self._lifted(ops.reshape(sum(parts), field.shape))

    def _emitted(self, place, wind):
        """Lay what is emitted in a frame along the wind (2, z), as `advect_emission` does: (n, z, y, x) [kg m-3]."""
        _, ny, nx = self.case.below_ground.shape
        _, dy, dx = self.case.cell
        age = (ops.arange(PUFFS, dtype="float32") + 0.5)[:, None] * (self.case.seconds / PUFFS)
        along_x, along_y = (
            _hat(ops.reshape(place[:, axis], (-1, 1, 1, 1)) + wind[axis][None, :, None, None] * age / width, n)
            for axis, width, n in ((0, dx, nx), (1, dy, ny))
        )
        amount = ops.exp(place[:, 3]) * (self.case.seconds / float(np.prod(self.case.cell)) / PUFFS)
        laid = ops.einsum("nzpj,nzpi->nzji", along_y, along_x) * amount[:, None, None, None]
        return self._lifted(laid)

    def _lifted(self, field):
        """Add what lies in the ground to the lowest cell of air above it."""
        in_ground = ops.sum(field * (1.0 - self.air), axis=1, keepdims=True)
        return field * self.air + self.lowest * in_ground


def _hat(position, count: int):
    """Weights of linear interpolation between `count` cells: (..., 1) -> (..., count); what lies outside has none."""
    return ops.maximum(1.0 - ops.abs(position - ops.arange(count, dtype="float32")), 0.0)


def _before(wind, frame: int, past: int) -> np.ndarray:
    """Take the winds of the frames that the network sees at the end of `frame`; the first one stands for earlier."""
    rows = np.maximum(np.arange(frame - past + 1, frame + 1) + BEFORE, 0)
    return wind[rows]


def _sources(wind, shape, seconds: float, cell) -> tuple[np.ndarray, np.ndarray]:
    """Tell where the air of each cell was before a frame: flat indices and weights, (4, cells).

    As `semi_lagrangian_step` moves it; what was outside of the grid has weight 0.
    """
    _, ny, nx = shape
    shift = wind * np.float32(seconds) / np.array([cell[2], cell[1]], "float32")[:, None]  # (2, z) [cells]
    whole = np.floor(shift).astype(int)
    part = shift - whole
    level, row, column = np.indices(shape)
    indices, weights = [], []
    for dy, weight_y in ((0, 1 - part[1]), (1, part[1])):
        for dx, weight_x in ((0, 1 - part[0]), (1, part[0])):
            j = row - (whole[1] + dy)[:, None, None]
            i = column - (whole[0] + dx)[:, None, None]
            inside = (j >= 0) & (j < ny) & (i >= 0) & (i < nx)
            place = (level * ny + np.clip(j, 0, ny - 1)) * nx + np.clip(i, 0, nx - 1)
            indices.append(place.ravel())
            weights.append(np.where(inside, (weight_y * weight_x)[:, None, None], 0.0).ravel())
    return np.stack(indices).astype("int32"), np.stack(weights).astype("float32")


def search(model, case: Release, starts: list[Source]) -> tuple[Source, np.ndarray]:
    """Follow the gradient of the misfit from a few places.

    Parameters
    ----------
    model : PlumeNet
        Trained.
    case : Release
        What was recorded.
    starts : list of Source
        Places to begin at, the best first; of those that lie close together only the first is taken.

    Returns
    -------
    best : Source
        With the lowest misfit.
    path : array (evaluations, 5)
        Every place that was tried, in cells as in `SourceRollOut.series`, and its misfit.
    """
    roll_out = SourceRollOut(model, case)
    evaluate = backend.value_and_gradient(lambda place: ops.sum(roll_out.misfit(place)))
    tried = []

    def cost(place):
        value, slope = evaluate(place[None].astype("float32"))
        tried.append([*place, float(value)])
        return float(value), slope[0].astype(float)

    nz, ny, nx = case.below_ground.shape
    bounds = [(0, nx - 1), (0, ny - 1), (0.25, nz - 1), tuple(np.log(RATES))]
    for start in _distinct(starts, case.cell):
        minimize(
            cost,
            _place(start, case.cell),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={
                "maxfun": EVALUATIONS,
                "maxls": 8,
            },
        )
    path = np.array(tried)
    return _source(path[path[:, 4].argmin()], case.cell), path


def _distinct(sources: list[Source], cell) -> list[Source]:
    """Choose the first STARTS sources that lie APART."""
    chosen = []
    for one in sources:
        if all(np.hypot(one.x - other.x, one.y - other.y) >= APART * cell[2] for other in chosen):
            chosen.append(one)
        if len(chosen) == STARTS:
            break
    return chosen


def _place(source: Source, cell) -> np.ndarray:
    dz, dy, dx = cell
    return np.array([source.x / dx - 0.5, source.y / dy - 0.5, source.height / dz, np.log(source.rate)])


def _source(place, cell) -> Source:
    dz, dy, dx = cell
    x, y, height, rate = (float(value) for value in place[:4])
    return Source((x + 0.5) * dx, (y + 0.5) * dy, height * dz, float(np.exp(rate)))
