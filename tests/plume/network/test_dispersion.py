"""The equation of dispersion in tensors: the simulator's own numbers, mass, and what is refused."""

import numpy as np
import pytest
from helpers.domains import data, relative_l2
from keras import ops

from kmodels.core.spec.errors import UserError
from kmodels.plume.data import encode
from kmodels.plume.data.flow.courant import courant_numbers
from kmodels.plume.data.flow.wind import nearest_wind
from kmodels.plume.network.dispersion import DispersionStep
from kmodels.plume.network.model import PlumeNet, build
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator.terrain import sample_domain
from kmodels.plume.simulator.transport import Transport

SECONDS, SUBSTEPS, DIFFUSIVITY = 20.0, 4, (20.0, 5.0)


@pytest.fixture(scope="module")
def hills():
    """A domain without a lid, the wind over it that blows north-east, and a cloud with a source in it."""
    domain = sample_domain(np.random.default_rng(3), data(lid=(1500.0, 1500.0)))
    profile = np.linspace(2.0, 5.0, domain.grid.nz)[:, None, None]
    wind = nearest_wind(domain, profile, profile)
    cloud = np.random.default_rng(4).random(domain.shape) ** 8 * domain.air
    cell = 5, 6, 7
    return domain, wind, cloud, cell


def advance(domain, wind, cloud, cell, diffusivity=DIFFUSIVITY, rate=1.0):
    """Advance by one frame with the layer."""
    faces = wind.towards(np.pi / 4)
    widths = domain.grid.dx, domain.grid.dx, domain.grid.dz
    flows = {
        f"flow_{axis}": ops.convert_to_tensor((flow * SECONDS / width)[None].astype("float32"))
        for axis, flow, width in zip("xyz", faces, widths, strict=True)
    }
    emitted = np.zeros(domain.shape)
    emitted[cell] = rate * SECONDS / np.prod(domain.spacing)
    horizontal, vertical = (k * SECONDS / width**2 for k, width in zip(diffusivity, widths[1:], strict=True))
    fields = cloud, emitted, np.full(domain.shape, vertical), domain.air
    cloud, emitted, vertical, air = (ops.convert_to_tensor(field[None].astype("float32")) for field in fields)
    number = ops.full((1, 1, 1, 1), horizontal)
    return ops.convert_to_numpy(DispersionStep(SUBSTEPS)(cloud, flows, emitted, number, vertical, air))[0]


def test_a_step_is_the_simulators(hills):
    domain, wind, cloud, cell = hills
    transport = Transport(domain, wind, DIFFUSIVITY, SECONDS)
    transport.concentration[:] = cloud
    transport.advance(np.pi / 4, tuple(np.array([k]) for k in cell), np.array([1.0]))
    found = advance(domain, wind, cloud, cell)
    assert relative_l2(found, transport.concentration) < 0.02  # its substeps are others
    assert relative_l2(cloud, transport.concentration) > 0.2 and found.min() >= 0


def test_mass_is_kept_where_nothing_reaches_the_sides(hills):
    domain, wind, _, cell = hills
    cloud = np.zeros(domain.shape)
    cloud[4:6, 6:8, 7:9] = domain.air[4:6, 6:8, 7:9]
    found = advance(domain, wind, cloud, cell, rate=0.5 * np.prod(domain.spacing) / SECONDS)
    assert found.sum() == pytest.approx(cloud.sum() + 0.5, rel=1e-4)


def test_a_constant_stays_constant_inside(hills):
    domain, wind, _, cell = hills
    found = advance(domain, wind, domain.air.astype(float), cell, diffusivity=(0.0, 0.0), rate=0.0)
    inner = np.s_[:6, 4:-4, 4:-4]  # clean air comes in from the sides and the open top
    np.testing.assert_allclose(found[inner], domain.air[inner], atol=1e-4)


def test_the_network_learns(windows_of_solver):
    recipe, windows = windows_of_solver
    x, y = encode.encode(windows, recipe).take(np.arange(4))
    assert x["flow_x"].shape == (4, 4, 6, 7, 2) and x["flow_z"].shape == (4, 5, 6, 6, 2)
    network = build(recipe, 4)
    losses = network.fit(x, y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert ops.convert_to_numpy(network(x)["future"]).min() >= 0


def test_wrong_winds_are_in_half_of_the_training(windows_of_solver):
    recipe, windows = windows_of_solver
    recipe = recipe.with_changes({"train": {"wind_degrees": 0.0, "wind_share": 0.0}})
    wrong = encode.training_examples(windows, recipe.with_changes({"train": {"wind_degrees": 20.0}}))
    angle, factor = wrong.wind_error.T
    assert 0 < (angle == 0).mean() < 1 and (factor == 1).all()
    given = encode.training_examples(windows, recipe).take(np.arange(len(windows)))[0]["wind"]
    speed, turned = (
        np.hypot(*np.moveaxis(one, -1, 0)) for one in (given, wrong.take(np.arange(len(windows)))[0]["wind"])
    )
    np.testing.assert_allclose(turned, speed, rtol=1e-5)


def test_too_few_substeps_are_refused_with_the_number_that_is_enough(windows_of_solver):
    _, windows = windows_of_solver
    wind = windows.wind_at(np.array([0]), 0) * 100
    with pytest.raises(UserError, match=r"model.substeps = 2: the wind crosses .* set model.substeps = \d+"):
        courant_numbers(windows, np.array([0]), wind, 2)


def test_arguments_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="base = 'solver' needs"):
        PlumeNet(base="solver", wind=False, transport=False)
    with pytest.raises(ValueError, match="substeps"):
        PlumeNet(base="solver", substeps=3)


@pytest.fixture(scope="module")
def windows_of_solver(tmp_path_factory):
    from kmodels.plume.data.load import load
    from kmodels.plume.simulator.simulate_runs import simulate

    grid = {"nz": 4, "ny": 6, "nx": 6, "dz": 30.0}
    changes = {
        "data": {"n_runs": 3, "frames": 8, "past": 2, "stride": 2, "grid": grid, "terrain_height": 20.0},
        "model": {"base": "solver", "transport": False, "substeps": 12, "filters": 2},
    }
    recipe = PlumeRecipe().with_changes(changes | {"data": changes["data"] | {"stacks": (1, 2), "frame_seconds": 30.0}})
    folder = tmp_path_factory.mktemp("runs")
    simulate(recipe, folder, lambda *_: None)
    return recipe, load(folder, recipe)
