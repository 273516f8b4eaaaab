"""Whole runs: what they hold, that they depend on seed and number alone, and stacks with their rise."""

import joblib
import numpy as np
import pytest
from helpers.domains import data, flat

from kmodels.core.spec.errors import UserError
from kmodels.plume.data.flow.terrain import Domain
from kmodels.plume.data.load import load
from kmodels.plume.data.run import Stacks
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator import simulate_runs
from kmodels.plume.simulator.stability import CLASSES
from kmodels.plume.simulator.stacks import highest_release, plume_rise, release_cells, sample_stacks


def simulated(seed=0, **changes):
    return simulate_runs.sample_run(np.random.default_rng(seed), data(**changes), "plume-00000")


def test_a_run_holds_a_cloud_from_its_first_frame_on():
    for seed in range(4):
        run = simulated(seed)
        c = run.concentration
        assert c.shape == (6, 10, 14, 16) and c.dtype == np.float32 and run.u.shape == run.v.shape == (6, 10)
        assert run.time.tolist() == [0, 60, 120, 180, 240, 300]
        assert np.isfinite(c).all() and c.min() >= 0 and not c[:, run.below_ground()].any()
        peak = c.max(axis=(1, 2, 3))
        assert (peak > 1e-9).all() and (peak < 1e-3).all() and peak[0] > 0.2 * peak.max()
        assert 1 <= len(run.stacks) <= 8


def test_wind_of_a_run_turns_and_keeps_its_speed():
    run = simulated(1, frames=30)
    speed = np.hypot(run.u, run.v)
    # East and north winds are solved for apart: over hills their level means differ a little in speed.
    np.testing.assert_allclose(speed, speed[:1].repeat(30, axis=0), rtol=0.1)
    assert (np.diff(speed[0]) > 0).all()  # faster above
    direction = np.unwrap(np.arctan2(run.v[:, 0], run.u[:, 0]))
    assert np.degrees(np.ptp(direction)) > 5.0


def test_the_cloud_goes_where_the_wind_blows():
    """One stack in flat country: the centre of mass lies downwind of it."""
    for seed in range(4):
        run = simulated(seed, terrain_height=0.0, stacks=[1, 1], wind_speed=[3.0, 5.0], turning_degrees=0.0)
        c = run.concentration[-1]
        east = (c * run.x).sum() / c.sum() - run.stacks.x[0]
        north = (c * run.y[:, None]).sum() / c.sum() - run.stacks.y[0]
        wind = np.array([run.u[-1].mean(), run.v[-1].mean()])
        along = (east * wind[0] + north * wind[1]) / np.hypot(*wind)
        across = (north * wind[0] - east * wind[1]) / np.hypot(*wind)
        assert along > 150.0 and abs(across) < 0.15 * along + 30.0


def test_same_seed_same_run():
    one, same, other = simulated(0), simulated(0), simulated(1)
    assert np.array_equal(one.concentration, same.concentration) and np.array_equal(one.u, same.u)
    assert not np.array_equal(one.concentration, other.concentration)


def test_runs_do_not_depend_on_workers_on_files_or_on_their_number(tmp_path, monkeypatch):
    recipe = PlumeRecipe().with_changes({"data": data().model_dump(mode="json") | {"n_runs": 3}})
    more = recipe.with_changes({"data": {"n_runs": 4}})
    done, real, found = [], joblib.Parallel, []
    for name, which, workers, in_a_file in (("one", recipe, 1, 10), ("two", more, 2, 2)):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setattr(joblib, "Parallel", lambda n_jobs, n=workers, **k: real(n, **k))
        monkeypatch.setattr(simulate_runs, "RUNS_A_FILE", in_a_file)
        facts = simulate_runs.simulate(which, folder, lambda i, n: done.append((i, n)))
        assert facts["runs"] == str(which.data.n_runs)
        found.append([run.concentration(0, run.n_frames) for run in load(folder, which).runs])
    assert done == [(3, 3), (2, 4), (4, 4)]
    assert sorted(path.name for path in folder.iterdir()) == ["plume-00000.nc", "plume-00002.nc"]
    for one, two in zip(found[0], found[1][:3], strict=True):
        np.testing.assert_array_equal(one, two)


def test_plume_rise():
    """Hand-worked: F = 10: 21.425 * 10^0.75 / 5 = 24.10 m; F = 100: 38.71 * 100^0.6 / 5 = 122.7 m; class F in 2 m/s:
    N^2 = 9.81 / 290 * 0.035, 2.6 (10 / (2 N^2))^(1/3) = 42.02 m."""
    assert plume_rise(10.0, 5.0, CLASSES["D"]) == pytest.approx(24.10, abs=0.01)
    assert plume_rise(100.0, 5.0, CLASSES["A"]) == pytest.approx(122.7, abs=0.1)
    assert plume_rise(10.0, 2.0, CLASSES["F"]) == pytest.approx(42.02, abs=0.05)
    assert plume_rise(10.0, 1e-6, CLASSES["F"]) < 100.0  # calm


def test_plumes_are_released_in_air_below_the_lid():
    domain = Domain(flat(10, 4, 4, 100.0, 10.0).grid, np.full((4, 4), 34.0), lid=80.0)
    stacks = Stacks(
        x=np.array([50.0, 399.0]), y=np.array([150.0, 1.0]), height=np.array([0.5, 20.0]), emission=np.ones(2)
    )
    k, j, i = release_cells(domain, stacks, np.array([0.0, 500.0]))
    assert (k.tolist(), j.tolist(), i.tolist()) == ([3, 6], [1, 0], [0, 3])
    assert highest_release(domain) == 65.0


def test_stacks_stand_where_they_fit():
    section = data(stack_height=[50.0, 150.0], emission=[1.0, 10.0], stacks=[8, 8])
    ground = np.zeros((14, 16))
    ground[:, :8] = 160.0
    stacks = sample_stacks(np.random.default_rng(0), Domain(section.grid, ground), section)
    assert len(stacks) == 8 and (stacks.x >= 800.0).all() and (stacks.height <= 150.0).all()
    assert ((stacks.emission >= 1e-3) & (stacks.emission <= 1e-2)).all()
    with pytest.raises(UserError, match="no stack ends inside a grid 10 x 20 m high"):
        sample_stacks(np.random.default_rng(0), Domain(section.grid, np.full((14, 16), 160.0)), section)
