"""Closures: found from how a forecast misses, kept in a roll-out, and within what the solver can take."""

import numpy as np
import pytest
from helpers.domains import data
from keras import ops

from kmodels.plume.data import encode
from kmodels.plume.data.flow.courant import MOST, courant_numbers
from kmodels.plume.data.flow.wind import nearest_wind
from kmodels.plume.evaluation.rollout import roll_out, roll_out_shifted
from kmodels.plume.network import closures
from kmodels.plume.network.dispersion import DispersionStep
from kmodels.plume.network.evidence import SHIFTS, ClosureEvidence
from kmodels.plume.network.model import PlumeNet, build
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator.terrain import sample_domain

TRUTH = np.array([0.3, -0.4, 0.12, 0.1], "float32")  # logarithms of K_h, K_v; angle [rad], logarithm of the speed


@pytest.fixture(scope="module")
def forecast():
    """A function: numbers (n, 4) -> the last frame, forecast from a cloud over hills under these, and its air."""
    domain = sample_domain(np.random.default_rng(3), data(lid=(1500.0, 1500.0)))
    profile = np.linspace(2.0, 4.0, domain.grid.nz)[:, None, None]
    wind = nearest_wind(domain, profile, profile)
    pair = wind.towards(0.7), wind.towards(0.7 + np.pi / 2)
    widths = domain.grid.dx, domain.grid.dx, domain.grid.dz
    flows = {
        name: (np.stack([part[k] for part in pair], -1)[None] * (30.0 / widths[k])).astype("float32")
        for k, name in enumerate(closures.AXES)
    }
    z, y, x = np.indices(domain.shape)
    cloud = 1e3 * np.exp(-((z - 6) ** 2) / 8 - ((y - 8) ** 2 + (x - 8) ** 2) / 12) * domain.air
    air, cloud = (ops.convert_to_tensor(field[None].astype("float32")) for field in (domain.air, cloud))

    def solve(numbers):
        frames = []
        for horizontal, vertical, turn, stretch in np.asarray(numbers):
            given = {
                "horizontal": ops.full((1, 1, 1, 1), 0.1 * np.exp(horizontal + stretch)),
                "vertical": ops.full((1, 1, 1, 1), 0.5 * np.exp(vertical + stretch)),
                "emitted": ops.zeros_like(air),
                "wind_correction": ops.convert_to_tensor(np.array([[turn, stretch]], "float32")),
            }
            frames.append(closures._solve(DispersionStep(10), cloud, flows, given, air))
        return ops.stack(frames), air

    return solve


def test_evidence_tells_what_was_wrong(forecast):
    guesses = np.vstack([np.zeros(4), np.diag(SHIFTS)])
    frames, air = forecast(guesses)
    seen = forecast(TRUTH[None])[0][0]
    told = ops.convert_to_numpy(ClosureEvidence()(frames, seen, air))[0]
    assert (np.abs(told[:4] - TRUTH) < 0.4 * np.abs(TRUTH)).all(), "its prior makes it cautious"
    assert told[9] < told[8], "the miss is smaller afterwards"


def test_where_nothing_is_wrong_there_is_no_evidence(forecast):
    frames, air = forecast(np.vstack([np.zeros(4), np.diag(SHIFTS)]))
    told = ops.convert_to_numpy(ClosureEvidence()(frames, frames[0], air))[0]
    np.testing.assert_allclose(told[:4], 0.0, atol=1e-4)
    clean = ops.zeros_like(frames)
    told = ops.convert_to_numpy(ClosureEvidence()(clean, clean[0], air))[0]
    assert np.isfinite(told).all() and np.allclose(told[:4], 0.0), "clean air tells nothing"


def test_refinements_miss_less_of_the_last_frame_and_leave_what_is_trained(windows_of_solver, monkeypatch):
    recipe, windows = windows_of_solver
    x, _ = encode.encode(windows.take(np.arange(3)), recipe).take(np.arange(3))
    weights, missed, carried = None, [], []
    for count in (0, closures.REFINEMENTS):
        monkeypatch.setattr(closures, "REFINEMENTS", count)
        model = build(recipe, 4)
        weights = model.get_weights() if weights is None else weights
        model.set_weights(weights)
        told = {name: ops.convert_to_numpy(value) for name, value in model(x).items()}
        missed.append(np.square(told["missed"]).sum(axis=(1, 2, 3)))
        carried.append(told["carried"])
    assert (missed[1] < missed[0]).all(), missed
    np.testing.assert_allclose(carried[1], carried[0], rtol=1e-5, atol=1e-6)


def test_a_wind_that_is_too_strong_is_slowed_down_as_a_whole():
    speeds = zip(closures.AXES, (8.0, 4.0, 1.0), strict=True)
    flows = {name: np.full((2, 3, 3, 3), speed, "float32") for name, speed in speeds}
    for flow in flows.values():
        flow[1] /= 8
    slowed = {name: ops.convert_to_numpy(flow) for name, flow in closures._limited_flows(flows, 4).items()}
    assert [float(flow[0].max()) for flow in slowed.values()] == pytest.approx([MOST * 4, MOST * 2, MOST / 2])
    assert [float(flow[1].max()) for flow in slowed.values()] == pytest.approx([1.0, 0.5, 0.125]), "as it was"


def test_a_roll_out_keeps_the_closures_of_the_frames_seen(windows_of_solver):
    recipe, windows = windows_of_solver
    model, rows = build(recipe, 4), np.arange(2)
    windows = windows.take(rows)
    found = roll_out(model, windows, recipe, 3).concentration
    x, _ = encode.encode(windows, recipe).take(rows)
    told = {name: ops.convert_to_numpy(value) for name, value in model(x).items()}
    frame = told["future"]
    np.testing.assert_allclose(found[:, 0], encode.from_log(frame, recipe.model.c0), rtol=1e-5, atol=1e-14)
    solver = closures.continuation(model)
    for lead in (1, 2):
        flows = courant_numbers(windows, rows, windows.wind_at(rows, lead), recipe.model.substeps)
        given = {name: told[name] for name in closures.CLOSURES} | flows | {"last": frame, "static": x["static"]}
        frame = ops.convert_to_numpy(solver(given | {"missed": recipe.model.memory**lead * told["missed"]})["future"])
        np.testing.assert_allclose(found[:, lead], encode.from_log(frame, recipe.model.c0), rtol=1e-4, atol=1e-14)


def test_a_member_whose_closures_are_not_shifted_is_the_forecast(windows_of_solver):
    recipe, windows = windows_of_solver
    model, windows = build(recipe, 4), windows.take(np.arange(2))
    plain = roll_out(model, windows, recipe, 2).concentration
    same = roll_out_shifted(model, windows, recipe, 2, np.zeros((2, 4))).concentration
    other = roll_out_shifted(model, windows, recipe, 2, np.full((2, 4), 0.3)).concentration
    np.testing.assert_allclose(same, plain, rtol=1e-3, atol=1e-3 * plain.max())
    assert np.abs(other - plain).max() > 0.01 * plain.max()


def test_the_wind_before_is_compared_with_the_last_one():
    east, north = np.array([[[1.0, 1.0], [0.0, 0.0]]]), np.array([[[0.0, 0.0], [2.0, 2.0]]])
    np.testing.assert_allclose(encode._relative(north, east), [[0.0, 2.0]], atol=1e-6)
    np.testing.assert_allclose(encode._relative(east, 0 * east), [[1.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_any_number_of_scales_gives_the_volume_back(scales):
    net = PlumeNet(grid=(4, 7, 9), filters=2, base="none", transport=False, wind=False, scales=scales)
    x = {"past": np.ones((1, 3, 4, 7, 9), "float32"), "static": np.zeros((1, 4, 7, 9, 3), "float32")}
    assert net(x)["future"].shape == (1, 4, 7, 9)


def test_what_the_solver_needs_is_refused_where_it_is_missing():
    with pytest.raises(ValueError, match="looks at two frames"):
        PlumeNet(base="solver", past=1)
    with pytest.raises(ValueError, match="looks at two frames"):
        PlumeRecipe().with_changes({"data": {"past": 1}})


@pytest.fixture(scope="module")
def windows_of_solver(tmp_path_factory):
    from kmodels.plume.data.load import load
    from kmodels.plume.simulator.simulate_runs import simulate

    grid = {"nz": 4, "ny": 6, "nx": 6, "dz": 30.0}
    run = {"n_runs": 3, "frames": 9, "past": 2, "stride": 2, "terrain_height": 20.0, "frame_seconds": 30.0}
    recipe = PlumeRecipe().with_changes(
        {"data": run | {"grid": grid, "stacks": (1, 2)}, "model": {"substeps": 12, "filters": 2}}
    )
    folder = tmp_path_factory.mktemp("runs")
    simulate(recipe, folder, lambda *_: None)
    return recipe, load(folder, recipe)
