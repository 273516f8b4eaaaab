"""The networks, what they are given, and the roll-out."""

import numpy as np
import pytest
from helpers.checks import ROOT
from helpers.plain_runs import RECIPE, plain_run
from keras import ops

from kmodels.core.cli import parse
from kmodels.core.training import inference
from kmodels.plume.data import cf_writer, encode, load
from kmodels.plume.evaluation import rollout
from kmodels.plume.evaluation.baselines import persistence
from kmodels.plume.network.losses import log_error, mass_error, peak_error
from kmodels.plume.network.model import build
from kmodels.plume.recipe import PlumeRecipe

CHANGES = {"data": {"horizon": 1, "grid": {"nz": 4, "ny": 6, "nx": 5, "dz": 10.0}, "terrain_height": 12.0}}
SMALL = RECIPE.with_changes(CHANGES | {"model": {"filters": 3, "num_layers": 1, "base": "persistence"}})


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name in "ab":
        cf_writer.write_run(folder / f"{name}.nc", plain_run(name))
    return load.load(folder, SMALL)


def test_the_network_is_given_the_past_and_asked_for_the_next_frame(windows):
    rows = np.array([0, 7])
    inputs, targets = encode.encode(windows, SMALL).take(rows)
    assert inputs["past"].shape == (2, 3, 4, 6, 5) and targets["future"].shape == (2, 4, 6, 5)
    np.testing.assert_array_equal(inputs["base"], inputs["past"][:, -1])
    # Frame t of these runs is (t + 1) times one volume.
    frame = {name: encode.from_log(x, SMALL.model.c0) for name, x in (inputs | targets).items() if name != "wind"}
    first = windows.first[rows][:, None, None, None]
    np.testing.assert_allclose(frame["future"] * (first + 3), frame["base"] * (first + 4), rtol=1e-4)
    u = windows.runs[windows.run[7]].u
    np.testing.assert_allclose(inputs["wind"][1, :, :, 0] * 10, u[windows.first[7] :][:3], rtol=1e-6)


def test_the_maps_hold_ground_emission_and_height(windows):
    maps = windows.maps(np.array([0]))
    static = encode.static_maps(maps)[0]
    np.testing.assert_array_equal(static[..., 0], maps.below_ground[0])
    cell = np.unravel_index(np.argmax(static[..., 1]), static.shape[:3])
    assert static[cell][1] == pytest.approx(np.log1p(5.0)) and static[cell][2] == pytest.approx(0.25)


def test_losses_by_hand():
    truth = np.log1p(np.array([3.0, 1.0, 0.0, 9.0], "float32"))
    forecast = np.log1p(np.array([6.0, 1.0, 1.0, 0.0], "float32"))
    air = np.array([1.0, 1.0, 1.0, 0.0], "float32")  # the last cell is ground
    truth, forecast, air = (ops.convert_to_tensor(x.reshape(1, 1, 2, 2)) for x in (truth, forecast, air))
    of = (log_error, mass_error, peak_error)
    by_hand = [(np.log(7 / 4) ** 2 + np.log(2) ** 2) / 3, np.log(9 / 5) ** 2, (3**2 + 1**2) / (3**2 + 1 + 1)]
    assert [float(one(truth, forecast, air)[0]) for one in of] == pytest.approx(by_hand, rel=1e-5)
    assert [float(one(truth, truth, air)[0]) for one in of] == [0.0, 0.0, 0.0]


V1, V2 = "v1_ensemble", "v2_convlstm"


@pytest.mark.parametrize(
    ("architecture", "base"),
    [(V1, "none"), (V1, "persistence"), (V2, "none"), (V2, "persistence"), (V2, "wind_moved"), (V2, "transport")],
)
def test_forecasts_are_never_negative_and_nothing_is_below_ground(windows, architecture, base):
    changes = {"architecture": architecture, "base": base, "transport": base == "transport"}
    recipe = SMALL.with_changes({"model": changes})
    outputs = inference.predict(build(recipe, 1), encode.encode(windows, recipe), 4)["future"]
    below = windows.maps(np.arange(len(windows))).below_ground
    assert outputs.shape == below.shape and np.isfinite(outputs).all()
    assert (outputs[~below] >= 0).all() and (outputs[below] == 0).all() and below.any()
    assert base == "transport" or (outputs[~below] > 0).all()


def test_wind_reaches_the_forecast_only_where_asked_for(windows):
    recipe = SMALL.with_changes({"model": {"base": "none"}})
    model = build(recipe, 1)
    inputs, _ = encode.encode(windows, recipe).take(np.arange(2))
    calm = inputs | {"wind": np.zeros_like(inputs["wind"])}
    assert np.abs(_predict(model, inputs) - _predict(model, calm)).max() > 1e-6
    without = recipe.with_changes({"model": {"wind": False, "transport": False}})
    assert set(encode.encode(windows, without).take(np.arange(2))[0]) == {"past", "static"}


def test_transport_moves_each_of_the_last_two_frames_by_its_own_wind(windows):
    rows = np.array([0, 7])
    past, winds, maps = windows.past(rows), windows.wind(rows), windows.maps(rows)
    cell_a_frame = windows.cell[2] / windows.frame_seconds  # m/s that move a cell a frame
    winds = np.zeros_like(winds)
    winds[:, -1, 0], winds[:, -2, 1] = cell_a_frame, -2 * windows.cell[1] / windows.frame_seconds
    found = encode.transport_maps(past, winds, maps._replace(below_ground=np.zeros_like(maps.below_ground)), windows)
    np.testing.assert_allclose(found[..., 1:, 0], past[:, -1, ..., :-1], rtol=1e-5)
    np.testing.assert_allclose(found[..., :-2, :, 1], past[:, -2, ..., 2:, :], rtol=1e-5)
    assert (found[..., 0, 0] == 0).all() and (found[..., -2:, :, 1] == 0).all()


def test_transport_keeps_mass_and_remembers_what_it_missed(windows):
    """Frame t is transported and emitted into; with memory 1, what the step to t missed is added whole."""
    recipe = SMALL.with_changes({"model": {"base": "transport", "transport": True, "memory": 1.0}})
    model = build(recipe, 1)
    inputs, _ = encode.encode(windows, recipe).take(np.arange(2))
    still = np.zeros_like(inputs["transport"])
    still[..., :2] = inputs["past"][:, -1:].transpose(0, 2, 3, 4, 1)  # both steps would leave frame t as it is
    outputs = model.predict_on_batch(inputs | {"transport": still})
    np.testing.assert_allclose(outputs["future"], inputs["past"][:, -1], rtol=1e-3, atol=1e-5)
    # Nothing stands at the sides or the top: all that one hand-over and the mixing move stays inside.
    inside = np.zeros_like(still)
    inside[:, :2, 2:4, 2:3] = still[:, :2, 2:4, 2:3]
    closed = model.get_layer("diffusivity")
    closed.kernel.assign(0 * closed.kernel)
    closed.bias.assign(0 * closed.bias - 30.0)
    carried = np.expm1(np.asarray(model.predict_on_batch(inputs | {"transport": inside})["carried"], "float64"))
    assert carried.sum() == pytest.approx(np.expm1(inside[..., 0].astype("float64")).sum(), rel=1e-4)


def _predict(model, inputs):
    return np.asarray(model.predict_on_batch(inputs)["future"])


class _Last:
    """Says that the next frame is the last one, `growth` higher in log space."""

    def __init__(self, growth=0.0):
        self.growth = growth

    def predict_on_batch(self, inputs):
        return {"future": np.where(inputs["past"][:, -1] > 0, inputs["past"][:, -1] + self.growth, 0)}


def test_a_roll_out_feeds_on_its_own_forecasts(windows):
    some = windows.take(np.array([0, 3]))
    still = rollout.roll_out(_Last(), some, SMALL, 4).concentration
    np.testing.assert_allclose(still, persistence(some, 4).concentration, rtol=1e-5)
    growing = rollout.roll_out(_Last(0.1), some, SMALL, 4).concentration
    logs = encode.to_log(growing, SMALL.model.c0)
    air = still[:, 0] > 0
    for lead in range(3):
        np.testing.assert_allclose((logs[:, lead + 1] - logs[:, lead])[air], 0.1, rtol=1e-3)


class _Wind:
    """Says what the wind of the last frame is, so that a test can see which frame's it was given."""

    def predict_on_batch(self, inputs):
        wind = inputs["wind"][:, -1, 0, 0]
        return {"future": np.zeros_like(inputs["past"][:, 0]) + np.abs(wind)[:, None, None, None]}


def test_a_roll_out_is_given_the_wind_of_the_frames_on_the_way(windows):
    some = windows.take(np.array([0]))
    found = encode.to_log(rollout.roll_out(_Wind(), some, SMALL, 7).concentration, SMALL.model.c0)[0, :, 0, 0, 0]
    u = np.abs(some.runs[some.run[0]].u[:, 0]) / 10
    np.testing.assert_allclose(found, u[[2, 3, 4, 5, 6, 7, 7]], rtol=1e-4)  # the run ends after frame 7


def test_sizes_of_the_full_recipe():
    """The seed: about 0.2 M parameters for v1, 0.4 to 0.6 M for v2."""
    full = parse.resolve(PlumeRecipe, [parse.read_yaml(ROOT / "configs" / "plume_full.yaml")])
    assert 0.4e6 < build(full, 1).count_params() < 0.65e6
    v1 = full.with_changes({"model": {"architecture": V1, "base": "none", "filters": 8}})
    assert 0.1e6 < build(v1, 1).count_params() < 0.6e6
