"""What masts record of one source, through the equation of dispersion under a network's closures.

A release begins in clean air, and no frame of it is seen as a whole: the network has no cloud to tell its closures
from. What it answers to clean air under the given wind is where a search for both diffusivities starts.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from keras import ops

from kmodels.core.training import backend, inference
from kmodels.core.training.batching import ArrayExamples
from kmodels.plume.data import encode
from kmodels.plume.data.flow.courant import courant_numbers
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import Stacks, StoredRun
from kmodels.plume.network.dispersion import AXES, STABLE, DispersionStep
from kmodels.plume.studies.release import BEFORE, Release

HEIGHT = (50.0, 25.0)  # mean and standard deviation of the height that plumes rise to, above ground [m]
SPREAD = (0.6, 0.9)  # standard deviations of the multiples' logarithms: as far as the network is off in clean air
DOUBT = 2e-4  # variance that the mean squared misfit stands for: records go wrong together, not one by one


class SourceRollOut:
    """What masts record, as a differentiable function of the source and of both diffusivities.

    A source lies between cells: it is spread over the eight around it by linear weights. Compiled once for all releases
    of one shape, and for each number of sources.

    Parameters
    ----------
    model : PlumeNet
        With base "solver".
    recipe : PlumeRecipe
        Of the model.
    """

    def __init__(self, model, recipe):
        self.model, self.recipe, self.step = model, recipe, DispersionStep(model.substeps)
        self._residuals = backend.compiled(self._off)
        self._cost = backend.value_and_gradient(lambda unknowns, case: ops.sum(ops.square(self._off(unknowns, case))))

    def residuals(self, unknowns: np.ndarray, case: dict) -> np.ndarray:
        """Compute what sums up, squared, to the cost of n sources (n, 6): (n, frames * masts + 3).

        The cost is the mean squared difference of log1p(c / c0) at the masts plus what the prior adds.
        """
        return self._residuals(unknowns.astype("float32"), case).astype(float)

    def cost_and_slope(self, unknowns: np.ndarray, case: dict) -> tuple[float, np.ndarray]:
        """Compute the cost of one source (6,), and its gradient through the roll-out."""
        value, slope = self._cost(unknowns[None].astype("float32"), case)
        return float(value), slope[0].astype(float)

    def _off(self, unknowns, case: dict):
        c0 = self.model.c0
        off = ops.log1p(self.series(unknowns, case) / c0) - ops.log1p(case["recorded"] / c0)[:, None]
        off = ops.reshape(ops.transpose(off, (1, 0, 2)), (unknowns.shape[0], -1))
        height = (unknowns[:, 2:3] * self.model.cell[0] - HEIGHT[0]) / HEIGHT[1]
        multiples = unknowns[:, 4:] / ops.convert_to_tensor(np.array(SPREAD, "float32"))
        return ops.concatenate([off / off.shape[1] ** 0.5, DOUBT**0.5 * height, DOUBT**0.5 * multiples], axis=1)

    def series(self, unknowns, case: dict):
        """Roll the equation out from clean air.

        Parameters
        ----------
        unknowns : tensor (n, 6)
            Of n sources: position along x and y [cells], height above ground that the plume rises to [cells], log of
            the rate [kg s-1]; logs of the horizontal and the vertical diffusivity as multiples of the network's.
        case : dict of str to tensor
            What `describe` gives.

        Returns
        -------
        tensor (frames, n, masts)
            Concentrations [kg m-3].
        """
        model, air, n = self.model, case["air"], unknowns.shape[0]
        amount = model.seconds / float(np.prod(model.cell)) / model.c0
        emitted = amount * ops.exp(unknowns[:, 3])[:, None, None, None] * _shares(unknowns, case)
        horizontal, vertical = (ops.exp(unknowns[:, k])[:, None, None, None] for k in (4, 5))
        horizontal = ops.minimum(case["horizontal"] * horizontal, STABLE * model.substeps)

        def step(carried, flows):
            flows = dict(zip(AXES, flows, strict=True))
            field = self.step(carried[0], flows, emitted, horizontal, case["vertical"] * vertical, air)
            after = field, ops.take(ops.reshape(field, (n, -1)), case["masts"], axis=1)
            return after, after  # on TensorFlow a scan's outputs have the shapes of what it carries

        clean = ops.zeros((n, *air.shape[1:])), ops.zeros((n, case["masts"].shape[0]))
        _, (_, records) = ops.scan(step, clean, tuple(case[name] for name in AXES))
        return records * model.c0


def _shares(unknowns, case: dict):
    """Spread a unit over the cells around each source: (n, z, y, x); what falls into the ground lies upon it."""
    nz, ny, nx = case["air"].shape[1:]
    x, y = _hat(unknowns[:, 0:1], nx), _hat(unknowns[:, 1:2], ny)
    foot = ops.einsum("nj,ni,ji->n", y, x, case["terrain"])
    z = _hat((foot + unknowns[:, 2] - 0.5)[:, None], nz)
    share = z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]
    return share * case["air"] + case["lowest"] * ops.sum(share * (1.0 - case["air"]), axis=1, keepdims=True)


def _hat(position, count: int):
    """Weights of linear interpolation between `count` cells: (n, 1) -> (n, count); what lies outside has none."""
    return ops.maximum(1.0 - ops.abs(position - ops.arange(count, dtype="float32")), 0.0)


def describe(model, recipe, case: Release) -> dict[str, np.ndarray]:
    """Make the arrays of a release that the roll-out needs.

    Parameters
    ----------
    model : PlumeNet
        With base "solver".
    recipe : PlumeRecipe
        Of the model.
    case : Release
        What was recorded.

    Returns
    -------
    dict of str to array
        flow_x, flow_y, flow_z (frames, 1, z, y, x and one more): u dt / dx at the faces; horizontal (1, 1, 1, 1) and
        vertical (1, z, 1, 1): K dt / dx^2 where the search starts; air and lowest (1, z, y, x): 1 above ground, 1 in
        the lowest cell of air; terrain (y, x) [cells]; masts (masts,): their flat indices; recorded (frames, masts).

    Raises
    ------
    UserError
        Where the grid is none for the solver, or the wind too strong for its steps.
    """
    windows, ground = _clean_air(case, model.past), case.below_ground
    rows = np.zeros(len(case.recorded), int)
    flows = courant_numbers(windows, rows, case.wind[BEFORE:].astype("float32"), model.substeps)
    given = {name: flow[:, None, ..., 0] for name, flow in flows.items()}
    inputs, _ = replace(encode.encode(windows, recipe), targets=False).take(np.array([0]))
    closures = inference.predict(model, ArrayExamples(inputs, {}), 1)
    # How the network would stretch the wind it has from no cloud: the given one is taken, and the diffusivities of it.
    stretch = np.exp(closures["wind_correction"][0, 1])
    given |= {name: closures[name] / stretch for name in ("horizontal", "vertical")}
    lowest = np.arange(len(ground))[:, None, None] == ground.sum(axis=0)
    given |= {"air": ~ground[None], "lowest": lowest[None], "terrain": case.terrain / case.cell[0]}
    given |= {"recorded": case.recorded}
    masts = np.ravel_multi_index(case.masts.T, ground.shape).astype("int32")
    return {name: value.astype("float32") for name, value in given.items()} | {"masts": masts}


def _clean_air(case: Release, past: int) -> Windows:
    """Make the window of the first frames of a release of nothing, as if from a file."""
    shape, none = case.below_ground.shape, np.zeros(0)
    axes = {name: (np.arange(n) + 0.5) * width for name, n, width in zip("zyx", shape, case.cell, strict=True)}
    frames = np.arange(max(len(case.wind), past))
    wind = case.wind[np.minimum(frames, len(case.wind) - 1)]
    run = StoredRun(
        name="release",
        file=Path(),
        start=np.datetime64(0, "ns"),
        time=frames * case.seconds,
        **axes,
        terrain=case.terrain,
        stacks=Stacks(none, none, none, none),
        frames_as_stored=lambda first, stop: np.zeros((stop - first, *shape), "float32"),
        units="kg m-3",
        factor=1.0,
        variable="concentration",
        u=wind[:, 0],
        v=wind[:, 1],
        on_disk=False,
    )
    return Windows((run,), np.array([0]), np.array([0]), past, 1, case.cell, case.seconds)
