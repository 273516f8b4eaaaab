"""The restarted solver: it is the simulator where a run is as it believes, and no more than a file tells it."""

import numpy as np
import pytest
from helpers.checks import equal_arrays

from kmodels.plume.data.flow.courant import is_solvable
from kmodels.plume.data.flow.wind_error import with_error
from kmodels.plume.data.load import load
from kmodels.plume.evaluation import solver
from kmodels.plume.recipe import PlumeRecipe
from kmodels.plume.simulator import simulate_runs
from kmodels.plume.simulator.stability import CLASSES

FLAT = {"n_runs": 3, "frames": 12, "terrain_height": 0.0, "lid": (1e4, 1e4), "turning_degrees": 30.0, "stride": 4}


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Neutral air over a plain, no plume rise and no lid: all that the solver takes for granted."""
    recipe = PlumeRecipe().with_changes({"data": FLAT})
    folder = tmp_path_factory.mktemp("flat")
    with pytest.MonkeyPatch.context() as change:
        change.setattr(simulate_runs, "sample_stability", lambda rng, speed: CLASSES["D"])
        change.setattr(simulate_runs, "plume_rise", lambda buoyancy, speed, stability: np.zeros(len(buoyancy)))
        simulate_runs.simulate(recipe, folder, lambda done, total: None)
    return load(folder, recipe)


def test_where_a_run_is_as_it_believes_it_goes_on_as_the_simulator_did(windows):
    leads = int(windows.leads.min())
    assert is_solvable(windows) and leads >= 1
    forecast = solver.restart(windows, leads).concentration
    truth = windows.future(np.arange(len(windows)), leads)
    assert np.abs(forecast - truth).max() < 0.02 * truth.max()
    wrong = solver.restart(windows, leads, (6.0, 6.0)).concentration
    assert np.abs(wrong - truth).mean() > 10 * np.abs(forecast - truth).mean()


def test_a_fit_finds_the_diffusivity(windows):
    horizontal, vertical = solver.fit_factors(windows)
    assert 0.8 < horizontal < 1.25 and 0.8 < vertical < 1.25


def test_a_refit_finds_the_wind_that_it_was_not_given(windows):
    some = windows.take(np.unique(windows.run, return_index=True)[1])
    wrong = with_error(some, np.random.default_rng(1), 25.0, 0.2)
    truth = some.future(np.arange(len(some)), 1)[:, 0]
    given, refitted = (forecast(wrong, 1).concentration[:, 0] for forecast in (solver.restart, solver.restart_fitted))
    assert np.abs(refitted - truth).mean() < 0.5 * np.abs(given - truth).mean()


def test_mass_is_what_was_there_and_what_was_emitted(windows):
    """As long as nothing leaves the box: it may leave, never appear."""
    some = windows.take([0])
    start, after = some.past([0])[0, -1].sum(dtype=float), solver.restart(some, 1).concentration.sum(dtype=float)
    dz, dy, dx = windows.cell
    emitted = windows.runs[some.run[0]].stacks.emission.sum() * windows.frame_seconds / (dz * dy * dx)
    assert after <= (start + emitted) * (1 + 1e-5)


def test_the_wind_of_each_frame_is_followed(windows):
    """Twice the speed gives another forecast."""
    one = windows.take([1])
    run = windows.runs[one.run[0]]
    made = solver._RunSolver(run, one.cell, one.frame_seconds, (1.0, 1.0))
    start, wind = one.past([0])[0, -1], one.wind_at([0], 0)
    equal_arrays({"c": made.forecast(start, wind)}, {"c": solver.restart(one, 1).concentration[0]}, 1e-6)
    assert np.abs(made.forecast(start, 2 * wind) - made.forecast(start, wind)).max() > 0
